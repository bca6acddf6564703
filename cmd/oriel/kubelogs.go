package main

import (
	"context"
	"time"

	"k8s.io/client-go/informers"

	"github.com/oriel-project/oriel/logging/pods"
)

// podsFile is where an edge keeps which pods there were.
const podsFile = "pods.jsonl"

// kubeLogs is what an edge knows of its cluster for the logs that come in.
type kubeLogs struct {
	pods *pods.Memory
}

// newKubeLogs makes it of the informers that the scraper starts, and lets the
// stamper of the edge know the pods.
func newKubeLogs(o edgeOptions, shared informers.SharedInformerFactory) (*kubeLogs, error) {
	memory, err := pods.Open(pods.Options{
		File: o.dir.Path(dirKube, podsFile), Keep: time.Duration(o.cfg.Kubernetes.PodsKept), Logger: o.log, Registerer: o.reg,
	})
	if err != nil {
		return nil, err
	}
	if err := memory.Follow(shared.Core().V1().Pods().Informer()); err != nil {
		return nil, err
	}
	o.stamper.Pods, o.stamper.PodsOf = memory, o.cfg.Cluster.Name
	return &kubeLogs{pods: memory}, nil
}

// Run watches until ctx ends.
func (k *kubeLogs) Run(ctx context.Context) error {
	return runAll(ctx, k.pods.Run)
}
