package kube

import (
	"context"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

const (
	preflightMax = 10 * time.Second
	// preflightName belongs to no object.
	preflightName = "oriel-preflight"
)

// Forbidden says which permission is missing.
type Forbidden struct {
	Verb, Resource string
	// Essential permissions are those without which nothing can be watched;
	// without the others the owners of namespaces hear nothing back.
	Essential bool
	Err       error // the API server's words
}

// Error names the verb, the resource and the mend.
func (f *Forbidden) Error() string {
	return fmt.Sprintf("Kubernetes does not allow this account to %s %s: grant it with kubectl apply -f deploy/agent.yaml (%v)", f.Verb, f.Resource, f.Err)
}

// Unwrap gives the API server's error.
func (f *Forbidden) Unwrap() error { return f.Err }

// Preflight tries every permission that a Watcher needs, without changing
// anything: by reading, and by dry runs. What is missing comes back joined, a
// *Forbidden each. It asks no SelfSubjectAccessReview, which some clusters keep
// from service accounts. An API server that cannot be reached is that one error.
func Preflight(ctx context.Context, client kubernetes.Interface) error {
	ctx, cancel := context.WithTimeout(ctx, preflightMax)
	defer cancel()
	namespaces, events := client.CoreV1().Namespaces(), client.CoreV1().Events(metav1.NamespaceDefault)
	dryRun := []string{metav1.DryRunAll}
	nothing := []byte(`{}`)
	var missing []error
	for _, check := range []struct {
		verb, resource string
		essential      bool
		try            func() error
	}{
		{"list", "namespaces", true, func() error {
			_, err := namespaces.List(ctx, metav1.ListOptions{Limit: 1})
			return err
		}},
		{"watch", "namespaces", true, func() error {
			second := int64(1)
			watch, err := namespaces.Watch(ctx, metav1.ListOptions{TimeoutSeconds: &second})
			if err == nil {
				watch.Stop()
			}
			return err
		}},
		// The permission is checked before the object is looked for.
		{"patch", "namespaces", false, func() error {
			_, err := namespaces.Patch(ctx, preflightName, types.MergePatchType, nothing, metav1.PatchOptions{DryRun: dryRun})
			return err
		}},
		{"create", "events", false, func() error {
			_, err := events.Create(ctx, &corev1.Event{
				ObjectMeta:     metav1.ObjectMeta{Name: preflightName, Namespace: metav1.NamespaceDefault},
				InvolvedObject: corev1.ObjectReference{Kind: "Namespace", Name: metav1.NamespaceDefault, Namespace: metav1.NamespaceDefault},
			}, metav1.CreateOptions{DryRun: dryRun})
			return err
		}},
		{"patch", "events", false, func() error {
			_, err := events.Patch(ctx, preflightName, types.MergePatchType, nothing, metav1.PatchOptions{DryRun: dryRun})
			return err
		}},
	} {
		err := check.try()
		switch {
		case apierrors.IsForbidden(err):
			missing = append(missing, &Forbidden{check.verb, check.resource, check.essential, err})
		case err == nil, answered(err):
		default:
			return fmt.Errorf("ask Kubernetes for permissions: %w", err)
		}
	}
	return errors.Join(missing...)
}

// answered reports whether the API server let the request pass its gates and
// then objected to the object, as it does for one that does not exist.
func answered(err error) bool {
	return apierrors.IsNotFound(err) || apierrors.IsAlreadyExists(err) || apierrors.IsInvalid(err) || apierrors.IsBadRequest(err)
}
