package journal

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"io"
	"regexp"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/oriel-project/oriel/internal/jsontext"
	"github.com/oriel-project/oriel/logging"
)

// podName reads the names that kubelet gave to Docker's containers:
// k8s_container.hash_pod_namespace_uid_attempt.
var podName = regexp.MustCompile(`^k8s_([^._]+)(?:\.[^_]+)?_([^_]+)_([^_]+)_[^_]+_[^_]+$`)

// rawOf makes the record of an entry. Its document has the journal's own names,
// with an array for a field that repeats. who is mixed into the id, so that
// nobody can take the place of another's entries.
func rawOf(fields []field, who string) logging.Raw {
	size := 64
	for _, f := range fields {
		size += len(f.name) + len(f.value) + len(f.value)/8 + 6
	}
	doc := make([]byte, 0, size)
	places := make(map[string][]int, len(fields))
	for i, f := range fields {
		places[f.name] = append(places[f.name], i)
	}
	doc = append(doc, '{')
	for i, f := range fields {
		at := places[f.name]
		if at[0] != i {
			continue
		}
		if len(doc) > 1 {
			doc = append(doc, ',')
		}
		doc = append(jsontext.AppendString(doc, f.name), ':')
		if len(at) == 1 {
			doc = jsontext.AppendString(doc, f.value)
			continue
		}
		doc = append(doc, '[')
		for k, j := range at {
			if k > 0 {
				doc = append(doc, ',')
			}
			doc = jsontext.AppendString(doc, fields[j].value)
		}
		doc = append(doc, ']')
	}
	get := func(name string) string {
		if at := places[name]; len(at) > 0 {
			return string(fields[at[0]].value)
		}
		return ""
	}
	doc = appendBinary(doc, fields, places)
	doc = appendContainer(doc, get)
	doc = append(doc, '}')
	raw := logging.Raw{Source: doc, Node: true, AddFields: true}
	var ok bool
	if raw.Time, ok = micros(get("_SOURCE_REALTIME_TIMESTAMP")); !ok {
		raw.Time, _ = micros(get("__REALTIME_TIMESTAMP"))
	}
	if get("__CURSOR") != "" {
		raw.ID = entryID(fields, who)
	}
	return raw
}

// appendBinary adds the bytes of fields that are not UTF-8, which JSON cannot hold:
// "binary":{"NAME":"base64"}, with an array where the field repeats. No field of a
// journal has a name in lower case.
func appendBinary(doc []byte, fields []field, places map[string][]int) []byte {
	begun := false
	for i, f := range fields {
		at := places[f.name]
		if at[0] != i || !slices.ContainsFunc(at, func(j int) bool { return !utf8.Valid(fields[j].value) }) {
			continue
		}
		if !begun {
			begun = true
			if len(doc) > 1 {
				doc = append(doc, ',')
			}
			doc = append(doc, `"binary":{`...)
		} else {
			doc = append(doc, ',')
		}
		doc = append(jsontext.AppendString(doc, f.name), ':')
		if len(at) > 1 {
			doc = append(doc, '[')
		}
		for k, j := range at {
			if k > 0 {
				doc = append(doc, ',')
			}
			doc = base64.StdEncoding.AppendEncode(append(doc, '"'), fields[j].value)
			doc = append(doc, '"')
		}
		if len(at) > 1 {
			doc = append(doc, ']')
		}
	}
	if begun {
		doc = append(doc, '}')
	}
	return doc
}

// entryID is the same for an entry that comes again. It is made from everything in
// it: by its cursor alone, which anybody who may write can foresee, a forged entry
// would keep the true one out.
func entryID(fields []field, who string) string {
	h := sha256.New()
	var n [8]byte
	part := func(b string) {
		binary.LittleEndian.PutUint64(n[:], uint64(len(b)))
		h.Write(n[:])
		io.WriteString(h, b)
	}
	part(who)
	for _, f := range fields {
		part(f.name)
		binary.LittleEndian.PutUint64(n[:], uint64(len(f.value)))
		h.Write(n[:])
		h.Write(f.value)
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// valueOf gives the first field of that name, "" without one.
func valueOf(fields []field, name string) string {
	for i := range fields {
		if fields[i].name == name {
			return string(fields[i].value)
		}
	}
	return ""
}

// appendContainer says of a container's output where it belongs. Docker's
// journald driver writes as root, which the trusted field _UID tells; anybody
// else may have made the names up and is only the node's.
func appendContainer(doc []byte, get func(string) string) []byte {
	name := get("CONTAINER_NAME")
	if name == "" || get("_UID") != "0" {
		return doc
	}
	if m := podName.FindStringSubmatch(name); m != nil {
		doc = append(doc, `,"kubernetes":{"container_name":`...)
		doc = jsontext.AppendString(doc, m[1])
		doc = jsontext.AppendString(append(doc, `,"pod_name":`...), m[2])
		doc = jsontext.AppendString(append(doc, `,"namespace_name":`...), m[3])
		doc = append(doc, '}')
	} else {
		doc = jsontext.AppendString(append(doc, `,"container":`...), name)
	}
	// The driver knows two priorities: err for stderr, info for stdout.
	switch get("PRIORITY") {
	case "3":
		doc = append(doc, `,"stream":"stderr"`...)
	case "6":
		doc = append(doc, `,"stream":"stdout"`...)
	}
	return doc
}

// microsMax is journald's own bound of a valid time.
const microsMax = 1 << 55

func micros(s string) (time.Time, bool) {
	us, err := strconv.ParseUint(s, 10, 64)
	if err != nil || us == 0 || us >= microsMax {
		return time.Time{}, false
	}
	return time.UnixMicro(int64(us)).UTC(), true
}
