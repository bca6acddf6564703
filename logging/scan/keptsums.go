package scan

import "github.com/oriel-project/oriel/logging"

var _ logging.SumKeeper = (*rows)(nil)

// sumKeeper is a block that keeps what its rows came to for others.
type sumKeeper interface {
	Sums(key string) *logging.Sums
	KeepSums(key string, s *logging.Sums)
}

// Sums implements logging.SumKeeper.
func (r *rows) Sums(key string) *logging.Sums {
	if b, ok := r.e.block.(sumKeeper); ok {
		return b.Sums(key)
	}
	return nil
}

// KeepSums implements logging.SumKeeper. What does not read is not kept.
func (r *rows) KeepSums(key string, s *logging.Sums) {
	if b, ok := r.e.block.(sumKeeper); ok && r.e.cols.err() == nil {
		b.KeepSums(key, s)
	}
}
