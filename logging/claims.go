package logging

// claim is something the sender says about a record, in order of preference.
type claim uint8

const (
	claimNamespace claim = iota
	claimPod
	claimContainer
	claimNode
	claimHost
	claimStream
	claimMessage
	claimPodID
	claimContainerID
	claimDockerName
	claimsNum
)

// claims are what a document says about itself.
type claims struct {
	strs  [claimsNum]string
	rank  [claimsNum]uint8 // of the name that strs came from; 0: none yet
	time  Value
	level string
	torn  bool // two namespaces are claimed with equal right
	piece Piece

	regular bool     // what follows is known
	top     addedSet // which names the document has at its top
}

// name is the claim without what is too long to be a name.
func (c *claims) name(k claim) string {
	if len(c.strs[k]) > nameBytesMax {
		return ""
	}
	return c.strs[k]
}

// The rank of the namespace that a shipper stamps, and of one that may be
// anything: an application logs a "namespace", too.
const (
	rankStamped = 2
	rankPlain   = 1
)

// claimOf tells which claim a field is; a higher rank is preferred.
func claimOf(name string) (k claim, rank uint8) {
	switch name {
	case "kubernetes.namespace_name":
		return claimNamespace, rankStamped
	case "namespace":
		return claimNamespace, rankPlain
	case "kubernetes.pod_name":
		return claimPod, 2
	case "pod":
		return claimPod, 1
	case "kubernetes.container_name":
		return claimContainer, 2
	case "container":
		return claimContainer, 1
	case "kubernetes.host":
		return claimNode, 3
	case "kubernetes.node_name":
		return claimNode, 2
	case "node":
		return claimNode, 1
	case "_HOSTNAME":
		return claimHost, 2
	case "host":
		return claimHost, 1
	case "stream":
		return claimStream, 1
	case "kubernetes.pod_id":
		return claimPodID, 1
	case "kubernetes.docker_id":
		return claimContainerID, 4
	case "kubernetes.container_id":
		return claimContainerID, 3
	case "docker.container_id":
		return claimContainerID, 2
	case "container_id":
		return claimContainerID, 1
	case "container_name":
		return claimDockerName, 1
	case "message":
		return claimMessage, 6
	case belowFields + "message":
		return claimMessage, 5
	case belowFields + "msg":
		return claimMessage, 4
	case "log": // the whole line, where the application's JSON was read
		return claimMessage, 3
	case "msg":
		return claimMessage, 2
	case "MESSAGE":
		return claimMessage, 1
	}
	return 0, 0
}

// gather reads the claims of a document.
func gather(src string) claims {
	c := claims{piece: pieceOf([]byte(src))}
	best := len(levelNames)
	all := flatten(src, flat{names: make([]string, 0, 24), vals: make([]Value, 0, 24)})
	for at, field := range all.names {
		v := &all.vals[at]
		if field == FieldTime && c.time.Kind == Missing {
			c.time = *v
			continue
		}
		if k, rank := claimOf(field); rank > 0 && rank >= c.rank[k] && v.Kind == KindString && v.Str != "" {
			switch {
			case rank > c.rank[k]:
				c.strs[k], c.rank[k] = v.Str, rank
				c.torn = c.torn && k != claimNamespace
			case k == claimNamespace && v.Str != c.strs[k]:
				c.torn = true
			}
		}
		for i, name := range levelNames[:best] {
			if name == field {
				if l := NormalizeLevel(v.Text()); l != "" {
					c.level, best = l, i
				}
				break
			}
		}
	}
	if c.torn || all.cut {
		c.strs[claimNamespace] = ""
	}
	return c
}
