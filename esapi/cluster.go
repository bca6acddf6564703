package esapi

import (
	"crypto/sha256"
	"encoding/base64"
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/oriel-project/oriel/internal/jsontext"
)

// clusterName is what the node and the cluster are called.
const clusterName = "oriel"

func appendInt(dst []byte, i int64) []byte { return strconv.AppendInt(dst, i, 10) }

// uuid makes the 22 characters that Elasticsearch calls a uuid out of a name.
func uuid(name string) string {
	sum := sha256.Sum256([]byte(name))
	return base64.RawURLEncoding.EncodeToString(sum[:16])
}

// root answers /, by which clients recognise the product and its version.
func root(c *call) (reply, error) {
	o := c.api.o
	b := jsontext.AppendString([]byte(`{"name":`), clusterName)
	b = jsontext.AppendString(append(b, `,"cluster_name":`...), clusterName)
	b = jsontext.AppendString(append(b, `,"cluster_uuid":`...), uuid("cluster "+clusterName))
	b = jsontext.AppendString(append(b, `,"version":{"number":`...), o.Version)
	b = append(b, `,"build_flavor":"default","build_type":"tar","build_hash":"0000000000000000000000000000000000000000","build_date":"2025-01-01T00:00:00.000000000Z","build_snapshot":false,"lucene_version":"9.12.0","minimum_wire_compatibility_version":"7.17.0","minimum_index_compatibility_version":"7.0.0"},"tagline":"You Know, for Search"}`...)
	return ok(b), nil
}

// nodeID is the one node's.
var nodeID = uuid("node " + clusterName)

// nodes answers sniffing clients with the one node they shall talk to.
func nodes(c *call) (reply, error) {
	return ok(c.appendNode(nil, func(b []byte) []byte { return b })), nil
}

// appendNode appends the answer about nodes; more appends members to the one.
func (c *call) appendNode(b []byte, more func([]byte) []byte) []byte {
	o := c.api.o
	addr := o.PublishAddress
	if addr == "" {
		addr = publishAddress(c.r)
	}
	host, ip := addr, addr
	if name, rest, ok := strings.Cut(addr, "/"); ok {
		host, ip = name, rest
	}
	if h, _, err := net.SplitHostPort(ip); err == nil {
		ip = h
	}
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	b = jsontext.AppendString(append(b, `{"_nodes":{"total":1,"successful":1,"failed":0},"cluster_name":`...), clusterName)
	b = append(jsontext.AppendString(append(b, `,"nodes":{`...), nodeID), ':')
	b = jsontext.AppendString(append(b, `{"name":`...), clusterName)
	b = jsontext.AppendString(append(b, `,"transport_address":`...), addr)
	b = jsontext.AppendString(append(b, `,"host":`...), host)
	b = jsontext.AppendString(append(b, `,"ip":`...), ip)
	b = jsontext.AppendString(append(b, `,"version":`...), o.Version)
	b = append(b, `,"build_flavor":"default","build_type":"tar","roles":["data","ingest","master"],"attributes":{},"http":{"bound_address":[`...)
	b = jsontext.AppendString(b, addr)
	b = jsontext.AppendString(append(b, `],"publish_address":`...), addr)
	b = append(b, `,"max_content_length_in_bytes":104857600}`...)
	return append(more(b), `}}}`...)
}

// publishAddress names the host that the client itself named, so that it comes
// back the way it came. A name goes as host/ip:port, which keeps the name for TLS.
func publishAddress(r *http.Request) string {
	host, port, err := net.SplitHostPort(r.Host)
	if err != nil {
		host, port = strings.Trim(r.Host, "[]"), "80"
		if r.TLS != nil {
			port = "443"
		}
	}
	if net.ParseIP(host) != nil {
		return net.JoinHostPort(host, port)
	}
	if local, ok := r.Context().Value(http.LocalAddrContextKey).(net.Addr); ok {
		if ip, _, err := net.SplitHostPort(local.String()); err == nil {
			return host + "/" + net.JoinHostPort(ip, port)
		}
	}
	return net.JoinHostPort(host, port)
}

// health answers _cluster/health: green, since a request was answered.
func health(c *call) (reply, error) {
	v, err := c.open()
	if err != nil {
		return reply{}, err
	}
	defer v.Close()
	status, code, late := "green", http.StatusOK, "false"
	ch, err := c.choose(v.infos, expression(c.vars["index"]), indexOptions{allowNone: true})
	if err != nil { // Elasticsearch waits for an index that is not there, and gives up
		status, code, late = "red", http.StatusRequestTimeout, "true"
	}
	shards := strconv.Itoa(len(ch.infos))
	b := jsontext.AppendString([]byte(`{"cluster_name":`), clusterName)
	b = append(b, `,"status":"`+status+`","timed_out":`+late+`,"number_of_nodes":1,"number_of_data_nodes":1,"active_primary_shards":`+shards+`,"active_shards":`+shards+
		`,"relocating_shards":0,"initializing_shards":0,"unassigned_shards":0,"delayed_unassigned_shards":0,"number_of_pending_tasks":0,"number_of_in_flight_fetch":0,"task_max_waiting_in_queue_millis":0,"active_shards_percent_as_number":100.0}`...)
	return reply{status: code, body: b}, nil
}

const licenseBody = `{"uid":"00000000-0000-0000-0000-000000000000","type":"basic","mode":"basic","status":"active","issue_date":"2025-01-01T00:00:00.000Z","issue_date_in_millis":1735689600000,"expiry_date_in_millis":4000000000000,"max_nodes":1000,"issued_to":"oriel","issuer":"oriel","start_date_in_millis":-1}`

func license(*call) (reply, error) { return ok([]byte(`{"license":` + licenseBody + `}`)), nil }

func xpack(*call) (reply, error) {
	return ok([]byte(`{"build":{"hash":"0000000000000000000000000000000000000000","date":"2025-01-01T00:00:00.000Z"},"license":` + licenseBody +
		`,"features":{"ilm":{"available":true,"enabled":true},"security":{"available":true,"enabled":true},"monitoring":{"available":false,"enabled":false}},"tagline":"You know, for X"}`)), nil
}
