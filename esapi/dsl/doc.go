// Package dsl translates between Elasticsearch's JSON and package logging's
// words: a search body becomes a logging.Query and what to show of its hits, a
// logging.Result becomes the reply. It does no input or output of its own.
//
//	s, err := dsl.ParseSearch(body, dsl.Env{Now: now})
//	res, err := view.Search(ctx, s.Query)
//	reply := s.AppendReply(nil, res, dsl.Shards{Total: 1}, took)
//
// What would change the result and is not understood is refused with an error
// that names the clause, never left out.
package dsl

import "time"

// Env is what a request is read with.
type Env struct {
	Now time.Time // of "now" in date math: one moment for the whole request
}
