// kubebox is etcd, kube-apiserver and the few controllers that namespaces and
// RBAC need, in one binary: one link, one shared set of packages.
//
//	kubebox etcd ARGS...            the real etcd
//	kubebox kube-apiserver ARGS...  the real kube-apiserver
//	kubebox controllers -kubeconfig FILE [-root-ca FILE] [-workers N]
//
// Without the namespace controller a deleted namespace stays Terminating for
// ever; without the service account controller no pod can be made in a new one;
// without the aggregation controller the roles admin, edit and view are empty.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"
	_ "time/tzdata"

	"go.etcd.io/etcd/server/v3/etcdmain"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/metadata"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
	"k8s.io/klog/v2"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
	"k8s.io/kubernetes/pkg/controller/certificates/rootcacertpublisher"
	"k8s.io/kubernetes/pkg/controller/clusterroleaggregation"
	"k8s.io/kubernetes/pkg/controller/namespace"
	"k8s.io/kubernetes/pkg/controller/serviceaccount"
)

// resync is how often the namespace controller looks again at every namespace.
const resync = 5 * time.Minute

func main() {
	if len(os.Args) < 2 {
		usage()
	}
	// etcd and kube-apiserver read os.Args themselves.
	os.Args = os.Args[1:]
	switch os.Args[0] {
	case "etcd":
		etcdmain.Main(os.Args)
	case "kube-apiserver":
		os.Exit(cli.Run(app.NewAPIServerCommand()))
	case "controllers":
		ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
		defer stop()
		if err := controllers(ctx, os.Args[1:]); err != nil {
			fmt.Fprintln(os.Stderr, "kubebox controllers:", err)
			os.Exit(1)
		}
	default:
		usage()
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: kubebox etcd|kube-apiserver|controllers ARGS...")
	os.Exit(2)
}

// controllers blocks until ctx ends.
func controllers(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("controllers", flag.ExitOnError)
	kubeconfig := flags.String("kubeconfig", "", "of a member of system:masters")
	rootCA := flags.String("root-ca", "", "PEM file to publish in every namespace as kube-root-ca.crt")
	workers := flags.Int("workers", 20, "for each controller")
	flags.Parse(args) // exits by itself

	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		return err
	}
	config.QPS, config.Burst = 1000, 2000
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	meta, err := metadata.NewForConfig(config)
	if err != nil {
		return err
	}
	factory := informers.NewSharedInformerFactory(client, 0)
	core := factory.Core().V1()

	namespaces := namespace.NewNamespaceController(ctx, client, meta,
		client.Discovery().ServerPreferredNamespacedResources, core.Namespaces(), resync, corev1.FinalizerKubernetes)
	accounts, err := serviceaccount.NewServiceAccountsController(klog.FromContext(ctx), core.ServiceAccounts(),
		core.Namespaces(), client, serviceaccount.DefaultServiceAccountsControllerOptions())
	if err != nil {
		return err
	}
	if *rootCA != "" {
		pem, err := os.ReadFile(*rootCA)
		if err != nil {
			return err
		}
		publisher, err := rootcacertpublisher.NewPublisher(core.ConfigMaps(), core.Namespaces(), client, pem)
		if err != nil {
			return err
		}
		go publisher.Run(ctx, *workers)
	}
	roles := clusterroleaggregation.NewClusterRoleAggregation(factory.Rbac().V1().ClusterRoles(), client.RbacV1())
	go roles.Run(ctx, *workers)
	go namespaces.Run(ctx, *workers)
	go accounts.Run(ctx, *workers)
	factory.Start(ctx.Done())
	<-ctx.Done()
	return nil
}
