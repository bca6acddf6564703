package logging

import "bytes"

// Piece is what a record says of a line that its container's runtime cut.
type Piece uint8

// The pieces.
const (
	Whole      Piece = iota // no piece: the line is there
	FirstPiece              // or any but the last: more of the line follows
	LastPiece
)

// The documents in which pieces come are Oriel's own writing: no spaces, and what
// stands in a text has its quotes escaped.
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
func pieceOf(source []byte) Piece {
	for _, tag := range criTags {
		if bytes.Contains(source, tag) {
			return FirstPiece
		}
	}
	switch {
	case bytes.Contains(source, dockerPiece):
		if bytes.Contains(source, dockerLast) {
			return LastPiece
		}
		return FirstPiece
	case bytes.Contains(source, journalPiece):
		if bytes.Contains(source, journalLast) {
			return LastPiece
		}
		return FirstPiece
	}
	return Whole
}

// mayBePieces tells whether documents of a shape can have such a mark: looking for
// them in each one costs more than the rest of its reading.
func mayBePieces(skeleton []byte) bool {
	for _, key := range [...]string{`"logtag":$`, `"_p":$`, `"partial_message":$`, `"CONTAINER_PARTIAL_MESSAGE":$`} {
		if bytes.Contains(skeleton, []byte(key)) {
			return true
		}
	}
	return false
}
