package logging

import (
	"fmt"
	"slices"
	"time"
)

var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// doc makes a document out of a source; message and level are taken as Stamp does.
func doc(src string) *Doc {
	c := gather(src)
	return NewDoc(&Record{
		Tenant: "shop", Index: "logs-eu-web", ID: "id1", Seq: 7,
		Time: noon, Received: noon.Add(time.Second),
		Cluster: "eu", Namespace: "web", Pod: "web-1", Node: "node-a",
		Level: c.level, Message: c.strs[claimMessage], Source: []byte(src),
	})
}

// texts writes values down, kind and all.
func texts(vals []Value) []string {
	var out []string
	for _, v := range vals {
		out = append(out, fmt.Sprintf("%s:%s", [...]string{"-", "s", "i", "f", "b", "t"}[v.Kind], v.Text()))
	}
	return out
}

// docsOf makes documents a second apart, in order.
func docsOf(srcs ...string) []*Doc {
	var out []*Doc
	for i, s := range srcs {
		d := doc(s)
		d.Record.Seq = uint64(i + 1)
		d.Record.Time = noon.Add(time.Duration(i) * time.Second)
		out = append(out, d)
	}
	return slices.Clip(out)
}
