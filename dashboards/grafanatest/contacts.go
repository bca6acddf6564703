package grafanatest

import "net/http"

// contactRoutes: who is told of alerts, as a new organisation has it, and as
// Grafana's documentation has the rest.
func (g *Grafana) contactRoutes() {
	g.handle("GET /api/v1/provisioning/policies", Editor, func(_ *http.Request, c caller) (any, *refusal) {
		if c.org.receiver == "" {
			return map[string]any{"receiver": "grafana-default-email", "group_by": []string{"grafana_folder", "alertname"}}, nil
		}
		return map[string]any{"receiver": "grafana-default-email", "routes": []map[string]any{{"receiver": c.org.receiver}}}, nil
	})
	g.handle("GET /api/v1/provisioning/contact-points", Editor, func(_ *http.Request, c caller) (any, *refusal) {
		return append([]map[string]any{
			{"uid": "", "name": "grafana-default-email", "type": "email", "settings": map[string]any{"addresses": "<example@email.com>"}},
		}, c.org.contacts...), nil
	})
	g.handle("POST /api/v1/provisioning/contact-points", Editor, func(r *http.Request, c caller) (any, *refusal) {
		var in map[string]any
		if ref := decode(r, &in); ref != nil {
			return nil, ref
		}
		c.org.contacts = append(c.org.contacts, in)
		return created{in}, nil
	})
	g.handle("PUT /api/v1/provisioning/policies", Editor, func(r *http.Request, c caller) (any, *refusal) {
		var in struct{ Routes []struct{ Receiver string } }
		if ref := decode(r, &in); ref != nil {
			return nil, ref
		}
		c.org.receiver = ""
		if len(in.Routes) > 0 {
			c.org.receiver = in.Routes[0].Receiver
		}
		return map[string]any{"message": "policies updated"}, nil
	})
}
