package segment

import (
	"testing"

	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging"
	"time"
)

// FuzzIndex: the index of a part is read from a disk that may lie, and so are
// the chunks: neither may panic.
func FuzzIndex(f *testing.F) {
	fs := vfs.NewMem()
	if err := fs.MkdirAll("d"); err != nil {
		f.Fatal(err)
	}
	tab := NewTable("t")
	for i := range uint64(40) {
		tab.Append([]logging.Record{{
			Tenant: "t", Seq: i + 1, Time: time.Unix(int64(i), 0), Received: time.Unix(1, 0), Message: "m",
			Source: []byte(`{"message":"m","n":1.5,"b":true,"x":"` + string(rune('a'+i%3)) + `","y":"` + string(rune('a'+i%3)) + `"}`),
		}})
	}
	out, err := fs.Create("d/1")
	if err != nil {
		f.Fatal(err)
	}
	blocks := tab.Blocks()
	infos, err := Write(out, []PartSource{{Tenant: "t", Day: blocks[0].Info().Day(), Blocks: blocks}}, WriteOptions{})
	if err != nil {
		f.Fatal(err)
	}
	s, err := Open(out)
	if err != nil {
		f.Fatal(err)
	}
	raw, err := s.piece(infos[0].index)
	if err == nil {
		raw, err = s.z.Decode(raw, int(infos[0].indexRaw), nil)
	}
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw, uint16(0), uint8(0))
	for i := range raw {
		f.Add(raw, uint16(i), uint8(3))
	}
	f.Fuzz(func(t *testing.T, b []byte, at uint16, x uint8) {
		b = append([]byte(nil), b...)
		if len(b) > 0 {
			b[int(at)%len(b)] ^= x
		}
		p := &Part{file: s, info: &infos[0]}
		index, err := parseIndex(b, p.info)
		if err != nil {
			return
		}
		p.index = index
		for k := range index.blocks {
			// The checksums are in the index: what it says may fit by chance.
			blk := p.Block(k).(*fileBlock)
			blk.verify(func(string, error) {})
			for row := range blk.Info().Rows {
				if _, err := blk.Record(row); err != nil {
					break
				}
			}
		}
	})
}
