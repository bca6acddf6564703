package segment_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/logging/segment"
)

// A document that has its message under two names keeps it once, as long as every
// row of a block does: in memory, in a file, and in one that two were merged into.
func TestAliasOfOwn(t *testing.T) {
	for name, differs := range map[string]func(seq uint64) bool{
		"never":  func(uint64) bool { return false },
		"at 300": func(seq uint64) bool { return seq == 300 },
		"at 2":   func(seq uint64) bool { return seq == 2 },
		"at 1":   func(seq uint64) bool { return seq == 1 },
	} {
		t.Run(name, func(t *testing.T) {
			f := newFiles(t)
			var all []logging.Record
			var blocks []segment.Block
			for part := range uint64(2) {
				tab := segment.NewTable("shop")
				for i := range uint64(400) {
					seq := part*400 + i + 1
					at := time.Unix(1700000000+int64(seq), 0).UTC()
					text := fmt.Sprintf(`said \"%d\" with a\\b of \u00fc %d`, seq, seq%7)
					other := text
					if differs(seq) {
						other = strings.Replace(text, `\"`, `\u0022`, 1) + "!"
					}
					r := logging.Record{
						Tenant: "shop", Index: "logs-k1-shop", Seq: seq, ID: logging.DerivedID(seq), Time: at, Received: at, Cluster: "k1", Namespace: "shop",
						Message: fmt.Sprintf(`said "%d" with a\b of ü %d`, seq, seq%7),
						Source:  fmt.Appendf(nil, `{"log":"%s","n":%d,"deep":{"message":"%s"},"message":"%s"}`, text, seq, text, other),
					}
					tab.Append([]logging.Record{r})
					all = append(all, r)
				}
				holds(t, "in memory", tab.Blocks(), bySeq(all[part*400:]))
				blocks = append(blocks, f.blocks(f.write(tab.Blocks()))...)
			}
			holds(t, "in files", blocks, bySeq(all))
			merged := f.write(blocks)
			holds(t, "merged", f.blocks(merged), bySeq(all))
			var dump bytes.Buffer
			if err := segment.Dump(&dump, merged, segment.DumpOptions{Columns: true}); err != nil {
				t.Fatal(err)
			}
			want := 3 // deep.message, message, and the stamped message
			if differs(1) || differs(2) || differs(300) {
				want = 2
			}
			if got := strings.Count(dump.String(), "alias"); got != want {
				t.Errorf("%d columns are aliases, want %d:\n%s", got, want, dump.String())
			}
		})
	}
}
