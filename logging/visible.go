package logging

import (
	"cmp"
	"iter"
	"slices"

	"github.com/oriel-project/oriel/tenant"
)

// Covered reports whether the record lies in one of the lives: of that cluster
// and namespace, at a time within it. Stores leave out what lies in a sealed one.
func Covered(lives []tenant.Life, r *Record) bool {
	for i := range lives {
		if l := &lives[i]; l.Cluster == r.Cluster && l.Namespace == r.Namespace && l.Covers(r.Time) {
			return true
		}
	}
	return false
}

// MayWrite reports whether the scope may write the record as the tenant it
// names: a tenant's scope that tenant, a cluster's scope the records of its own
// cluster as the owner of their namespace or as one of the operator's tenants.
func MayWrite(w tenant.Write, r *Record) bool {
	if id, ok := w.Tenant(); ok {
		return r.Tenant == id
	}
	if !w.Valid() || r.Cluster != w.Cluster().Name {
		return false
	}
	switch r.Tenant {
	case tenant.Unassigned:
		return true
	case tenant.System:
		return r.Namespace == ""
	}
	owner, ok := w.Owner(r.Namespace, r.Time)
	return ok && owner == r.Tenant
}

// CollectFields gives the fields of the documents, by name, as View.Fields does.
// The names that are stamped on every record and the message are there as soon
// as there is one document.
func CollectFields(docs iter.Seq[*Doc]) []FieldInfo {
	seen := map[string]map[FieldType]bool{}
	add := func(name string, t FieldType) {
		if seen[name] == nil {
			seen[name] = map[FieldType]bool{}
		}
		seen[name][t] = true
	}
	for d := range docs {
		for name, t := range d.Fields() {
			add(name, t)
		}
	}
	if len(seen) > 0 {
		for _, name := range stampedNames {
			add(name, Keyword)
		}
		if seen[fieldMessage] == nil {
			add(fieldMessage, Text)
		}
	}
	out := make([]FieldInfo, 0, len(seen))
	for name, types := range seen {
		f := FieldInfo{Name: name}
		for t := range types {
			f.Types = append(f.Types, t)
		}
		slices.Sort(f.Types)
		out = append(out, f)
	}
	slices.SortFunc(out, func(a, b FieldInfo) int { return cmp.Compare(a.Name, b.Name) })
	return out
}
