package audit

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oriel-project/oriel/internal/jsontext"
	"github.com/oriel-project/oriel/logging"
)

// stream tells records of the audit log from what containers write.
const stream = "audit"

// objectsBytesMax bounds requestObject and responseObject together: larger ones
// are left out, so that the rest of the event is stored.
const objectsBytesMax = 1 << 20

// event is what is read of one; the rest is stored as it came.
// https://kubernetes.io/docs/reference/config-api/apiserver-audit.v1/
type event struct {
	AuditID string `json:"auditID"`
	Stage   string `json:"stage"`
	Verb    string `json:"verb"`
	URI     string `json:"requestURI"`
	User    struct {
		Username string `json:"username"`
	} `json:"user"`
	ObjectRef *struct {
		Resource    string `json:"resource"`
		Namespace   string `json:"namespace"`
		Name        string `json:"name"`
		APIGroup    string `json:"apiGroup"`
		Subresource string `json:"subresource"`
	} `json:"objectRef"`
	ResponseStatus *struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
	RequestObject  json.RawMessage `json:"requestObject"`
	ResponseObject json.RawMessage `json:"responseObject"`
	Received       time.Time       `json:"requestReceivedTimestamp"`
	StageTime      time.Time       `json:"stageTimestamp"`
}

// rawOf makes the record of an event: the event as it came below "audit",
//
//	{"message": "alice patch deployments shop/web: 200", "level": "info", "stream": "audit",
//	 "audit": {"auditID": "...", ...}, "redacted": ["requestObject"],
//	 "kubernetes": {"namespace_name": "shop", "pod_name": "web-0"}}
//
// with the namespace only if it is owned. It reports whether objects were left out.
func rawOf(src json.RawMessage, who string, owned func(namespace string) bool) (raw logging.Raw, redacted bool, err error) {
	var e event
	if err := json.Unmarshal(src, &e); err != nil {
		return raw, false, err
	}
	if e.AuditID == "" || e.Stage == "" {
		return raw, false, errors.New("auditID and stage are missing")
	}
	all := src
	var out []string
	if len(e.RequestObject)+len(e.ResponseObject) > 0 && (e.secret() || len(e.RequestObject)+len(e.ResponseObject) > objectsBytesMax) {
		if src, out, err = withoutObjects(src); err != nil {
			return raw, false, err
		}
	}
	doc := make([]byte, 0, len(src)+512)
	doc = jsontext.AppendString(append(doc, `{"message":`...), e.sentence())
	doc = append(append(append(doc, `,"level":"`...), e.level()...), `","stream":"`+stream+`"`...)
	node := true
	if o := e.ObjectRef; o != nil && o.Namespace != "" && owned(o.Namespace) {
		node = false
		doc = jsontext.AppendString(append(doc, `,"kubernetes":{"namespace_name":`...), o.Namespace)
		if o.Resource == "pods" && o.APIGroup == "" && o.Name != "" {
			doc = jsontext.AppendString(append(doc, `,"pod_name":`...), o.Name)
		}
		doc = append(doc, '}')
	}
	if len(out) > 0 {
		b, err := json.Marshal(out)
		if err != nil {
			return raw, false, err
		}
		doc = append(append(doc, `,"redacted":`...), b...)
	}
	doc = append(append(append(doc, `,"audit":`...), src...), '}')
	// Of all of it: a client may choose the auditID (header Audit-ID), and hide what
	// it does next behind what it did before.
	h := sha256.New()
	_, _ = h.Write([]byte(who + "\x00audit\x00")) // a hash never fails
	_, _ = h.Write(all)
	raw = logging.Raw{Source: doc, Time: e.StageTime, ID: hex.EncodeToString(h.Sum(nil)[:16]), Node: node, AddFields: true}
	if raw.Time.IsZero() {
		raw.Time = e.Received
	}
	return raw, len(out) > 0, nil
}

// secret tells whether the event's objects may hold what nobody should read in a
// log: Secrets, in whatever way they were reached, and tokens.
func (e *event) secret() bool {
	if o := e.ObjectRef; o != nil {
		switch {
		case o.Resource == "secrets", o.Resource == "tokenreviews", o.Subresource == "token":
			return true
		case o.Subresource == "proxy": // whatever a program answers
			return true
		}
	}
	return holdsSecret(e.RequestObject) || holdsSecret(e.ResponseObject)
}

var secretKinds = []string{"Secret", "SecretList", "TokenRequest", "TokenReview"}

// holdsSecret looks at what an object says it is, and at what it holds if it is
// a list of all kinds.
func holdsSecret(object json.RawMessage) bool {
	if len(object) == 0 || object[0] == '[' { // of a patch: what it is for says the reference
		return false
	}
	var o struct {
		Kind  string `json:"kind"`
		Items []struct {
			Kind string `json:"kind"`
		} `json:"items"`
	}
	if json.Unmarshal(object, &o) != nil {
		return true // what it is cannot be told
	}
	for _, item := range o.Items {
		if slices.Contains(secretKinds, item.Kind) {
			return true
		}
	}
	return slices.Contains(secretKinds, o.Kind)
}

// withoutObjects gives the event without its objects, and which those were. The
// annotations of an audit event hold decisions, not objects: they stay.
func withoutObjects(src json.RawMessage) (json.RawMessage, []string, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(src, &all); err != nil {
		return nil, nil, err
	}
	var out []string
	for key := range all {
		// encoding/json reads the fields above in any case of letters.
		if strings.EqualFold(key, "requestObject") || strings.EqualFold(key, "responseObject") {
			out = append(out, key)
			delete(all, key)
		}
	}
	slices.Sort(out)
	b, err := json.Marshal(all)
	return b, out, err
}

// sentence says what was done, for a list of lines.
func (e *event) sentence() string {
	var b strings.Builder
	put := func(s string) {
		if s != "" {
			if b.Len() > 0 {
				b.WriteByte(' ')
			}
			b.WriteString(s)
		}
	}
	put(e.User.Username)
	put(e.Verb)
	if o := e.ObjectRef; o != nil {
		resource := o.Resource
		if o.Subresource != "" {
			resource += "/" + o.Subresource
		}
		put(resource)
		name := o.Name
		if o.Namespace != "" {
			name = o.Namespace + "/" + name
		}
		put(strings.TrimSuffix(name, "/"))
	} else {
		put(e.URI)
	}
	if e.ResponseStatus != nil && e.ResponseStatus.Code != 0 {
		b.WriteString(": " + strconv.Itoa(e.ResponseStatus.Code))
	} else {
		b.WriteString(": " + e.Stage)
	}
	return b.String()
}

// level: what was denied is a warning, what failed an error.
func (e *event) level() string {
	code := 0
	if e.ResponseStatus != nil {
		code = e.ResponseStatus.Code
	}
	switch {
	case e.Stage == "Panic" || code >= 500:
		return logging.LevelError
	case code == 401 || code == 403:
		return logging.LevelWarn
	}
	return logging.LevelInfo
}
