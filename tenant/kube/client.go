package kube

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// The client's own rate limit. The API server's priority and fairness protects
// the server; this protects against a loop of ours. 2,000 namespaces that are
// onboarded at once are 4,000 writes, a status and an Event each: 10 s.
const (
	queriesPerSecond = 400
	queriesBurst     = 800
)

// NewClient connects to a cluster's API: with the kubeconfig file where one is
// named (and its context, or the file's current one), else as the pod's service
// account where inCluster is set. There is no third way: neither the environment
// variable KUBECONFIG nor a file in the home directory is read, since Oriel
// writes on namespaces and must not do so on whatever cluster was used last.
//
// The returned configuration is for clients of other resources; it speaks JSON.
func NewClient(kubeconfig, context string, inCluster bool) (kubernetes.Interface, *rest.Config, error) {
	config, err := clientConfig(kubeconfig, context, inCluster)
	if err != nil {
		return nil, nil, err
	}
	config.QPS, config.Burst = queriesPerSecond, queriesBurst
	rest.AddUserAgent(config, "oriel")
	// Protobuf is a third of JSON's work for the built-in types; custom
	// resources have JSON alone.
	typed := rest.CopyConfig(config)
	typed.ContentType = "application/vnd.kubernetes.protobuf"
	typed.AcceptContentTypes = "application/vnd.kubernetes.protobuf,application/json"
	client, err := kubernetes.NewForConfig(typed)
	if err != nil {
		return nil, nil, fmt.Errorf("client for the Kubernetes API at %s: %w", config.Host, err)
	}
	return client, config, nil
}

func clientConfig(kubeconfig, context string, inCluster bool) (*rest.Config, error) {
	switch {
	case kubeconfig != "":
		file, err := clientcmd.LoadFromFile(kubeconfig)
		if err != nil {
			return nil, fmt.Errorf("kubeconfig %s: %w; name one that can be read with --kubeconfig or kubernetes.kubeconfig", kubeconfig, err)
		}
		if context != "" && file.Contexts[context] == nil {
			return nil, fmt.Errorf("kubeconfig %s has no context %q: set kubernetes.context to one of %s", kubeconfig, context,
				strings.Join(slices.Sorted(maps.Keys(file.Contexts)), ", "))
		}
		config, err := clientcmd.NewNonInteractiveClientConfig(*file, context, &clientcmd.ConfigOverrides{}, nil).ClientConfig()
		if err != nil {
			return nil, fmt.Errorf("kubeconfig %s: %w", kubeconfig, err)
		}
		return config, nil
	case context != "":
		return nil, errors.New("kubernetes.context is set without kubernetes.kubeconfig: name the file as well")
	case inCluster:
		config, err := rest.InClusterConfig()
		if err != nil {
			return nil, fmt.Errorf("no Kubernetes API from here (%w): run in a pod with a service account, or set kubernetes.kubeconfig", err)
		}
		return config, nil
	}
	return nil, errors.New("no Kubernetes API configured: set kubernetes.kubeconfig, or run in a pod")
}
