package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/oriel-project/oriel/config"
)

func newConfig(g *global) *cobra.Command {
	c := &cobra.Command{
		Use:     "config check FILE | print",
		Short:   "check a configuration file, or print the effective configuration",
		Example: "  oriel config check oriel.yaml\n  oriel config print --config oriel.yaml",
		Args:    cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			return usagef("say which: 'oriel config check FILE' or 'oriel config print'")
		},
	}
	var role string
	c.PersistentFlags().StringVar(&role, "role", string(config.RoleUp), "whose configuration it is: up, central or agent")
	load := func(file string) (*config.Config, error) {
		r, err := parseRole(role)
		if err != nil {
			return nil, err
		}
		return config.Load(r, file)
	}
	c.AddCommand(
		&cobra.Command{
			Use: "check FILE", Short: "check a configuration file", Example: "  oriel config check --role agent oriel.yaml", Args: cobra.ExactArgs(1),
			RunE: func(_ *cobra.Command, args []string) error {
				if _, err := load(args[0]); err != nil {
					return err
				}
				fmt.Fprintf(g.stdout, "%s is well\n", args[0])
				return nil
			},
		},
		&cobra.Command{
			Use: "print", Short: "print the effective configuration, secrets masked; without --config the defaults", Example: "  oriel config print --role central > oriel.yaml\n  oriel config print --config oriel.yaml", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error {
				if g.configFile == "" {
					r, err := parseRole(role)
					if err != nil {
						return err
					}
					// Not validated: an agent's defaults lack its central, and whoever
					// writes the first file wants to see them.
					return config.Default(r).Print(g.stdout)
				}
				cfg, err := load(g.configFile)
				if err != nil {
					return err
				}
				return cfg.Print(g.stdout)
			},
		},
	)
	return c
}

func parseRole(s string) (config.Role, error) {
	switch r := config.Role(s); r {
	case config.RoleUp, config.RoleCentral, config.RoleAgent:
		return r, nil
	}
	return "", usagef("--role %q: want up, central or agent", s)
}
