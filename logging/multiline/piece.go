package multiline

import "bytes"

// piece is what a record says of a line that its container's runtime cut.
type piece uint8

const (
	whole piece = iota
	first       // or any but the last: more of the line follows
	last
)

// The documents are Oriel's own writing: no spaces, and what stands in a text has
// its quotes escaped.
var (
	criTags = [][]byte{[]byte(`"logtag":"P"`), []byte(`"_p":"P"`)}

	dockerPiece = []byte(`"partial_message":"true"`)
	dockerLast  = []byte(`"partial_last":"true"`)

	journalPiece = []byte(`"CONTAINER_PARTIAL_MESSAGE":"true"`)
	journalLast  = []byte(`"CONTAINER_PARTIAL_LAST":"true"`)
)

// pieceOf reads the marks of containerd and CRI-O (P and F, as the parsers of
// Fluentd and Fluent Bit call the field), of Docker's fluentd driver, and of its
// journald driver.
func pieceOf(source []byte) piece {
	for _, tag := range criTags {
		if bytes.Contains(source, tag) {
			return first
		}
	}
	switch {
	case bytes.Contains(source, dockerPiece):
		if bytes.Contains(source, dockerLast) {
			return last
		}
		return first
	case bytes.Contains(source, journalPiece):
		if bytes.Contains(source, journalLast) {
			return last
		}
		return first
	}
	return whole
}
