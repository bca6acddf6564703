// Package scrape fetches metrics with Prometheus' scrape manager over targets of
// its own: pods of owned namespaces that ask for it by annotation, the cluster's
// kubelets, and static targets from the configuration or added at run time.
//
//	m, err := scrape.New(scrape.Options{Appendable: sender, Interval: 15 * time.Second, Cluster: cluster, Owned: owned, Kube: client})
//	err = m.Run(ctx)
//
// Tenant targets have all of cluster, region, cloud, namespace, pod, container,
// node, job and instance forced: their own claims become exported_*. They are
// fetched from the pod's own address alone, without credentials, and redirects
// are not followed; their timestamps are not believed, since the time decides
// whose a sample is where a namespace has changed hands.
//
// Platform targets (kubelets, and static targets that the operator marks so)
// keep the namespace, pod and container that their samples name: the store gives
// each series to the owner of its namespace.
//
// A change of pods, nodes or owners is followed within half a second, and a new
// target is scraped at once; many at once are spread out, so that they do not
// stay in step for ever.
package scrape
