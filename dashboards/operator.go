package dashboards

import (
	"context"
	"fmt"
	"strings"

	"github.com/oriel-project/oriel/tenant"
)

// OperatorOrg is the organisation of the operator's window. No tenant's is called
// so: theirs have a colon.
const OperatorOrg = "oriel operators"

// OperatorNames are those of the operator's window: of the tenant that is Oriel's
// own, but for what people see.
func OperatorNames() Names {
	n := NamesOf(tenant.System)
	n.Org, n.Team, n.FolderTitle = OperatorOrg, OperatorOrg, "Oriel"
	return n
}

// RenderOperator gives the operator's window: Home, the alert rules over the
// platform, and data sources that read all tenants. It is for an organisation of
// its own: who is a member of that reads all there is.
func RenderOperator(in Input) Window {
	in.Tenant = tenant.Tenant{ID: tenant.System}
	n := OperatorNames()
	w := Window{Names: n, Sources: sources(n, in), Boards: []Dashboard{Home(in.PageURL)}}
	for i := range w.Sources {
		w.Sources[i].Name = strings.Replace(w.Sources[i].Name, string(tenant.System), "operators'", 1)
	}
	for _, r := range OperatorRules() {
		w.Rules = append(w.Rules, n.promRule(r.Key, r.Title, r.Severity, r.For, r.Expr, r.Summary))
	}
	return w
}

// ReconcileOperator brings the operator's window in line. Where tenants share an
// organisation there is none: everybody in it could query its data sources.
func (r *Reconciler) ReconcileOperator(ctx context.Context) error {
	if r.o.Isolation != ByOrg && r.o.Isolation != "" {
		return nil
	}
	id := tenant.System
	e, err := r.token(id)
	if err != nil {
		return err
	}
	w := RenderOperator(Input{GatewayURL: r.o.GatewayURL, PageURL: r.o.PageURL, ScrapeInterval: r.interval()})
	w.Fresh = true // it is one, and people wait for it
	if err := r.written.recall(w.Boards); err != nil {
		return err
	}
	changes, err := r.o.Target.Apply(ctx, w, Credential{ID: e.ID, Secret: e.Secret})
	r.tell(id, changes)
	if err != nil {
		return fmt.Errorf("the operator's dashboards: %w", err)
	}
	if err := r.written.keep(w.Boards); err != nil {
		return err
	}
	return r.revokeBut(id, e.ID)
}

// tokenFor is what the data sources of a window may do: read the tenant, or all
// of them.
func tokenFor(id tenant.ID) tenant.TokenSpec {
	if id == tenant.System {
		return tenant.TokenSpec{Kind: tenant.TokenOperator, Access: tenant.AccessRead, Name: TokenName}
	}
	return tenant.TokenSpec{Kind: tenant.TokenTenant, Tenant: id, Access: tenant.AccessRead, Name: TokenName}
}
