package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/oriel-project/oriel/config"
	"github.com/oriel-project/oriel/tenant"
)

type tokenFlags struct {
	tenant, cluster, region, cloud, access, name, expires string
	operator                                              bool
}

func newToken(g *global) *cobra.Command {
	c := &cobra.Command{
		Use:     "token create | list | revoke ID",
		Short:   "tokens for tenants, clusters and operators",
		Example: "  oriel token create --tenant payments --name grafana-at-home --expires 90d",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usagef("say which: create, list or revoke; see 'oriel token --help'")
		},
	}
	var f tokenFlags
	create := &cobra.Command{
		Use:   "create --tenant T | --cluster C | --operator",
		Short: "make a token; its secret is printed once, alone on stdout",
		Example: "  oriel token create --tenant payments\n" +
			"  oriel token create --cluster eu-1 --region eu --cloud private > eu-1.token",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error { return g.createToken(c.Context(), f) },
	}
	fs := create.Flags()
	fs.StringVar(&f.tenant, "tenant", "", "a token of this tenant")
	fs.StringVar(&f.cluster, "cluster", "", "a token of this cluster's agent")
	fs.StringVar(&f.region, "region", "", "with --cluster: the region stamped on its data")
	fs.StringVar(&f.cloud, "cloud", "", "with --cluster: the cloud stamped on its data")
	fs.BoolVar(&f.operator, "operator", false, "a token that may everything")
	fs.StringVar(&f.access, "access", "", "with --tenant: read (default) or write; with --operator: read, of all tenants, or everything (default)")
	fs.StringVar(&f.name, "name", "", "what it is for")
	fs.StringVar(&f.expires, "expires", "", "how long it is good for, such as 90d; default: until it is revoked")
	c.AddCommand(create,
		&cobra.Command{
			Use: "list", Short: "tokens that are good now, without their secrets", Example: "  oriel token list", Args: cobra.NoArgs,
			RunE: func(c *cobra.Command, _ []string) error { return g.listTokens(c.Context()) },
		},
		&cobra.Command{
			Use: "revoke ID", Short: "end a token at once", Example: "  oriel token revoke k7x2m9", Args: cobra.ExactArgs(1),
			RunE: func(c *cobra.Command, args []string) error {
				ac, err := g.admin()
				if err != nil {
					return err
				}
				return g.adminError(ac.RevokeToken(c.Context(), args[0]))
			},
		},
	)
	return c
}

func (g *global) createToken(ctx context.Context, f tokenFlags) error {
	spec := tenant.TokenSpec{Name: f.name, Access: tenant.TokenAccess(f.access)}
	kinds := 0
	if f.tenant != "" {
		spec.Kind, spec.Tenant = tenant.TokenTenant, tenant.ID(f.tenant)
		kinds++
	}
	if f.cluster != "" {
		spec.Kind, spec.Cluster = tenant.TokenCluster, tenant.Cluster{Name: f.cluster, Region: f.region, Cloud: f.cloud}
		kinds++
	}
	if f.operator {
		spec.Kind = tenant.TokenOperator
		kinds++
	}
	if kinds != 1 {
		return usagef("give exactly one of --tenant T, --cluster C and --operator")
	}
	if f.cluster == "" && (f.region != "" || f.cloud != "") {
		return usagef("--region and --cloud belong to --cluster C: leave them out")
	}
	if f.expires != "" {
		d, err := config.ParseDuration(f.expires)
		if err != nil {
			return usagef("--expires: %w", err)
		}
		spec.Expires = time.Duration(d)
	}
	if err := spec.Validate(); err != nil {
		return usageError{err}
	}
	ac, err := g.admin()
	if err != nil {
		return err
	}
	t, err := ac.CreateToken(ctx, spec)
	if err != nil {
		return g.adminError(err)
	}
	fmt.Fprintf(g.stderr, "token %s made; this is the only time its secret is shown\n", t.Token.ID)
	fmt.Fprintln(g.stdout, t.Secret)
	return nil
}

func (g *global) listTokens(ctx context.Context) error {
	ac, err := g.admin()
	if err != nil {
		return err
	}
	ts, err := ac.Tokens(ctx)
	if err != nil {
		return g.adminError(err)
	}
	return table(g.stdout, func(w io.Writer) {
		fmt.Fprintln(w, "ID\tKIND\tOF\tACCESS\tNAME\tCREATED\tEXPIRES")
		for _, t := range ts {
			of, expires := string(t.Tenant), "-"
			if t.Kind == tenant.TokenCluster {
				of = t.Cluster.Name
			}
			if !t.Expires.IsZero() {
				expires = t.Expires.Format(time.DateTime)
			}
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\t%s\n", t.ID, t.Kind, dash(of), dash(string(t.Access)), dash(printable(t.Name)), t.Created.Format(time.DateTime), expires)
		}
	})
}
