package forward

import (
	"bytes"
	"context"
	"fmt"
	"sync/atomic"
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant"
)

// quota refuses what is one tenant's alone, until it is lifted.
type quota struct {
	*box
	over   tenant.ID
	lifted atomic.Bool
}

func (q *quota) Append(ctx context.Context, w tenant.Write, b logging.Batch) ([]logging.ItemResult, error) {
	for i := range b.Records {
		if b.Records[i].Tenant != q.over {
			return q.box.Append(ctx, w, b)
		}
	}
	if !q.lifted.Load() {
		return nil, logging.ErrTooMuch
	}
	return q.box.Append(ctx, w, b)
}

func chunkFor(namespace, id string) []byte {
	return pack(arr{"t", arr{arr{int(now()), rec{"message", id, "namespace", namespace}}}, rec{"chunk", id}})
}

// A tenant over its quota gets no answer, and those behind it on the same
// connection are answered at once. When there is room again the first one is, too.
func TestQuotaHoldsNobodyElse(t *testing.T) {
	q := &quota{box: &box{}, over: "shop"}
	r := start(t, Options{Appender: q})
	r.box = q.box
	c := r.dial(t)
	const n = 20
	want := []byte{}
	frames := chunkFor("shop", "over")
	for i := range n {
		id := fmt.Sprint("pay-", i)
		frames, want = append(frames, chunkFor("pay", id)...), append(want, ackOf(id)...)
	}
	if got, err := exchange(t, c, frames, len(want)); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%q, %v", got, err)
	}
	if held := r.metric(t, "oriel_forward_chunks_held", ""); held != 1 {
		t.Fatalf("%v chunks held", held)
	}
	q.lifted.Store(true)
	want = ackOf("over")
	if got, err := exchange(t, c, nil, len(want)); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("%q, %v", got, err)
	}
	if got := r.all(); len(got) != n+1 {
		t.Fatalf("%d records", len(got))
	}
	balanced(t, r, n+1)
}

// What never gets room is never answered: the connection ends, and everything that
// was received is accounted for.
func TestQuotaThatLasts(t *testing.T) {
	for name, tc := range map[string]struct {
		frame []byte
		want  string // the metric that tells what became of it
	}{
		"chunk":                 {chunkFor("shop", "over"), "oriel_forward_records_withheld_total"},
		"without a chunk":       {pack(arr{"t", int(now()), rec{"message", "x", "namespace", "shop"}}), "oriel_forward_records_refused_total"},
		"more than may be held": {pack(arr{"t", arr{arr{int(now()), rec{"message", string(bytes.Repeat([]byte("x"), asideBytesConn)), "namespace", "shop"}}}, rec{"chunk", "over"}}), "oriel_forward_records_withheld_total"},
	} {
		t.Run(name, func(t *testing.T) {
			q := &quota{box: &box{}, over: "shop"}
			r := start(t, Options{Appender: q, Limits: Limits{RetryTimeMax: 300 * time.Millisecond}})
			r.box = q.box
			if got, err := exchange(t, r.dial(t), tc.frame, 1); err == nil || isTimeout(err) {
				t.Fatalf("answer %q, %v", got, err)
			}
			eventually(t, func() bool { return r.metric(t, tc.want, "") == 1 }, func() string { return "not counted as " + tc.want })
			eventually(t, func() bool { return r.metric(t, "oriel_forward_connections_closed_total", "quota") == 1 }, func() string { return "not counted as closed" })
			balanced(t, r, 1)
		})
	}
}

// balanced sees that as many entries as were received are accounted for.
func balanced(t *testing.T, r *rig, received float64) {
	t.Helper()
	var all, out float64
	eventually(t, func() bool {
		all = r.metric(t, "oriel_forward_records_received_total", "")
		out = r.metric(t, "oriel_forward_records_total", "") + r.metric(t, "oriel_forward_records_duplicate_total", "") +
			r.metric(t, "oriel_forward_records_withheld_total", "") + r.metric(t, "oriel_forward_records_refused_total", "")
		return all == received && all == out
	}, func() string { return fmt.Sprintf("%v entries received, of %v; %v accounted for", all, received, out) })
}
