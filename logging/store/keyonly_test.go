package store

import (
	"testing"

	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging"
	"github.com/oriel-project/oriel/tenant/scopetest"
)

// A batch all of whose records went into others leaves its key, which is known after
// a flush, a kill and a power cut, too.
func TestKeyOfABatchWithoutRecords(t *testing.T) {
	for name, after := range map[string]func(*testing.T, *Store, *vfs.Mem) *vfs.Mem{
		"at once": nil,
		"crashed": func(_ *testing.T, _ *Store, m *vfs.Mem) *vfs.Mem { return m.Crash(nil) },
		"flushed": func(t *testing.T, s *Store, m *vfs.Mem) *vfs.Mem {
			if err := s.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			return m.Crash(nil)
		},
	} {
		for _, alone := range []bool{false, true} {
			mem := vfs.NewMem()
			s, _ := open(t, mem, Options{idle: true})
			appendTo(t, s, logging.Batch{Key: "k"})
			if !alone {
				appendTo(t, s, logging.Batch{Key: "other", Records: []logging.Record{rec("web", noon, "x")}})
			}
			if after != nil {
				s, _ = open(t, after(t, s, mem), Options{idle: true})
			}
			if res := appendTo(t, s, logging.Batch{Key: "k", Records: []logging.Record{rec("web", noon, "y")}}); res[0].Status != logging.Duplicate {
				t.Errorf("%s, alone %t: %+v", name, alone, res)
			}
			if res := appendTo(t, s, logging.Batch{Key: "z", Records: []logging.Record{rec("web", noon, "z")}}); res[0].Status != logging.Stored {
				t.Errorf("%s, alone %t: %+v", name, alone, res)
			}
			if got := messages(t, s, scopetest.Operator()); len(got) == 0 || got[len(got)-1] != "z" {
				t.Errorf("%s, alone %t: %q", name, alone, got)
			}
		}
	}
}
