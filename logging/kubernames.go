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
	containersCut  = 251 // where the kubelet cuts POD_NAMESPACE_CONTAINER-ID off
)

// namesOfTag reads the tag that Fluentd and Fluent Bit make of a path below
// /var/log/containers (POD_NAMESPACE_CONTAINER-ID.log) or /var/log/pods
// (NAMESPACE_POD_UID/CONTAINER/N.log), whatever their prefix is. file is false for
// any other tag. A path that cannot be read is not ok: nobody can tell whose it is.
//
// Which path it is says the first one that the tag names: a pod may be called
// var.log.containers.x.
func namesOfTag(tag string) (n containerNames, ok, file bool) {
	containers, pods := strings.Index(tag, containersPath), strings.Index(tag, podsPath)
	if containers < 0 && pods < 0 {
		return n, false, false
	}
	// What is behind the path first: a tag may end with it, and then shares its last
	// dot with the suffix.
	read, path := n.readPods, podsPath
	at := pods
	if pods < 0 || containers >= 0 && containers < pods {
		read, path, at = n.readContainers, containersPath, containers
	}
	rest, logs := strings.CutSuffix(tag[at+len(path):], logSuffix)
	ok = logs && read(rest)
	if !ok || !isName(n.namespace, labelBytesMax) || !isName(n.pod, labelBytesMax) {
		return containerNames{}, false, true
	}
	return n, true, true
}

// readContainers reads POD_NAMESPACE_CONTAINER-ID, which the kubelet cuts off where
// it is too long for the name of a file. No name holds an underscore.
func (n *containerNames) readContainers(file string) (ok bool) {
	cut := len(file) == containersCut
	if n.pod, file, ok = strings.Cut(file, "_"); !ok {
		return false
	}
	if n.namespace, file, ok = strings.Cut(file, "_"); !ok {
		return false
	}
	at := len(file) - containerIDLen - 1
	if at < 0 || file[at] != '-' || !isHex(file[at+1:]) {
		return cut
	}
	n.container, n.containerID = file[:at], file[at+1:]
	return isName(n.container, labelBytesMax)
}

// readPods reads NAMESPACE_POD_UID.CONTAINER.N. The UID of a static pod is no UUID.
func (n *containerNames) readPods(dir string) (ok bool) {
	if n.namespace, dir, ok = strings.Cut(dir, "_"); !ok {
		return false
	}
	if n.pod, dir, ok = strings.Cut(dir, "_"); !ok {
		return false
	}
	if n.podID, dir, ok = strings.Cut(dir, "."); !ok {
		return false
	}
	n.container, _, ok = strings.Cut(dir, ".")
	return ok && isName(n.podID, labelBytesMax) && isName(n.container, labelBytesMax)
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
