package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// version is set by the linker for releases (-X main.version=...).
var version = "0.1.0-dev"

func newVersion(g *global) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "print the version of Oriel and of what it is built from",
		Example: "  oriel version",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			fmt.Fprintf(g.stdout, "oriel %s %s/%s %s\n", version, runtime.GOOS, runtime.GOARCH, runtime.Version())
			info, ok := debug.ReadBuildInfo()
			if !ok {
				return nil
			}
			for _, m := range info.Deps {
				switch m.Path {
				case "github.com/prometheus/prometheus", "k8s.io/client-go":
					fmt.Fprintf(g.stdout, "%s %s\n", m.Path, m.Version)
				}
			}
			return nil
		},
	}
}
