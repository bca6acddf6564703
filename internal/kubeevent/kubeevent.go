// Package kubeevent writes Kubernetes Events: one sentence on an object, for
// whoever owns it.
//
//	err := kubeevent.Write(ctx, client, kubeevent.Event{
//		Object:  corev1.ObjectReference{APIVersion: "v1", Kind: "Pod", Namespace: "shop", Name: "web-0", UID: uid},
//		Reason:  "OrielNotScraped", Message: "...", Warning: true, At: time.Now(),
//	})
package kubeevent

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"
)

// Component is who wrote, as Kubernetes shows it.
const Component = "oriel"

const (
	messageBytesMax = 1000
	nameBytesMax    = 200 // of the object's name in the Event's
	hashBytes       = 8
)

// Event is what is to be said. Object names its namespace, which is also where
// the Event lives: Events on cluster-wide objects may do so only if the
// reference names one.
type Event struct {
	Object  corev1.ObjectReference
	Reason  string
	Message string // cut to 1,000 bytes
	Warning bool
	At      time.Time
}

// Write creates the Event. Its name follows from what it says, so that the same
// words are one Event, whoever says them and however often: a second time only
// moves its last timestamp. The right needed is to create and patch events.
func Write(ctx context.Context, client kubernetes.Interface, e Event) error {
	at := metav1.NewTime(e.At)
	sum := sha256.Sum256([]byte(string(e.Object.UID) + "\x00" + e.Reason + "\x00" + e.Message))
	kind := corev1.EventTypeNormal
	if e.Warning {
		kind = corev1.EventTypeWarning
	}
	events := client.CoreV1().Events(e.Object.Namespace)
	name := fmt.Sprintf("%s.%x", e.Object.Name[:min(len(e.Object.Name), nameBytesMax)], sum[:hashBytes])
	_, err := events.Create(ctx, &corev1.Event{
		ObjectMeta:     metav1.ObjectMeta{Name: name, Namespace: e.Object.Namespace},
		InvolvedObject: e.Object,
		Reason:         e.Reason, Message: clip(e.Message, messageBytesMax), Type: kind,
		Source: corev1.EventSource{Component: Component}, ReportingController: Component,
		FirstTimestamp: at, LastTimestamp: at, Count: 1,
	}, metav1.CreateOptions{FieldManager: Component})
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	patch, err := json.Marshal(map[string]any{"lastTimestamp": at})
	if err != nil {
		return err
	}
	_, err = events.Patch(ctx, name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: Component})
	return err
}

// clip shortens s to bytesMax, at a boundary of a character.
func clip(s string, bytesMax int) string {
	const dots = "..."
	if len(s) <= bytesMax {
		return s
	}
	return strings.ToValidUTF8(s[:bytesMax-len(dots)], "") + dots
}
