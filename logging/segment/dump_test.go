package segment_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/oriel-project/oriel/internal/golden"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/segment"
)

// TestDump shows what a small file consists of.
func TestDump(t *testing.T) {
	m := newMaker(0)
	tab := segment.NewTable("shop")
	for i := range uint64(60) {
		at := m.start.Add(time.Duration(i) * 31 * time.Millisecond)
		r := logging.Record{
			Tenant: "shop", Index: "logs-k1-shop", Seq: i + 1, ID: logging.DerivedID(i + 1), Time: at, Received: at.Truncate(time.Second),
			Cluster: "k1", Namespace: "shop", Container: "web", Pod: fmt.Sprint("web-", i%3), Level: "info", Message: fmt.Sprintf("GET /items/%d took %d ms", i*7, i%9),
		}
		r.Source = fmt.Appendf(nil, `{"@timestamp":%q,"message":%q,"level":"INFO","status":%d,"took":%d.%d,"ok":%t,"pod":%q,"host":"node-%d","trace_id":"%032x"}`,
			at.Format(time.RFC3339Nano), r.Message, 200+i%2, i%9, i%10, i%5 == 0, r.Pod, i%3%2, i*0x123456789abcdef)
		if i == 59 {
			r.ID, r.Source = "given", []byte(`{"odd":[1,2.50]}`)
		}
		tab.Append([]logging.Record{r})
	}
	f := newFiles(t)
	var out bytes.Buffer
	if err := segment.Dump(&out, f.write(tab.Blocks()), segment.DumpOptions{Columns: true}); err != nil {
		t.Fatal(err)
	}
	golden.Check(t, "dump.txt", out.Bytes())
}
