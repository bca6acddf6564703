package logging

import (
	"cmp"
	"context"
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

// fieldsDocs is how many records FieldsOf looks at.
const fieldsDocs = 5000

// FieldsOf is View.Fields for a store that keeps no list of them: the fields of
// the newest 5,000 records. The names that are stamped on every record and the
// message are there as soon as there is one.
func FieldsOf(ctx context.Context, v View, indices []string) ([]FieldInfo, error) {
	res, err := v.Search(ctx, Query{
		Indices: indices, Limit: fieldsDocs, TotalMax: -1,
		Sort: []SortKey{{Field: FieldOf(FieldTime), Desc: true}},
	})
	if err != nil {
		return nil, err
	}
	l := NewFieldList()
	for i := range res.Hits {
		l.Add(NewDoc(&res.Hits[i].Record))
	}
	return l.Result(), nil
}

// FieldList gathers the fields of documents.
type FieldList struct{ seen map[string]map[FieldType]bool }

// NewFieldList makes an empty list.
func NewFieldList() *FieldList { return &FieldList{map[string]map[FieldType]bool{}} }

// Add notes the fields of a document.
func (l *FieldList) Add(d *Doc) {
	for name, t := range d.Fields() {
		l.AddField(name, t)
	}
}

// AddField notes a field.
func (l *FieldList) AddField(name string, t FieldType) {
	types := l.seen[name]
	if types == nil {
		types = map[FieldType]bool{}
		l.seen[name] = types
	}
	types[t] = true
}

// Result gives the fields by name. The names that are stamped on every record
// and the message are there as soon as there is one.
func (l *FieldList) Result() []FieldInfo {
	if len(l.seen) > 0 {
		for _, name := range stampedNames {
			l.AddField(name, Keyword)
		}
		if l.seen[fieldMessage] == nil {
			l.AddField(fieldMessage, Text)
		}
	}
	out := make([]FieldInfo, 0, len(l.seen))
	for name, types := range l.seen {
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
