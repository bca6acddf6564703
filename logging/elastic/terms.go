package elastic

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"math"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/oriel-project/oriel/internal/text"
	"github.com/oriel-project/oriel/logging"
)

// A term is what the engine compares: a field's name, sep, and a value, all of
// it text, so that one field of the engine's has the values of every field of
// the documents, whatever their types and however many names there are.
//
//	status <sep> n bff4...   the number 200
//	user   <sep> s anna      the string "anna"
//	       <sep> n bff4...   the number 200 in any field that "every field" means
//
// The text of a value begins with one of the tags below. Text compares, byte by
// byte, as logging.Compare compares values.
const (
	sep = "\x7f"

	tagBool   = "b"
	tagNumber = "n"
	tagString = "s"
	// What else is looked for, beside the values themselves.
	tagDate = "d" // of a string that is a date: its nanoseconds
	tagText = "p" // of what is no string: how it is written
	tagWord = "w" // of a string: a word that has dots, commas, apostrophes in it

	esc    = "\x1a" // begins what stands for another character
	marked = esc + "!"
)

// termBytesMax is how much of a string is in a term: Lucene takes 32,766 bytes
// of one. A longer string has the hash of the whole behind that.
const termBytesMax = 1024

var (
	nameEscapes  = strings.NewReplacer(esc, esc+"a", sep, esc+"7", "\n", esc+"n")
	nameOriginal = strings.NewReplacer(esc+"a", esc, esc+"7", sep, esc+"n", "\n")
	textEscapes  = strings.NewReplacer(esc, esc+"a")
	textOriginal = strings.NewReplacer(esc+"a", esc)
)

// named gives the beginning of the terms of a field.
func named(name string) string { return encodeName(name) + sep }

func encodeName(name string) string { return nameEscapes.Replace(strings.ToValidUTF8(name, "\uFFFD")) }

func decodeName(s string) string { return nameOriginal.Replace(s) }

// cut gives the text of a string. long says that patterns cannot be held
// against it: it is shortened, was no UTF-8, or has escapes in it.
func cut(s string) (text string, long bool) {
	if len(s) <= termBytesMax && utf8.ValidString(s) && !strings.Contains(s, esc) {
		return s, false
	}
	sum := sha256.Sum256([]byte(s))
	odd := !utf8.ValidString(s)
	s = textEscapes.Replace(strings.ToValidUTF8(s, "\uFFFD"))
	if len(s) <= termBytesMax {
		if odd {
			s += marked + hex.EncodeToString(sum[:16])
		}
		return s, true
	}
	at := termBytesMax
	for !utf8.RuneStart(s[at]) {
		at--
	}
	return s[:at] + marked + hex.EncodeToString(sum[:16]), true
}

// encodeValue gives the text of a value that is not a time; long says that it
// does not tell all of it.
func encodeValue(v logging.Value) (text string, long bool) {
	switch v.Kind {
	case logging.KindString:
		s, long := cut(v.Str)
		return tagString + s, long
	case logging.KindInt, logging.KindFloat:
		return tagNumber + encodeNumber(v), false
	case logging.KindBool:
		if v.Bool {
			return tagBool + "1", false
		}
		return tagBool + "0", false
	}
	return "", false
}

// numberLen is the length of what encodeNumber gives.
const numberLen = 19

// encodeNumber gives 19 digits that order as numbers do, integers and fractions
// among each other: the greatest float64 that is not above the number, and what
// an integer beyond 2^53 has over it.
func encodeNumber(v logging.Value) string {
	f, over := v.Float, int64(0)
	if v.Kind == logging.KindInt {
		if f = float64(v.Int); f >= 1<<63 || int64(f) > v.Int {
			f = math.Nextafter(f, math.Inf(-1))
		}
		over = v.Int - int64(f)
	}
	if f == 0 {
		f = 0 // without a sign
	}
	bits := math.Float64bits(f)
	if bits>>63 == 1 {
		bits = ^bits
	} else {
		bits |= 1 << 63
	}
	return fmt.Sprintf("%016x%03x", bits, over)
}

// stored gives a value as it is kept in the engine's columns: how it orders,
// and of a number, too, how it was written.
func stored(v logging.Value) (text string, long bool) {
	text, long = encodeValue(v)
	switch {
	case v.Kind == logging.KindInt:
		text += "i"
	case v.Kind == logging.KindFloat && v.Float == 0 && math.Signbit(v.Float):
		text += "z"
	case v.Kind == logging.KindFloat:
		text += "f"
	}
	return text, long
}

// parseStored reads what stored gave. It gives false for a string that was cut.
func parseStored(s string) (logging.Value, bool) {
	if s == "" {
		return logging.Value{}, false
	}
	text := s[1:]
	switch s[:1] {
	case tagBool:
		return logging.Boolean(text == "1"), true
	case tagString:
		if strings.Contains(text, marked) {
			return logging.Value{}, false
		}
		return logging.String(textOriginal.Replace(text)), true
	case tagNumber:
		if len(text) != numberLen+1 {
			return logging.Value{}, false
		}
		bits, err := strconv.ParseUint(text[:16], 16, 64)
		over, err2 := strconv.ParseInt(text[16:numberLen], 16, 64)
		if err != nil || err2 != nil {
			return logging.Value{}, false
		}
		if bits>>63 == 1 {
			bits &^= 1 << 63
		} else {
			bits = ^bits
		}
		f := math.Float64frombits(bits)
		switch text[numberLen] {
		case 'i':
			return logging.Int(int64(f) + over), true
		case 'z':
			f = math.Copysign(0, -1)
		}
		return logging.Float(f), true
	}
	return logging.Value{}, false
}

// encodeNanos gives digits that order as times do.
func encodeNanos(ns int64) string { return fmt.Sprintf("%016x", uint64(ns)^1<<63) }

// lower folds as the analyser does.
func lower(s string) string { return text.Lower(s) }

// Names of fields that are the engine's business alone. A sender may have one,
// and would be searched wrongly.
const (
	hiddenOriginal = "oriel.original" + esc // the original timestamp of a record
	hiddenMessage  = "oriel.message" + esc  // the message of a record whose field of that name holds something else
	hiddenNone     = "oriel.none" + esc     // without a value: the record has no message, whatever its field holds
)
