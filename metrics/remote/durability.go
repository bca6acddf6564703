package remote

import (
	"fmt"
	"strconv"
	"strings"
)

// DurabilityHeader of an answer says what the receiver has safe against a power
// cut: "EPOCH GENERATION DURABLE". The request is a part of GENERATION; everything
// of generations up to DURABLE is on disk. EPOCH is another one each time that the
// receiver may have forgotten what it had not made durable: a sender then sends
// again what it had been answered, from the last durable position on. A request may
// carry the epoch that its sender knows: a receiver of another one answers 412
// before it stores anything, so that nothing comes out of order. See docs/api.md.
const DurabilityHeader = "X-Oriel-Durability"

// durability is the header's content; zero where there is none.
type durability struct {
	epoch               string
	generation, durable uint64
}

func (d durability) String() string {
	return fmt.Sprintf("%s %d %d", d.epoch, d.generation, d.durable)
}

// parseDurability gives zero for what it does not understand: that answer then
// counts as durable, as every other receiver's.
func parseDurability(s string) (d durability) {
	f := strings.Fields(s)
	if len(f) != 3 {
		return durability{}
	}
	g, err := strconv.ParseUint(f[1], 10, 64)
	if err != nil {
		return durability{}
	}
	n, err := strconv.ParseUint(f[2], 10, 64)
	if err != nil {
		return durability{}
	}
	return durability{f[0], g, n}
}
