package multiline

import (
	"path"
	"regexp"
	"strings"
)

// Rule says which lines belong together. One of Languages needs nothing of what a
// record says about itself; the others are for what the operator names.
type Rule struct {
	Name string
	// Namespace and Container are patterns (* and ?) of whose lines the rule is for;
	// "" is everybody's.
	Namespace, Container string
	// Start fits a line that begins a record. Without Continue, all lines up to the
	// next such line belong to it.
	Start *regexp.Regexp
	// Continue fits lines that go on.
	Continue *regexp.Regexp
	// End fits the last line, where that can be told. Behind it Link fits what leads
	// over to another Start that belongs to the same record.
	End, Link *regexp.Regexp
	// hints are texts of which one is in every line that Start fits: regular
	// expressions are slow, and nearly no line is the start of anything.
	hints []string
}

// Languages gives the rules for the stack traces of Java, .NET and Node, of
// Python, and of Go.
func Languages() []Rule {
	return []Rule{
		{
			Name:  "java", // and what prints traces alike
			hints: []string{"Exception", "Error", "Throwable", "Failure"},
			Start: regexp.MustCompile(`(?:^|[\s.$:("'])[\w$]*(?:Exception|Error|Throwable|Failure)(?:[:\s]|$)`),
			Continue: regexp.MustCompile(`^\s+(?:eval )?at \S|^\s*\.\.\. \d+ (?:more|common frames omitted)|^\s*(?:Caused by|Suppressed|Wrapped by): ` +
				`|^\s*---> |^\s*--- End of |^\s+nested exception is|^\s+\[(?:cause|errors)\]: `),
		},
		{
			Name:     "python",
			hints:    []string{"Traceback (most recent call last)"},
			Start:    regexp.MustCompile(`Traceback \(most recent call last\):\s*$`),
			Continue: regexp.MustCompile(`^[ \t]+\S`),
			End:      regexp.MustCompile(`^[A-Za-z_][\w.]*(?::|$)`),
			Link:     regexp.MustCompile(`^\s*$|^During handling of the above exception|^The above exception was the direct cause`),
		},
		{
			Name:  "go",
			hints: []string{"panic: ", "fatal error: ", "panic serving "},
			Start: regexp.MustCompile(`^(?:panic: |fatal error: )|http: panic serving `),
			Continue: regexp.MustCompile(`^\s*$|^\s*panic: |^\[signal |^(?:runtime )?goroutine \d+|^\s+\S+:\d+(?: \+0x[0-9a-f]+)?$|^\S+\(.*\)$` +
				`|^created by |^exit status \d|^\s*\[recovered\]`),
		},
	}
}

// fits tells whether a rule is for the lines of a container.
func (r *Rule) fits(namespace, container string) bool {
	return matches(r.Namespace, namespace) && matches(r.Container, container)
}

func matches(pattern, name string) bool {
	if pattern == "" {
		return true
	}
	ok, err := path.Match(pattern, name)
	return ok && err == nil
}

// starts tells whether a line begins a record of this rule.
func (r *Rule) starts(line string) bool {
	if len(r.hints) > 0 {
		hinted := false
		for _, h := range r.hints {
			if hinted = strings.Contains(line, h); hinted {
				break
			}
		}
		if !hinted {
			return false
		}
	}
	return r.Start.MatchString(line)
}

// place is how far a record of a rule has come.
type place uint8

const (
	within place = iota
	ended        // a line was the last one
	linked       // and another start may follow
)

// next tells whether a line goes on with a record of this rule, and where that is
// then.
func (r *Rule) next(at place, line string) (place, bool) {
	if r.Continue == nil {
		return within, !r.Start.MatchString(line)
	}
	switch {
	case at == linked && r.Start.MatchString(line):
		return within, true
	case at != within:
		return linked, r.Link.MatchString(line)
	case r.Continue.MatchString(line):
		return within, true
	case r.End != nil && r.End.MatchString(line):
		return ended, true
	}
	return at, false
}

// open tells whether more may come: of a record with several lines that has no
// certain end.
func (r *Rule) open(at place, lines int) bool {
	return r.Continue == nil || at == within && lines > 1
}
