package bulk

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/oriel-project/oriel/logging"
)

// naiveLines says what lines gives, one line of output a line.
func naiveLines(body []byte, max int) (out []string) {
	for number, line := range bytes.SplitAfter(body, []byte("\n")) {
		trimmed := bytes.TrimSpace(line)
		switch {
		case len(line) > max+2 || len(trimmed) > max:
			out = append(out, fmt.Sprint(number+1, " long"))
		case len(trimmed) > 0:
			out = append(out, fmt.Sprintf("%d %s", number+1, trimmed))
		}
	}
	return out
}

// readLines reads all lines, and only then looks at them: they keep their bytes.
func readLines(t *testing.T, r io.Reader, size int64, max int) (out []string) {
	t.Helper()
	l := newLines(r, size)
	var got [][]byte
	var numbers []int
	for {
		line, err := l.next(max)
		if errors.Is(err, io.EOF) {
			break
		}
		if errors.Is(err, errLong) {
			line = nil
		} else if err != nil {
			t.Fatal(err)
		}
		got, numbers = append(got, line), append(numbers, l.number)
	}
	for i, line := range got {
		if line == nil {
			out = append(out, fmt.Sprint(numbers[i], " long"))
		} else {
			out = append(out, fmt.Sprintf("%d %s", numbers[i], line))
		}
	}
	return out
}

func checkLines(t *testing.T, body []byte, size int64, max int) {
	t.Helper()
	want := naiveLines(body, max)
	for _, r := range []io.Reader{bytes.NewReader(body), iotest.OneByteReader(bytes.NewReader(body)), iotest.DataErrReader(iotest.HalfReader(bytes.NewReader(body)))} {
		if got := readLines(t, r, size, max); strings.Join(got, "\x00") != strings.Join(want, "\x00") {
			t.Fatalf("size %d, max %d: got %.200q\nwant %.200q", size, max, got, want)
		}
	}
}

// Lines that end at, before and behind the end of a chunk, small ones beside
// some that are larger than every chunk.
func TestLines(t *testing.T) {
	var body []byte
	for i := range 3000 {
		body = append(fmt.Appendf(body, "line %d %s", i, strings.Repeat("x", i%300)), []string{"\n", "\r\n", "\n\n \n"}[i%3]...)
		if i%1000 == 500 {
			body = append(append(body, bytes.Repeat([]byte("y"), 600<<10)...), '\n')
		}
	}
	for _, size := range []int64{0, 1, 7, int64(len(body)), 1 << 40} {
		for _, max := range []int{0, 100, 300 << 10, 1 << 20} {
			checkLines(t, body, size, max)
		}
	}
	l := newLines(io.MultiReader(strings.NewReader("a\nb"), iotest.ErrReader(io.ErrClosedPipe)), 0)
	if line, err := l.next(10); string(line) != "a" || err != nil {
		t.Errorf("%q, %v", line, err)
	}
	if line, err := l.next(10); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("%q, %v", line, err)
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("a\nbb\r\n\nccc"), int64(2), 2)
	f.Add([]byte("   \n\n"), int64(0), 0)
	f.Fuzz(func(t *testing.T, body []byte, size int64, max int) {
		if max < 0 || max > 1<<20 {
			return
		}
		checkLines(t, body, size, max)
	})
}

// The short way through an action says what the long one does.
func FuzzAction(f *testing.F) {
	for _, s := range []string{`{"create":{}}`, ` { "index" : { "_index" : "a" , "_id":"b","_type":"_doc" } } `, `{"delete":{"_id":"x","routing":"y"}}`, `{"create":{"_id":""}}`, `{"create":{"_index":"a","_index":"b"}}`, `{"create":{}}x`, `{"create":{},}`, `{"create":{,}}`, `{"create":{"_id":"\u0061"}}`, `{"CREATE":{}}`, "{\"create\":{\"_id\":\"\xff\"}}"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, line []byte) {
		line = bytes.TrimSpace(line)
		if len(line) == 0 || bytes.IndexByte(line, '\n') >= 0 {
			return
		}
		want, err := parseAction(line, 1)
		var a actions
		for range 2 {
			if got, gotErr := a.read(line, 1); got != want || (gotErr == nil) != (err == nil) {
				t.Fatalf("%q: got %+v, %v; want %+v, %v", line, got, gotErr, want, err)
			}
		}
	})
}

// Items that share one chunk of the body, of one action and of several, keep
// what is theirs.
func TestManyItems(t *testing.T) {
	r := newRig(Options{})
	var body strings.Builder
	const n = 5000
	for i := range n {
		fmt.Fprintf(&body, "{\"create\":{\"_index\":\"app-%d\"}}\n{\"message\":\"%d %s\"}\n", i/100%3, i, strings.Repeat("m", i%700))
	}
	got := parse(t, r.post(strings.NewReader(body.String())))
	messages := r.messages(t)
	if len(got.Items) != n || len(messages) != n {
		t.Fatalf("%d items, %d messages", len(got.Items), len(messages))
	}
	for i, it := range got.Items {
		if c := it["create"]; c.Index != fmt.Sprintf("app-%d", i/100%3) || c.ID != logging.DerivedID(uint64(i+1)) || messages[i] != fmt.Sprintf("%d %s", i, strings.Repeat("m", i%700)) {
			t.Fatalf("item %d: %+v, %q", i, c, messages[i])
		}
	}
}
