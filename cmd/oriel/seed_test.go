package main

import (
	"testing"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/storage"
)

func appendSample(t *testing.T, app storage.AppenderV2, name, namespace, word string) {
	t.Helper()
	ls := labels.FromStrings("__name__", name, "namespace", namespace, "pod", word+"-0", "job", "app", word+"_label", word)
	if _, err := app.Append(0, ls, 0, testNow.UnixMilli(), 42, nil, nil, storage.AOptions{}); err != nil {
		t.Fatal(err)
	}
}
