package logging

// IsKeyword reports whether the field always holds whole values: the names that
// are stamped on every record, the metadata fields, and the aliases of both.
func IsKeyword(name string) bool {
	switch name {
	case "cluster", "region", "cloud", "namespace", "pod", "container", "node",
		"level", "stream", "_index", "_id",
		"kubernetes.namespace_name", "kubernetes.pod_name", "kubernetes.container_name",
		"kubernetes.host", "host":
		return true
	}
	return false
}
