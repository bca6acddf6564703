package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"io"
	"math"
	"net"
	"strconv"
	"time"

	"github.com/valyala/fastjson"
)

// forwarder is one connection of the fluent forward protocol, PackedForward with
// acknowledgements, as Fluent Bit sends.
type forwarder struct {
	conn   net.Conn
	r      *bufio.Reader
	parser fastjson.Parser
	packed []byte
	msg    []byte
	n      uint64
}

func newForwarder(ctx context.Context, addr string) (*forwarder, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	return &forwarder{conn: c, r: bufio.NewReader(c)}, nil
}

// send sends a _bulk body as one chunk and waits until it is acknowledged.
func (f *forwarder) send(body []byte, records int) error {
	if err := f.pack(body); err != nil {
		return err
	}
	f.n++
	id := make([]byte, 16)
	binary.BigEndian.PutUint64(id, f.n)
	binary.BigEndian.PutUint64(id[8:], uint64(time.Now().UnixNano()))
	chunk := base64.StdEncoding.EncodeToString(id)
	m := append(f.msg[:0], 0x93) // [tag, entries, option]
	m = packString(m, "kube.bench")
	m = append(m, 0xc6)
	m = binary.BigEndian.AppendUint32(m, uint32(len(f.packed)))
	m = append(m, f.packed...)
	m = append(m, 0x82)
	m = packString(packString(m, "chunk"), chunk)
	m = packInt(packString(m, "size"), int64(records))
	f.msg = m
	if _, err := f.conn.Write(m); err != nil {
		return err
	}
	if err := f.conn.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		return err
	}
	// {"ack": chunk}
	want := packString(packString([]byte{0x81}, "ack"), chunk)
	got := make([]byte, len(want))
	if _, err := io.ReadFull(f.r, got); err != nil {
		return fmt.Errorf("acknowledgement: %w", err)
	}
	if !bytes.Equal(got, want) {
		return fmt.Errorf("acknowledgement %q, want %q", got, want)
	}
	return nil
}

// pack makes entries [EventTime, record] of a body; the time is the entry's, and
// no field of the record, as Fluent Bit's tail and kubernetes filter leave it.
func (f *forwarder) pack(body []byte) error {
	f.packed = f.packed[:0]
	n := 0
	for l := range bytes.Lines(body) {
		if n++; n%2 == 1 {
			continue // the action
		}
		v, err := f.parser.ParseBytes(l)
		if err != nil {
			return err
		}
		at, err := time.Parse(time.RFC3339Nano, string(v.GetStringBytes("@timestamp")))
		if err != nil {
			return err
		}
		v.Del("@timestamp")
		f.packed = append(f.packed, 0x92, 0xd7, 0x00)
		f.packed = binary.BigEndian.AppendUint32(f.packed, uint32(at.Unix()))
		f.packed = binary.BigEndian.AppendUint32(f.packed, uint32(at.Nanosecond()))
		if f.packed, err = packValue(f.packed, v); err != nil {
			return err
		}
	}
	return nil
}

func packValue(dst []byte, v *fastjson.Value) ([]byte, error) {
	switch v.Type() {
	case fastjson.TypeObject:
		o := v.GetObject()
		dst = append(dst, 0xde)
		dst = binary.BigEndian.AppendUint16(dst, uint16(o.Len()))
		var err error
		o.Visit(func(key []byte, v *fastjson.Value) {
			if err == nil {
				dst, err = packValue(packString(dst, string(key)), v)
			}
		})
		return dst, err
	case fastjson.TypeString:
		return packString(dst, string(v.GetStringBytes())), nil
	case fastjson.TypeNumber:
		s := v.String()
		if i, err := strconv.ParseInt(s, 10, 64); err == nil {
			return packInt(dst, i), nil
		}
		x, err := strconv.ParseFloat(s, 64)
		return binary.BigEndian.AppendUint64(append(dst, 0xcb), math.Float64bits(x)), err
	}
	return dst, fmt.Errorf("the generator makes no %s", v.Type())
}

func packString(dst []byte, s string) []byte {
	switch n := len(s); {
	case n < 32:
		dst = append(dst, 0xa0|byte(n))
	case n < 256:
		dst = append(dst, 0xd9, byte(n))
	default:
		dst = binary.BigEndian.AppendUint16(append(dst, 0xda), uint16(n))
	}
	return append(dst, s...)
}

func packInt(dst []byte, i int64) []byte {
	if i >= 0 && i < 128 {
		return append(dst, byte(i))
	}
	return binary.BigEndian.AppendUint64(append(dst, 0xd3), uint64(i))
}
