package shape

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"
)

// Parse reads a skeleton, and takes only what Skeleton can have given: compact,
// keys in their one spelling, none twice in an object, within the bounds. It
// keeps a copy. The error says where the fault is.
func Parse(skeleton []byte) (*Shape, error) {
	if len(skeleton) > SkeletonBytesMax {
		return nil, fmt.Errorf("skeleton of %d bytes: the most is %d", len(skeleton), SkeletonBytesMax)
	}
	p := parser{s: string(skeleton)}
	if p.peek() != '{' {
		return nil, errors.New("skeleton does not begin with {")
	}
	err := p.object("", 1)
	if err == nil && p.i != len(p.s) {
		err = errors.New("more behind its end")
	}
	if err != nil {
		return nil, fmt.Errorf("skeleton at byte %d: %w", p.i, err)
	}
	nth := make(map[string]int, len(p.holes))
	for i := range p.holes {
		h := &p.holes[i]
		h.Nth = nth[h.Path]
		nth[h.Path]++
	}
	return newShape(p.s, p.holes, p.marks), nil
}

type parser struct {
	s         string
	i         int
	holes     []Hole
	marks     []uint32
	pathBytes int
	scratch   []byte
}

func (p *parser) peek() byte {
	if p.i < len(p.s) {
		return p.s[p.i]
	}
	return 0
}

// linearKeysMax is the size of an object from which on its keys are looked up
// in a map.
const linearKeysMax = 16

func (p *parser) object(prefix string, depth int) error {
	p.i++ // {
	if p.peek() == '}' {
		p.i++
		return nil
	}
	var keys []string
	var seen map[string]bool
	for {
		key, err := p.key()
		if err != nil {
			return err
		}
		twice := seen[key]
		for _, k := range keys {
			twice = twice || k == key
		}
		switch {
		case twice:
			return errors.New("a key stands twice in one object")
		case key == "" && depth == 1:
			return errors.New("an empty key at the top")
		case seen != nil:
			seen[key] = true
		case len(keys) < linearKeysMax:
			keys = append(keys, key)
		default:
			seen = make(map[string]bool, 4*linearKeysMax)
			for _, k := range keys {
				seen[k] = true
			}
			seen[key], keys = true, nil
		}
		if len(key) > PathBytesMax || prefix != "" && len(prefix)+1+len(key) > PathBytesMax {
			return fmt.Errorf("a path longer than %d bytes", PathBytesMax)
		}
		path := key
		if prefix != "" {
			path = prefix + "." + key
		}
		// Paths that no hole has are counted too: they were made.
		if p.pathBytes += len(path); p.pathBytes > pathsBytesMax {
			return fmt.Errorf("its paths are longer than %d bytes together", pathsBytesMax)
		}
		if err := p.value(path, depth); err != nil {
			return err
		}
		if end, err := p.next('}'); end || err != nil {
			return err
		}
	}
}

func (p *parser) array(path string, depth int) error {
	p.i++ // [
	if p.peek() == ']' {
		p.i++
		return nil
	}
	for {
		if err := p.value(path, depth); err != nil {
			return err
		}
		if end, err := p.next(']'); end || err != nil {
			return err
		}
	}
}

// next passes what stands between values, or behind the last.
func (p *parser) next(last byte) (end bool, err error) {
	c := p.peek()
	if c != ',' && c != last {
		return false, fmt.Errorf("neither , nor %c", last)
	}
	p.i++
	return c == last, nil
}

func (p *parser) value(path string, depth int) error {
	switch c := p.peek(); c {
	case '{', '[':
		if depth == DepthMax {
			return fmt.Errorf("nested deeper than %d", DepthMax)
		}
		if c == '{' {
			return p.object(path, depth+1)
		}
		return p.array(path, depth+1)
	case 'n':
		if !strings.HasPrefix(p.s[p.i:], "null") {
			return errors.New("no value")
		}
		p.i += len("null")
		return nil
	default:
		for t, mark := range marks {
			if c != mark {
				continue
			}
			if len(p.holes) == HolesMax {
				return fmt.Errorf("more than %d holes", HolesMax)
			}
			p.holes = append(p.holes, Hole{Path: path, Type: Type(t)})
			p.marks = append(p.marks, uint32(p.i))
			p.i++
			return nil
		}
	}
	return errors.New("no value")
}

// key reads a key and the colon. Without escapes it shares the memory of the
// skeleton.
func (p *parser) key() (string, error) {
	if p.peek() != '"' {
		return "", errors.New("no key")
	}
	from := p.i + 1
	end, escaped := stringEnd([]byte(p.s), from)
	if end < 0 {
		return "", errors.New("bad key")
	}
	key := p.s[from:end]
	if escaped {
		p.scratch = Unescape(p.scratch[:0], []byte(key))
		plain := string(p.scratch)
		if p.scratch = AppendQuoted(p.scratch[:0], []byte(plain)); string(p.scratch) != p.s[p.i:end+1] {
			return "", errors.New("a key is not spelled as skeletons spell it")
		}
		key = plain
	}
	if p.i = end + 1; p.peek() != ':' {
		return "", errors.New("no colon")
	}
	p.i++
	if !utf8.ValidString(key) {
		return "", errors.New("a key is not UTF-8")
	}
	return key, nil
}
