package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/oriel-project/oriel/dashboards"
	"github.com/oriel-project/oriel/internal/httpx"
	"github.com/oriel-project/oriel/tenant"
	"github.com/oriel-project/oriel/tenant/admin"
	"github.com/oriel-project/oriel/tenant/registry"
)

// admin gives the client of the operator's API.
func (g *global) admin() (*admin.Client, error) {
	base, err := g.baseURL()
	if err != nil {
		return nil, err
	}
	hc, err := g.httpClient()
	if err != nil {
		return nil, err
	}
	return &admin.Client{URL: base, HTTP: hc}, nil
}

// adminError says how to mend what the operator's API refused.
func (g *global) adminError(err error) error {
	se, ok := errors.AsType[*httpx.StatusError](err)
	switch {
	case err == nil:
		return nil
	case !ok:
		return fmt.Errorf("ask %s: %w; is Oriel running there? (--url)", g.url, err)
	case se.Status == http.StatusNotFound && strings.HasPrefix(se.Reason, "tenant "):
		return fmt.Errorf("%s; 'oriel tenants list' shows those that exist", se.Reason)
	case se.Status == http.StatusUnauthorized:
		return fmt.Errorf("%s wants an operator's token: give one with --token-file or $ORIEL_TOKEN, or name its data directory with --data-dir", g.url)
	}
	return errors.New(se.Reason)
}

func newTenants(g *global) *cobra.Command {
	c := &cobra.Command{
		Use:     "tenants list | show T | onboard T | offboard T",
		Short:   "tenants: who there is, and whose namespaces are whose",
		Example: "  oriel tenants list\n  oriel tenants onboard payments --namespace eu-1/payments-prod --group keystone:payments",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usagef("say which: list, show, onboard or offboard; see 'oriel tenants --help'")
		},
	}
	var namespaces, groups []string
	onboard := &cobra.Command{
		Use: "onboard T --namespace CLUSTER/NAME ...", Short: "onboard a tenant without an annotation, or add namespaces to it",
		Example: "  oriel tenants onboard payments --namespace eu-1/payments-prod --namespace us-1/payments-prod --group keystone:payments",
		Args:    cobra.ExactArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			return g.onboard(c.Context(), args[0], namespaces, groups)
		},
	}
	onboard.Flags().StringArrayVar(&namespaces, "namespace", nil, "CLUSTER/NAME; may be given several times")
	onboard.Flags().StringArrayVar(&groups, "group", nil, "group whose members have all rights; may be given several times")
	c.AddCommand(
		&cobra.Command{
			Use: "list", Short: "every tenant with its state", Example: "  oriel tenants list", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error { return g.listTenants(c.Context()) },
		},
		&cobra.Command{
			Use: "show T", Short: "one tenant: groups, namespaces, how long each stage took, what was made, what is missing", Example: "  oriel tenants show payments", Args: cobra.ExactArgs(1),
			RunE: func(c *cobra.Command, args []string) error { return g.showTenant(c.Context(), args[0]) },
		},
		onboard,
		&cobra.Command{
			Use: "offboard T", Short: "end a tenant: its window goes, its telemetry is sealed", Example: "  oriel tenants offboard payments", Args: cobra.ExactArgs(1),
			RunE: func(c *cobra.Command, args []string) error {
				id, err := tenant.ParseID(args[0])
				if err != nil {
					return usageError{err}
				}
				ac, err := g.admin()
				if err != nil {
					return err
				}
				return g.adminError(ac.Offboard(c.Context(), id))
			},
		},
	)
	return c
}

func (g *global) listTenants(ctx context.Context) error {
	ac, err := g.admin()
	if err != nil {
		return err
	}
	list, err := ac.Tenants(ctx)
	if err != nil {
		return g.adminError(err)
	}
	return table(g.stdout, func(w io.Writer) {
		fmt.Fprintln(w, "TENANT\tCONDITION\tSTATUS\tNAMESPACES\tSINCE")
		for _, t := range list.Tenants {
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\n", t.ID, t.Condition, dash(t.Status), dash(strings.Join(namespaceNames(t), " ")), t.Since.Format(time.DateTime))
		}
		for _, r := range list.Refusals {
			fmt.Fprintf(w, "%s\trefused\t%s\t%s/%s\t-\n", printable(r.Tenant), printable(r.Reason), r.Cluster, r.Namespace)
		}
	})
}

func (g *global) showTenant(ctx context.Context, name string) error {
	id, err := tenant.ParseID(name)
	if err != nil {
		return usageError{err}
	}
	ac, err := g.admin()
	if err != nil {
		return err
	}
	t, err := ac.Tenant(ctx, id)
	if err != nil {
		return g.adminError(err)
	}
	if err := g.printTenant(t.State); err != nil || t.Receipt == nil {
		return err
	}
	return g.printReceipt(*t.Receipt)
}

// printReceipt says what was made for a tenant, and what it lacks.
func (g *global) printReceipt(r dashboards.Receipt) error {
	return table(g.stdout, func(w io.Writer) {
		if m := r.Made; m != nil {
			fmt.Fprintf(w, "window\t%s %q, whole since %s, changed %s\n", m.Isolation, m.Place, m.At.Format(time.RFC3339), m.Changed.Format(time.RFC3339))
			fmt.Fprintf(w, "data sources\t%s\ndashboards\t%s\nalert rules\t%s\n",
				dash(strings.Join(m.Sources, "; ")), dash(strings.Join(m.Boards, "; ")), dash(strings.Join(m.Rules, "; ")))
			fmt.Fprintf(w, "read token\t%s of %s\n", m.Token.ID, m.Token.Created.Format(time.RFC3339))
			for _, n := range m.Notes {
				fmt.Fprintf(w, "note\t%s\n", printable(n))
			}
		} else {
			fmt.Fprintln(w, "window\tnot whole yet")
		}
		for _, c := range r.Checks {
			mend := ""
			if c.Page != "" {
				mend = " See " + c.Page + "."
			}
			fmt.Fprintf(w, "%s\t%s: %s%s\n", c.Name, c.State, c.Detail, mend)
		}
	})
}

func (g *global) printTenant(t registry.State) error {
	return table(g.stdout, func(w io.Writer) {
		fmt.Fprintf(w, "tenant\t%s\ncondition\t%s\nstatus\t%s\nsince\t%s\ngroups\t%s\n",
			t.ID, t.Condition, dash(t.Status), t.Since.Format(time.RFC3339), dash(strings.Join(t.Groups, "; ")))
		for _, n := range t.Namespaces {
			fmt.Fprintf(w, "namespace\t%s/%s since %s\n", n.Cluster, n.Namespace, n.From.Format(time.RFC3339))
		}
		for _, l := range t.Sealed {
			fmt.Fprintf(w, "sealed\t%s/%s from %s to %s\n", l.Cluster, l.Namespace, l.From.Format(time.RFC3339), l.To.Format(time.RFC3339))
		}
		stages := make([]string, 0, len(t.Stages))
		for s := range t.Stages {
			stages = append(stages, s)
		}
		slices.Sort(stages)
		for _, s := range stages {
			fmt.Fprintf(w, "stage %s\t%.2f s\n", s, t.Stages[s])
		}
	})
}

func (g *global) onboard(ctx context.Context, name string, namespaces, groups []string) error {
	id, err := tenant.ParseID(name)
	if err != nil {
		return usageError{err}
	}
	var refs []registry.NamespaceRef
	for _, n := range namespaces {
		cluster, ns, ok := strings.Cut(n, "/")
		if !ok || cluster == "" || ns == "" || strings.Contains(ns, "/") {
			return usagef("--namespace %q: want CLUSTER/NAME, such as eu-1/payments-prod", n)
		}
		refs = append(refs, registry.NamespaceRef{Cluster: cluster, Name: ns})
	}
	ac, err := g.admin()
	if err != nil {
		return err
	}
	t, err := ac.Onboard(ctx, id, groups, refs)
	if err != nil {
		return g.adminError(err)
	}
	return g.printTenant(t)
}

func namespaceNames(t registry.State) (out []string) {
	for _, n := range t.Namespaces {
		out = append(out, n.Cluster+"/"+n.Namespace)
	}
	return out
}

// table aligns columns that f writes with tabs between them.
func table(w io.Writer, f func(io.Writer)) error {
	tw := tabwriter.NewWriter(w, 0, 8, 2, ' ', 0)
	f(tw)
	return tw.Flush()
}

func dash(s string) string {
	if s == "" {
		return "-"
	}
	return s
}
