package logging

import "slices"

// sortedPiece is how many values are sorted between two questions whether to go on.
const sortedPiece = 4096

// sortSteps sorts as slices.SortStableFunc does, and ends with an error of spend,
// which is told of every piece that is done.
func sortSteps[T any](all []T, compare func(a, b T) int, spend func(n int) error) error {
	for piece := range slices.Chunk(all, sortedPiece) {
		slices.SortStableFunc(piece, compare)
		if err := spend(len(piece)); err != nil {
			return err
		}
	}
	if len(all) <= sortedPiece {
		return nil
	}
	from, to := all, make([]T, len(all))
	for run := sortedPiece; run < len(all); run *= 2 {
		out := to[:0]
		for pair := range slices.Chunk(from, 2*run) {
			a, b := pair[:min(run, len(pair))], pair[min(run, len(pair)):]
			for len(a) > 0 && len(b) > 0 {
				if compare(b[0], a[0]) < 0 {
					out, b = append(out, b[0]), b[1:]
				} else {
					out, a = append(out, a[0]), a[1:]
				}
				if len(out)%sortedPiece == 0 {
					if err := spend(sortedPiece); err != nil {
						return err
					}
				}
			}
			out = append(append(out, a...), b...)
		}
		from, to = to, from
	}
	copy(all, from)
	return nil
}
