package probe

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"net/netip"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/kubernetes"
	listers "k8s.io/client-go/listers/core/v1"
)

// Pods resolves services of a cluster to their own pods. Neither the service's
// address nor its endpoints are taken: people of a namespace may write both, to
// lead anywhere. A pod's address is its kubelet's word.
func Pods(client kubernetes.Interface, pods listers.PodLister) Resolver {
	return func(ctx context.Context, namespace, host, port string) (string, error) {
		service, err := serviceOf(host, namespace)
		if err != nil {
			return "", err
		}
		s, err := client.CoreV1().Services(namespace).Get(ctx, service, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			return "", &Refused{"no_service", fmt.Sprintf("namespace %s has no service %s", namespace, service)}
		}
		if err != nil {
			return "", fmt.Errorf("service %s of %s: %w", service, namespace, err)
		}
		if len(s.Spec.Selector) == 0 {
			return "", &Refused{"no_selector", fmt.Sprintf("service %s selects no pods", service)}
		}
		at, ok := portOf(s, port)
		if !ok {
			return "", &Refused{"no_port", fmt.Sprintf("service %s has no port %s", service, port)}
		}
		all, err := pods.Pods(namespace).List(labels.SelectorFromSet(s.Spec.Selector))
		if err != nil {
			return "", fmt.Errorf("pods of service %s of %s: %w", service, namespace, err)
		}
		var found []string
		for _, p := range all {
			if to, ok := addressOf(p, at); ok {
				found = append(found, to)
			}
		}
		if len(found) == 0 {
			return "", errors.New("no pod of the service is ready")
		}
		return found[rand.N(len(found))], nil
	}
}

// serviceOf takes the names by which a pod of the namespace calls a service of it:
// web, web.shop, web.shop.svc, web.shop.svc.cluster.local.
func serviceOf(host, namespace string) (string, error) {
	parts := strings.Split(strings.TrimSuffix(host, "."), ".")
	own := len(parts) == 1 || parts[1] == namespace && (len(parts) == 2 || parts[2] == "svc")
	if _, err := netip.ParseAddr(host); err == nil || !own || parts[0] == "" {
		return "", &Refused{"outside", fmt.Sprintf("%s is no service of namespace %s", host, namespace)}
	}
	return parts[0], nil
}

func portOf(s *corev1.Service, port string) (intstr.IntOrString, bool) {
	for _, p := range s.Spec.Ports {
		if strconv.Itoa(int(p.Port)) == port && (p.Protocol == corev1.ProtocolTCP || p.Protocol == "") {
			if p.TargetPort.IntVal == 0 && p.TargetPort.StrVal == "" {
				return intstr.FromInt32(p.Port), true
			}
			return p.TargetPort, true
		}
	}
	return intstr.IntOrString{}, false
}

// addressOf gives where a pod listens; not ok where it is not ready, or has its
// node's network.
func addressOf(p *corev1.Pod, port intstr.IntOrString) (string, bool) {
	ready := false
	for _, c := range p.Status.Conditions {
		ready = ready || c.Type == corev1.PodReady && c.Status == corev1.ConditionTrue
	}
	ip, err := netip.ParseAddr(p.Status.PodIP)
	if !ready || err != nil || p.Spec.HostNetwork || p.DeletionTimestamp != nil || ip.IsLinkLocalUnicast() || ip.IsUnspecified() || ip.IsMulticast() {
		return "", false
	}
	if port.Type == intstr.Int {
		return net.JoinHostPort(p.Status.PodIP, port.String()), true
	}
	for _, c := range p.Spec.Containers {
		for _, cp := range c.Ports {
			if cp.Name == port.StrVal {
				return net.JoinHostPort(p.Status.PodIP, strconv.Itoa(int(cp.ContainerPort))), true
			}
		}
	}
	return "", false
}
