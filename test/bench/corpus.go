package main

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/oriel-project/oriel/test/bench/loggen"
)

// corpus is a file of _bulk bodies, one after the other, and what is in it.
type corpus struct {
	Generator  int       `json:"generator"`
	Seed       uint64    `json:"seed"`
	Records    int       `json:"records"`
	End        time.Time `json:"end"`
	PerBody    int       `json:"per_body"`
	Bytes      int64     `json:"bytes"`  // of the documents alone
	Ends       []int64   `json:"ends"`   // where each body ends
	SHA256     string    `json:"sha256"` // of the file
	Namespaces []string  `json:"-"`      // the largest first
	file       *os.File
}

const action = `{"create":{"_index":"k8s"}}` + "\n"

func (c *corpus) start() time.Time { return c.End.Add(-24 * time.Hour) }

// openCorpus finds the corpus in dir, or makes it. One that ends up to 60 days
// ago is as good as a new one: both systems keep records for longer.
func openCorpus(dir string, records int, seed uint64, perBody int, say func(string, ...any)) (*corpus, error) {
	meta, data := filepath.Join(dir, "corpus.json"), filepath.Join(dir, "corpus.bulk")
	var c corpus
	if b, err := os.ReadFile(meta); err == nil && json.Unmarshal(b, &c) == nil &&
		c.Generator == loggen.Version && c.Records == records && c.Seed == seed && c.PerBody == perBody && time.Since(c.End) < 60*24*time.Hour {
		f, err := os.Open(data)
		if err != nil {
			return nil, err
		}
		c.file = f
		c.Namespaces = loggen.New(loggen.Options{Seed: seed, Records: 1, End: c.End}).Namespaces()
		say("corpus: %d records of %d bytes, reused", c.Records, c.Bytes/int64(c.Records))
		return &c, nil
	}
	begin := time.Now()
	// Noon, so that the day of every corpus lies on two UTC days.
	c = corpus{Generator: loggen.Version, Seed: seed, Records: records, PerBody: perBody, End: time.Now().UTC().Truncate(24 * time.Hour).Add(-12 * time.Hour)}
	if err := c.write(data); err != nil {
		return nil, err
	}
	b, err := json.Marshal(&c)
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(meta, b, 0o600); err != nil {
		return nil, err
	}
	say("corpus: %d records of %d bytes, made in %s", c.Records, c.Bytes/int64(c.Records), time.Since(begin).Round(time.Second))
	return &c, nil
}

func (c *corpus) write(path string) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	c.file = f
	sum := sha256.New()
	w := bufio.NewWriterSize(io.MultiWriter(f, sum), 1<<20)
	g := loggen.New(loggen.Options{Seed: c.Seed, Records: c.Records, End: c.End})
	c.Namespaces = g.Namespaces()
	var at int64
	buf := []byte(action)
	for n := 1; ; n++ {
		doc, ok := g.Append(buf[:len(action)])
		if ok {
			c.Bytes += int64(len(doc) - len(action))
			doc = append(doc, '\n')
			at += int64(len(doc))
			if _, err := w.Write(doc); err != nil {
				return err
			}
			buf = doc
		}
		if n%c.PerBody == 0 || !ok {
			if len(c.Ends) == 0 || c.Ends[len(c.Ends)-1] != at {
				c.Ends = append(c.Ends, at)
			}
		}
		if !ok {
			break
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	c.SHA256 = hex.EncodeToString(sum.Sum(nil))
	return nil
}

// body reads body i; records is how many are in it.
func (c *corpus) body(i int, dst []byte) (b []byte, records int, err error) {
	var from int64
	if i > 0 {
		from = c.Ends[i-1]
	}
	n := int(c.Ends[i] - from)
	if cap(dst) < n {
		dst = make([]byte, n+n/8)
	}
	records = min(c.PerBody, c.Records-i*c.PerBody)
	_, err = c.file.ReadAt(dst[:n], from)
	if err != nil {
		return nil, 0, fmt.Errorf("corpus body %d: %w", i, err)
	}
	return dst[:n], records, nil
}
