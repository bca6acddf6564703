package logging

import (
	"bytes"
	"unicode/utf8"
)

// The levels, from the least to the most severe.
const (
	LevelTrace = "trace"
	LevelDebug = "debug"
	LevelInfo  = "info"
	LevelWarn  = "warn"
	LevelError = "error"
	LevelFatal = "fatal"
)

// belowFields is where the shippers of deploy/ put what an application logged as
// JSON, so that it cannot claim names of the cluster's. Its level and its message
// are its own to say.
const belowFields = "fields."

// levelNames are the fields a level is looked for in, the first readable one wins.
var levelNames = [...]string{
	"level", "severity", "lvl", "loglevel", "log.level", "priority", "PRIORITY",
	belowFields + "level", belowFields + "severity", belowFields + "lvl", belowFields + "loglevel", belowFields + "log.level",
}

// NormalizeLevel reads a level as senders spell it: the usual names in any
// case, their short forms, and syslog's numbers 0 to 7. It gives one of the
// six levels, or "" where it is none.
func NormalizeLevel(s string) string {
	if len(s) > levelBytesMax {
		return ""
	}
	return normalizeLevel([]byte(s))
}

// levelBytesMax is the longest spelling that is looked at.
const levelBytesMax = 16

func normalizeLevel(s []byte) string {
	if len(s) > levelBytesMax {
		return ""
	}
	var buf [levelBytesMax]byte
	low := append(buf[:0], bytes.TrimSpace(s)...)
	for i, c := range low {
		if c >= utf8.RuneSelf {
			low = bytes.ToLower(low)
			break
		}
		if 'A' <= c && c <= 'Z' {
			low[i] = c + 'a' - 'A'
		}
	}
	switch string(low) {
	case "trace", "trc", "finest", "finer", "verbose", "t":
		return LevelTrace
	case "debug", "dbg", "debu", "fine", "d", "7":
		return LevelDebug
	case "info", "inf", "information", "informational", "notice", "note", "config", "i", "n", "6", "5":
		return LevelInfo
	case "warn", "warning", "wrn", "w", "4":
		return LevelWarn
	case "error", "err", "eror", "erro", "severe", "e", "3":
		return LevelError
	case "fatal", "ftl", "critical", "crit", "alert", "emerg", "emergency", "panic", "dpanic", "f", "c", "2", "1", "0":
		return LevelFatal
	}
	return ""
}
