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
		switch r := config.Role(role); r {
		case config.RoleUp, config.RoleCentral, config.RoleAgent:
			return config.Load(r, file)
		}
		return nil, usagef("--role %q: want up, central or agent", role)
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
			Use: "print", Short: "print the effective configuration, secrets masked", Example: "  oriel config print --config oriel.yaml", Args: cobra.NoArgs,
			RunE: func(*cobra.Command, []string) error {
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
