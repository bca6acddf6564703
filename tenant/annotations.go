package tenant

import (
	"fmt"
	"maps"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/oriel-project/oriel/internal/spell"
)

// AnnotationPrefix is what Oriel's annotations begin with unless configured.
const AnnotationPrefix = "oriel/"

// The annotations on a namespace, after the prefix.
const (
	AnnotationTenant    = "tenant"     // onboards the namespace
	AnnotationGroups    = "groups"     // separated by ';'
	AnnotationRetention = "retention"  // logs=7d,metrics=30d
	AnnotationLimits    = "limits"     // series=50000,logs=5MB/s
	AnnotationOnDelete  = "on-delete"  // archive or purge
	AnnotationProbe     = "probe"      // addresses, separated by ','
	AnnotationDependsOn = "depends-on" // tenants or addresses, separated by ','
	AnnotationStatus    = "status"     // written by Oriel, never read
)

const (
	annotationItemsMax = 64      // of a list
	annotationItemMax  = 1 << 10 // bytes of one item
	problemsMax        = 20      // sentences in one claim
	retentionMax       = 3650 * 24 * time.Hour
	seriesMax          = 1 << 30
	logRateMax         = 10 << 40 // bytes per second
)

// ParseAnnotations reads what a namespace's annotations ask for. onboarded says
// whether they name a tenant. prefix is AnnotationPrefix where empty.
//
// What cannot be understood is left at its zero value and becomes a sentence in
// Problems that names the annotation, its value and the mend; so does an
// annotation under the prefix that nobody knows, and, without a tenant, each
// annotation that has no effect. Order and repetition do not matter in Groups,
// which come out sorted; Probes and DependsOn keep their order. The claim's
// Namespace, UID and Created are the caller's to fill.
func ParseAnnotations(prefix string, annotations map[string]string) (c Claim, onboarded bool) {
	if prefix == "" {
		prefix = AnnotationPrefix
	}
	p := annotationParser{prefix: prefix}
	_, onboarded = annotations[prefix+AnnotationTenant]
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		name, ok := strings.CutPrefix(key, prefix)
		if !ok || name == AnnotationStatus {
			continue
		}
		value := strings.TrimSpace(annotations[key])
		read, known := annotationReaders[name]
		switch {
		case !known:
			nearest, _ := spell.Nearest(name, slices.Sorted(maps.Keys(annotationReaders)))
			p.problem("annotation %s is unknown: did you mean %s%s?", clip(key), prefix, nearest)
		case !onboarded:
			p.problem("annotation %s has no effect without %s%s: add that one, with the tenant's name", key, prefix, AnnotationTenant)
		default:
			p.key, p.value = key, value
			read(&p, &c)
		}
	}
	if n := len(p.problems); n > problemsMax {
		p.problems = append(p.problems[:problemsMax-1], fmt.Sprintf("and %d more annotations that could not be understood", n-problemsMax+1))
	}
	c.Problems = p.problems
	return c, onboarded
}

// annotationReaders has every annotation that an owner may write.
var annotationReaders = map[string]func(*annotationParser, *Claim){
	AnnotationTenant: func(p *annotationParser, c *Claim) {
		c.Tenant = p.value
		if _, err := ParseID(p.value); err != nil {
			c.Tenant = clip(p.value)
			p.problem("annotation %s: %v", p.key, err)
		}
	},
	AnnotationGroups:    (*annotationParser).groups,
	AnnotationRetention: (*annotationParser).retention,
	AnnotationLimits:    (*annotationParser).limits,
	AnnotationOnDelete: func(p *annotationParser, c *Claim) {
		switch d := OnDelete(p.value); d {
		case Archive, Purge:
			c.OnDelete = d
		default:
			p.bad("want %s or %s", Archive, Purge)
		}
	},
	AnnotationProbe: func(p *annotationParser, c *Claim) {
		c.Probes = p.list(",", "an address of a service of the namespace such as http://web/health or tcp://db:5432", isEndpoint)
	},
	AnnotationDependsOn: func(p *annotationParser, c *Claim) {
		c.DependsOn = p.list(",", "a tenant's name or an address such as https://api.partner.example", func(s string) bool {
			return isLabel(s) || isEndpoint(s)
		})
	},
}

// annotationParser reads one annotation after the other; key and value are the
// present one's.
type annotationParser struct {
	prefix, key, value string
	problems           []string
}

func (p *annotationParser) problem(format string, args ...any) {
	p.problems = append(p.problems, fmt.Sprintf(format, args...))
}

// bad says that the present value is unreadable and how to mend it.
func (p *annotationParser) bad(mend string, args ...any) {
	p.problem("annotation %s: %q: %s", p.key, clip(p.value), fmt.Sprintf(mend, args...))
}

// list splits the value, drops repetitions and keeps the order. Nothing of a
// list with a bad item is taken: half of what was asked for surprises more.
func (p *annotationParser) list(separator, want string, good func(string) bool) []string {
	var items []string
	for item := range strings.SplitSeq(p.value, separator) {
		item = strings.TrimSpace(item)
		switch {
		case item == "": // a trailing separator
		case len(item) > annotationItemMax || !good(item):
			p.problem("annotation %s: %q: want %s", p.key, clip(item), want)
			return nil
		case !slices.Contains(items, item):
			items = append(items, item)
		}
		if len(items) > annotationItemsMax {
			p.bad("more than %d entries: leave the others out", annotationItemsMax)
			return nil
		}
	}
	if len(items) == 0 {
		p.bad("want %s, or no such annotation", want)
	}
	return items
}

func (p *annotationParser) groups(c *Claim) {
	c.Groups = p.list(";", "a group such as CN=Payments,OU=Teams,DC=corp or keystone:payments; several are separated by ';'", isPrintable)
	slices.Sort(c.Groups)
}

func (p *annotationParser) retention(c *Claim) {
	p.pairs("logs=7d,metrics=30d", map[string]func(string) error{
		"logs":    func(s string) (err error) { c.Retention.Logs, err = parseAge(s); return err },
		"metrics": func(s string) (err error) { c.Retention.Metrics, err = parseAge(s); return err },
	})
}

func (p *annotationParser) limits(c *Claim) {
	p.pairs("series=50000,logs=5MB/s", map[string]func(string) error{
		"series": func(s string) error {
			n, err := strconv.Atoi(s)
			if err != nil || n < 1 || n > seriesMax {
				return fmt.Errorf("%q: want a whole number from 1 to %d, such as 50000", clip(s), seriesMax)
			}
			c.Limits.SeriesMax = n
			return nil
		},
		"logs": func(s string) (err error) { c.Limits.LogBytesPerSecond, err = parseRate(s); return err },
	})
}

// pairs reads key=value,... with the given keys, each at most once.
func (p *annotationParser) pairs(example string, readers map[string]func(string) error) {
	seen := map[string]bool{}
	for pair := range strings.SplitSeq(p.value, ",") {
		if strings.TrimSpace(pair) == "" {
			continue
		}
		key, value, _ := strings.Cut(pair, "=")
		key, value = strings.TrimSpace(key), strings.TrimSpace(value)
		read, known := readers[key]
		switch {
		case !known:
			p.problem("annotation %s: %q: want %s=..., as in %s", p.key, clip(strings.TrimSpace(pair)),
				strings.Join(slices.Sorted(maps.Keys(readers)), "=... or "), example)
			return
		case seen[key]:
			p.bad("%s stands there twice: leave one out", key)
			return
		}
		seen[key] = true
		if err := read(value); err != nil {
			p.problem("annotation %s: %s=%v", p.key, key, err)
		}
	}
	if len(seen) == 0 {
		p.bad("want something such as %s, or no such annotation", example)
	}
}

// ageUnits are the units of parseAge, the longest first.
var ageUnits = []struct {
	unit   byte
	length time.Duration
}{{'w', 7 * 24 * time.Hour}, {'d', 24 * time.Hour}, {'h', time.Hour}, {'m', time.Minute}}

// parseAge takes whole numbers with w, d, h, m, the longer units first: 7d, 1d12h.
func parseAge(s string) (time.Duration, error) {
	bad := fmt.Errorf("%q: want a time from 1m to %dd with w, d, h or m, such as 7d", clip(s), retentionMax/(24*time.Hour))
	var sum time.Duration
	rest, units := s, ageUnits
	for rest != "" {
		digits := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		if digits == 0 || digits > 7 || digits == len(rest) {
			return 0, bad
		}
		n, err := strconv.Atoi(rest[:digits])
		if err != nil {
			return 0, bad
		}
		unit := rest[digits]
		for len(units) > 0 && units[0].unit != unit {
			units = units[1:]
		}
		if len(units) == 0 {
			return 0, bad
		}
		if time.Duration(n) > (retentionMax-sum)/units[0].length {
			return 0, bad
		}
		sum += time.Duration(n) * units[0].length
		rest, units = rest[digits+1:], units[1:]
	}
	if sum == 0 {
		return 0, bad
	}
	return sum, nil
}

var rateUnits = map[string]float64{
	"B": 1, "kB": 1e3, "KB": 1e3, "MB": 1e6, "GB": 1e9, "KiB": 1 << 10, "MiB": 1 << 20, "GiB": 1 << 30,
}

// parseRate takes bytes per second: 5MB/s, 1.5MiB/s.
func parseRate(s string) (int64, error) {
	bad := fmt.Errorf("%q: want a number with B, kB, MB, GB, KiB, MiB or GiB a second, such as 5MB/s", clip(s))
	amount, ok := strings.CutSuffix(s, "/s")
	if !ok {
		return 0, bad
	}
	number := strings.TrimRight(amount, "BGKMik")
	unit, ok := rateUnits[amount[len(number):]]
	// ParseFloat would also take 1e3, 0x1p4, inf and _.
	if !ok || strings.Trim(number, "0123456789.") != "" {
		return 0, bad
	}
	n, err := strconv.ParseFloat(number, 64)
	if err != nil || n*unit < 1 || n*unit > logRateMax {
		return 0, bad
	}
	return int64(n * unit), nil
}

// isEndpoint takes http://, https:// and tcp:// addresses without credentials,
// which have no place in an annotation that everybody may read.
func isEndpoint(s string) bool {
	if !isPrintable(s) || strings.Contains(s, " ") {
		return false
	}
	u, err := url.Parse(s)
	if err != nil || u.Hostname() == "" || u.User != nil || u.Fragment != "" {
		return false
	}
	if port := u.Port(); port != "" {
		if n, err := strconv.Atoi(port); err != nil || n < 1 || n > 65535 {
			return false
		}
	}
	switch u.Scheme {
	case "http", "https":
		return true
	case "tcp":
		return u.Port() != "" && u.Path == "" && u.RawQuery == ""
	}
	return false
}

func isPrintable(s string) bool {
	for _, r := range s {
		if !strconv.IsPrint(r) {
			return false
		}
	}
	return true
}
