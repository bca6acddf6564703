package logging

import "strings"

// containerNames are what the name of a container's log says of it. What it does
// not say is "".
type containerNames struct {
	namespace, pod, podID, container, containerID string
}

const (
	containersPath = "var.log.containers." // slashes are dots in a tag
	podsPath       = "var.log.pods."
	logSuffix      = ".log"
	dockerPrefix   = "k8s_"

	containerIDLen = 64
	podIDLen       = 36
)

// namesOfTag reads the tag that Fluentd and Fluent Bit make of a path below
// /var/log/containers (POD_NAMESPACE_CONTAINER-ID.log) or /var/log/pods
// (NAMESPACE_POD_UID/CONTAINER/N.log), whatever their prefix is.
func namesOfTag(tag string) (n containerNames, ok bool) {
	rest, ok := strings.CutSuffix(tag, logSuffix)
	if !ok {
		return n, false
	}
	if _, file, ok := strings.Cut(rest, containersPath); ok {
		at := len(file) - containerIDLen - 1
		if at < 0 || file[at] != '-' || !isHex(file[at+1:]) {
			return n, false
		}
		n.containerID = file[at+1:]
		if n.pod, file, ok = strings.Cut(file[:at], "_"); !ok {
			return n, false
		}
		n.namespace, n.container, ok = strings.Cut(file, "_")
		return n, ok && n.valid()
	}
	if _, dir, ok := strings.Cut(rest, podsPath); ok {
		if n.namespace, dir, ok = strings.Cut(dir, "_"); !ok {
			return n, false
		}
		if n.pod, dir, ok = strings.Cut(dir, "_"); !ok || len(dir) <= podIDLen || dir[podIDLen] != '.' {
			return n, false
		}
		n.podID = dir[:podIDLen]
		n.container, _, ok = strings.Cut(dir[podIDLen+1:], ".")
		return n, ok && n.valid()
	}
	return n, false
}

// namesOfDocker reads the name that the kubelet gives to a container of Docker's:
// k8s_CONTAINER_POD_NAMESPACE_UID_ATTEMPT, with or without the slash that Docker
// puts before it.
func namesOfDocker(name string) (n containerNames, ok bool) {
	rest, ok := strings.CutPrefix(strings.TrimPrefix(name, "/"), dockerPrefix)
	if !ok {
		return n, false
	}
	parts := strings.Split(rest, "_")
	if len(parts) != 5 {
		return n, false
	}
	n = containerNames{pod: parts[1], namespace: parts[2], podID: parts[3]}
	n.container, _, _ = strings.Cut(parts[0], ".") // older ones have a hash behind it
	return n, n.valid()
}

// valid refuses what Kubernetes would not take for a name.
func (n *containerNames) valid() bool {
	return isName(n.namespace, labelBytesMax) && isName(n.pod, labelBytesMax) && isName(n.container, labelBytesMax)
}

func isName(s string, most int) bool {
	if s == "" || len(s) > most {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '-' && c != '.' {
			return false
		}
	}
	return true
}

func isHex(s string) bool {
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
