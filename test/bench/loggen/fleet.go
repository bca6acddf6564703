package loggen

import "fmt"

// source is what writes one stream of lines: a container of a pod, to stdout or
// to stderr.
type source struct {
	kind   kind
	tail   [2]string // the end of its documents, for stdout and stderr, from "kubernetes" on
	stderr bool      // what is wrong goes to stderr
	noun   string
	schema int // of structured logs: 0 (level first), 1 (message first, a logger)
	job    bool
	logger string
	lines  *lines

	seen    map[*template][][memory][]byte // values that may come again
	clients [16]client                     // of a web server
}

type kind uint8

const (
	structured kind = iota
	access
	text
	kinds
)

// namespace holds its sources by kind, each with a wheel.
type namespace struct {
	name    string
	sources [kinds][]*source
	pick    [kinds]wheel
}

const (
	podAlphabet = "bcdfghjklmnpqrstvwxz2456789" // Kubernetes'
	hostsNum    = 40
)

// workload is a deployment: so many pods of one image.
type workload struct {
	name    string
	kind    kind
	pods    int
	sidecar bool // a proxy that writes access lines
	lines   *lines
}

func (g *Generator) suffix(n int) string {
	b := make([]byte, n)
	for i := range b {
		b[i] = podAlphabet[g.rng.IntN(len(podAlphabet))]
	}
	return string(b)
}

// build makes the fleet: 50 namespaces of 20 pods each, of which a few are
// replaced by another revision half way.
func (g *Generator) build() {
	for i := range hostsNum {
		g.hosts = append(g.hosts, fmt.Sprintf("node-%03d", i*7+3))
	}
	request, job, web := parseLines(requestLines), parseLines(jobLines), parseLines(errorLines)
	g.request, g.job, g.web = &request, &job, &web
	free := make([]*lines, len(services))
	for i, s := range services {
		l := parseLines(s.lines)
		free[i] = &l
	}
	for _, p := range idPaths {
		g.idPaths = append(g.idPaths, parse(line{text: p}))
	}
	// A few versions of each program are in use at a time.
	var uses []int
	for i, a := range agents {
		t := parse(line{text: a})
		for v := range 5 {
			g.agents = append(g.agents, t.append(g, nil))
			uses = append(uses, agentWeights[i]*100/(v+1))
		}
	}
	g.agentPick = newWheel(uses)
	weights := []int{}
	for i := range len(teams) * len(environments) {
		team, env := teams[i%len(teams)], environments[i/len(teams)]
		ns := &namespace{name: team + "-" + env}
		a, b := i%len(services), (i*3+1)%len(services)
		for _, w := range []workload{
			{name: "api", kind: structured, pods: 5, sidecar: i%2 == 0},
			{name: nouns[i%len(nouns)], kind: structured, pods: 3},
			{name: "worker", kind: structured, pods: 2},
			{name: "web", kind: access, pods: 4},
			{name: services[a].name, kind: text, pods: 3, lines: free[a]},
			{name: services[b].name, kind: text, pods: 3, lines: free[b]},
		} {
			g.deploy(ns, team, w, i)
		}
		for k := range ns.sources {
			pods := make([]int, len(ns.sources[k]))
			for j := range pods {
				pods[j] = 1_000_000 / (j + 3)
			}
			ns.pick[k] = newWheel(pods)
		}
		g.namespaces = append(g.namespaces, ns)
		weights = append(weights, 1_000_000/(i+1))
	}
	g.pickNamespace = newWheel(weights)
}

// deploy adds the sources of a workload.
func (g *Generator) deploy(ns *namespace, team string, w workload, rank int) {
	noun := nouns[(rank*7+len(w.name))%len(nouns)]
	schema := (rank + len(w.name)) % 3 / 2
	hash, version := g.suffix(9), fmt.Sprintf("%d.%d", 1+g.rng.IntN(4), g.rng.IntN(30))
	for range w.pods {
		pod := w.name + "-" + hash + "-" + g.suffix(5)
		host := g.hosts[g.rng.IntN(len(g.hosts))]
		add := func(container string, s source) {
			s.noun, s.seen = noun, map[*template][][memory][]byte{}
			for i, stream := range []string{"stdout", "stderr"} {
				s.tail[i] = fmt.Sprintf(`"stream":"%s","kubernetes":{"namespace_name":"%s","pod_name":"%s","container_name":"%s","host":"%s",`+
					`"labels":{"app":"%s","version":"%s","team":"%s","pod-template-hash":"%s"}}}`,
					stream, ns.name, pod, container, host, w.name, version, team, hash)
			}
			ns.sources[s.kind] = append(ns.sources[s.kind], &s)
		}
		switch w.kind {
		case structured:
			add("app", source{
				kind: structured, schema: schema, job: w.pods == 2, stderr: rank%3 == 0,
				logger: noun + "Service",
			})
			if w.sidecar {
				add("envoy", source{kind: access})
			}
		case access:
			add("nginx", source{kind: access, stderr: true})
		case text:
			add("main", source{kind: text, lines: w.lines})
		}
	}
}
