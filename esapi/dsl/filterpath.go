package dsl

import "strings"

// FilterPath keeps the parts of an answer that the paths name, as ?filter_path
// does: dotted, with * for anything in one key and ** for any number of keys,
// and with - in front of what is taken out. Arrays are looked through.
// Paths of more than 64 keys together are not looked at.
func FilterPath(n Node, paths []string) Node {
	var keep, drop [][]string
	keys := 0
	for _, p := range paths {
		p = strings.TrimSpace(p)
		if keys += 1 + strings.Count(p, "."); keys > 64 {
			return n
		}
		if out, ok := strings.CutPrefix(p, "-"); ok {
			drop = append(drop, strings.Split(out, "."))
		} else if p != "" {
			keep = append(keep, strings.Split(p, "."))
		}
	}
	if len(keep) > 0 {
		n, _ = keepPaths(n, keep)
	}
	if len(drop) > 0 {
		n = dropPaths(n, drop)
	}
	return n
}

// step gives what is left of the paths behind a key; whole reports that one of
// them ends there.
func step(paths [][]string, key string) (left [][]string, whole bool) {
	add := func(p []string) {
		for _, l := range left { // several ** reach the same place in many ways
			if &l[0] == &p[0] {
				return
			}
		}
		left = append(left, p)
	}
	for _, p := range paths {
		if p[0] == "**" {
			add(p)
			if len(p) == 1 {
				return nil, true
			}
			p = p[1:]
		}
		if !Glob(p[0], key) {
			continue
		}
		if len(p) == 1 {
			return nil, true
		}
		add(p[1:])
	}
	return left, false
}

func keepPaths(n Node, paths [][]string) (Node, bool) {
	out := Node{Kind: n.Kind}
	switch n.Kind {
	case Object:
		for i, key := range n.Keys {
			left, whole := step(paths, key)
			v, ok := n.Items[i], whole
			if !whole && len(left) > 0 {
				v, ok = keepPaths(v, left)
			}
			if ok {
				out.Keys, out.Items = append(out.Keys, key), append(out.Items, v)
			}
		}
	case Array:
		for _, it := range n.Items {
			if v, ok := keepPaths(it, paths); ok {
				out.Items = append(out.Items, v)
			}
		}
	default:
		return n, false
	}
	return out, len(out.Items) > 0
}

func dropPaths(n Node, paths [][]string) Node {
	out := Node{Kind: n.Kind}
	switch n.Kind {
	case Object:
		for i, key := range n.Keys {
			left, whole := step(paths, key)
			if whole {
				continue
			}
			v := n.Items[i]
			if len(left) > 0 {
				v = dropPaths(v, left)
			}
			out.Keys, out.Items = append(out.Keys, key), append(out.Items, v)
		}
	case Array:
		for _, it := range n.Items {
			out.Items = append(out.Items, dropPaths(it, paths))
		}
	default:
		return n
	}
	return out
}
