package logging

// Doc is a record as filters, sorts and aggregations see it: the stamped names,
// the sender's own fields under their dotted names, and the aliases readers
// expect. Not safe for concurrent use: it flattens the source when first asked.
type Doc struct {
	Record *Record
}
