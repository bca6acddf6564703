package relay

import (
	"bytes"
	"context"
	"fmt"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// together stores nothing before so many owners' batches are there.
type together struct {
	all sync.WaitGroup
}

func (s *together) Append(ctx context.Context, _ tenant.Write, b logging.Batch) ([]logging.ItemResult, error) {
	s.all.Done()
	met := make(chan struct{})
	go func() { s.all.Wait(); close(met) }()
	select {
	case <-met:
		return make([]logging.ItemResult, len(b.Records)), nil
	case <-time.After(10 * time.Second):
		return nil, fmt.Errorf("%w: the others did not come", logging.ErrUnavailable)
	}
}

// TestOwnersTogether: the owners of a parcel do not wait for each other's sync.
func TestOwnersTogether(t *testing.T) {
	const owners = 300
	of := map[string]tenant.ID{}
	p := parcel{queued: time.Now(), key: "k"}
	for i := range owners {
		ns := fmt.Sprintf("ns%d", i)
		of["eu-1/"+ns] = tenant.ID(fmt.Sprintf("team%d", i))
		p.namespaces = append(p.namespaces, ns)
		p.records = append(p.records, logging.Raw{Source: fmt.Appendf(nil, `{"message":"m","namespace":%q}`, ns)})
	}
	store := &together{}
	store.all.Add(owners)
	api := NewReceiver(ReceiverOptions{Appender: store, Stamper: &logging.Stamper{}})
	req := httptest.NewRequest("POST", path, bytes.NewReader(appendParcel(nil, newCodec().pack(&p))))
	req.Header.Set("Content-Type", contentType)
	w := httptest.NewRecorder()
	api.ServeHTTP(w, req.WithContext(tenant.WithWrite(t.Context(), scopetest.WriteCluster(cluster, scopetest.Owners{Of: of}))))
	if w.Code != 200 {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
