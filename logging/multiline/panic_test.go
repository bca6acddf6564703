package multiline

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// panics is a store with a fault of ours in it.
type panics struct{}

func (panics) Append(context.Context, tenant.Write, logging.Batch) ([]logging.ItemResult, error) {
	panic("a fault of ours")
}

// A batch that gave its lines to one that ended in a panic is not acknowledged: they
// are stored nowhere.
func TestLinesLentToAPanicAreNotAcknowledged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := New(Options{Appender: panics{}, Wait: time.Second})
		ended := make(chan any, 1)
		go func() {
			defer func() { ended <- recover() }()
			_, _ = j.Append(t.Context(), scope, logging.Batch{Key: "a", Records: records(t, "P» one ")})
		}()
		synctest.Wait()
		got, err := j.append(t.Context(), scope, logging.Batch{Records: records(t, "line")}, false)
		if <-ended == nil {
			t.Error("no panic")
		}
		if err == nil {
			t.Errorf("acknowledged: %+v", got)
		}
	})
}
