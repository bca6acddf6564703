package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"time"

	"github.com/tinylib/msgp/msgp"
)

const (
	namespaces   = 20
	templatesNum = 50 // different chunks; each time that one is sent its times are new
)

func namespaceOf(n int) string { return fmt.Sprintf("team-%d", n) }

// template is a frame whose times and id are written anew before it is sent.
type template struct {
	frame []byte
	times []int // where the EventTimes stand; none where they are packed away
	id    int   // where the 24 letters of the id stand
}

// templates are chunks of lines as a node's shipper packs them: of several pods,
// in runs.
func templates(mode string, records int) ([]*template, error) {
	rnd := rand.New(rand.NewPCG(1, 2))
	var out []*template
	for range templatesNum {
		var entries []byte
		var at []int
		for i := 0; i < records; {
			ns, pod := rnd.IntN(namespaces), rnd.IntN(5)
			for end := min(i+1+rnd.IntN(30), records); i < end; i++ {
				entries = append(entries, 0x92, 0xd7, 0)
				at = append(at, len(entries))
				entries = append(entries, make([]byte, 8)...)
				entries = msgp.AppendMapHeader(entries, 3)
				entries = msgp.AppendString(msgp.AppendString(entries, "log"), fmt.Sprintf("level=info msg=\"request served\" method=GET path=/api/v1/items/%d status=%d duration=%dms trace=%016x", rnd.IntN(10_000), 200+rnd.IntN(3)*100, rnd.IntN(500), rnd.Uint64()))
				entries = msgp.AppendString(msgp.AppendString(entries, "stream"), "stdout")
				entries = msgp.AppendMapHeader(msgp.AppendString(entries, "kubernetes"), 3)
				entries = msgp.AppendString(msgp.AppendString(entries, "namespace_name"), namespaceOf(ns))
				entries = msgp.AppendString(msgp.AppendString(entries, "pod_name"), fmt.Sprintf("web-%d", pod))
				entries = msgp.AppendString(msgp.AppendString(entries, "container_name"), "main")
			}
		}
		for _, p := range at {
			stampTime(entries[p:], time.Now())
		}
		t := &template{}
		b := msgp.AppendArrayHeader(nil, 3)
		b = msgp.AppendString(b, "kube.node-1")
		body := len(b)
		switch mode {
		case "packed":
			b = append(b, 0xc6, 0, 0, 0, 0)
			binary.BigEndian.PutUint32(b[body+1:], uint32(len(entries)))
			body += 5
		case "forward":
			b = append(b, 0xdd, 0, 0, 0, 0)
			binary.BigEndian.PutUint32(b[body+1:], uint32(records))
			body += 5
		case "gzip":
			var z bytes.Buffer
			w := gzip.NewWriter(&z)
			if _, err := w.Write(entries); err != nil {
				return nil, err
			}
			if err := w.Close(); err != nil {
				return nil, err
			}
			entries, at = z.Bytes(), nil
			b = msgp.AppendBytes(b, nil)[:body]
			b = msgp.AppendBytes(b, entries)
			entries = nil
		default:
			return nil, fmt.Errorf("mode %q: want packed, gzip or forward", mode)
		}
		for _, p := range at {
			t.times = append(t.times, body+p)
		}
		b = append(b, entries...)
		options := 2
		if mode == "gzip" {
			options++
		}
		b = msgp.AppendMapHeader(b, uint32(options))
		b = msgp.AppendInt(msgp.AppendString(b, "size"), records)
		if mode == "gzip" {
			b = msgp.AppendString(msgp.AppendString(b, "compressed"), "gzip")
		}
		b = msgp.AppendString(b, "chunk")
		b = msgp.AppendString(b, base64.StdEncoding.EncodeToString(make([]byte, 16)))
		t.frame, t.id = b, len(b)-24
		out = append(out, t)
	}
	return out, nil
}

func stampTime(b []byte, at time.Time) {
	binary.BigEndian.PutUint32(b, uint32(at.Unix()))
	binary.BigEndian.PutUint32(b[4:], uint32(at.Nanosecond()))
}

// sendOn sends over one connection until end, each chunk after the answer to the
// one before, and gives how long each took.
func sendOn(ctx context.Context, addr string, chunks []*template, number int, end time.Time) (acks []time.Duration, err error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	rnd := rand.New(rand.NewPCG(uint64(number), uint64(time.Now().UnixNano())))
	var frame, answer []byte
	for n := number; time.Now().Before(end) && ctx.Err() == nil; n++ {
		t := chunks[n%len(chunks)]
		frame = append(frame[:0], t.frame...)
		now := time.Now()
		for i, p := range t.times {
			stampTime(frame[p:], now.Add(time.Duration(i)*time.Microsecond))
		}
		var id [16]byte
		binary.LittleEndian.PutUint64(id[:], rnd.Uint64())
		binary.LittleEndian.PutUint64(id[8:], rnd.Uint64())
		base64.StdEncoding.Encode(frame[t.id:], id[:])
		want := msgp.AppendString(msgp.AppendString([]byte{0x81}, "ack"), string(frame[t.id:t.id+24]))
		answer = append(answer[:0], want...)
		if err := c.SetDeadline(now.Add(time.Minute)); err != nil {
			return acks, err
		}
		sent := time.Now()
		if _, err := c.Write(frame); err != nil {
			return acks, err
		}
		if _, err := io.ReadFull(c, answer); err != nil {
			return acks, fmt.Errorf("acknowledgement: %w", err)
		}
		if !bytes.Equal(answer, want) {
			return acks, fmt.Errorf("acknowledgement %q, want %q", answer, want)
		}
		acks = append(acks, time.Since(sent))
	}
	return acks, nil
}
