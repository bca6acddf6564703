package esapi

import (
	"bytes"
	"fmt"
	"net/http"
	"sync/atomic"

	"github.com/oriel-project/oriel/esapi/dsl"
	"github.com/oriel-project/oriel/logging"
)

// answersDefault is the bound of Options.AnswersBytesMax.
const answersDefault = 1 << 30

// answerBytesSmall is what an answer may take without being counted against others.
const answerBytesSmall = 1 << 20

// answers bounds what all answers take from the end of their search until they are
// sent: a search is bounded by itself, and how many run at a time is, but clients may
// be slow to read, and one request may ask for many searches or documents.
type answers struct {
	max  int64
	held atomic.Int64
}

// hold takes memory for the call's answer; with an error it took none. Safe for
// concurrent use.
func (c *call) hold(n int64) error {
	a := &c.api.answers
	mine, all := c.held.Add(n), a.held.Add(n)
	if all <= a.max || mine <= answerBytesSmall {
		return nil
	}
	c.give(n)
	reason := "ask again when others are sent, or for less at a time"
	if mine > a.max {
		reason = "ask for less at a time: fewer hits, less of _source, no pretty or filter_path"
	}
	return &dsl.Error{Status: http.StatusTooManyRequests, Type: "circuit_breaking_exception",
		Reason: fmt.Sprintf("[parent] Data too large, data for [answers] would be [%d], which is larger than the limit of [%d] (es.answers_memory): %s", all, a.max, reason)}
}

// give gives memory back.
func (c *call) give(n int64) {
	c.held.Add(-n)
	c.api.answers.held.Add(-n)
}

// answer appends the answer of a result, which is not needed any more then.
func (c *call) answer(dst []byte, s *dsl.Search, res *logging.Result, o dsl.Reply) ([]byte, error) {
	held := weight(res)
	if err := c.hold(held); err != nil {
		return nil, err
	}
	n := len(dst)
	dst = s.AppendReply(dst, res, o)
	c.give(held - int64(len(dst)-n))
	return dst, nil
}

// weight estimates what a result takes, together with its bytes.
func weight(res *logging.Result) int64 {
	if res == nil {
		return 0
	}
	return hitsWeight(res.Hits) + aggsWeight(res.Aggs)
}

// What hits and buckets take beside their strings, about.
const (
	hitBytes    = 512
	bucketBytes = 256
)

func hitsWeight(hits []logging.Hit) (n int64) {
	for i := range hits {
		r := &hits[i].Record
		n += hitBytes + 2*int64(len(r.Source)) + int64(len(r.Message))
	}
	return n
}

func aggsWeight(aggs map[string]logging.AggResult) (n int64) {
	for _, a := range aggs {
		n += bucketBytes + hitsWeight(a.Hits) + aggsWeight(a.Sub)
		for i := range a.Buckets {
			b := &a.Buckets[i]
			n += bucketBytes + 2*int64(len(b.Key.Str)) + aggsWeight(b.Sub)
		}
	}
	return n
}

// holdShaped takes memory for a body that is parsed to be filtered or indented.
func (c *call) holdShaped(body []byte) error {
	const valueBytes = 128
	values := int64(bytes.Count(body, []byte{','})) + 1
	return c.hold(values*valueBytes + 2*int64(len(body)))
}
