package demo

import (
	"context"
	"os/signal"
	"strconv"
	"syscall"

	"github.com/spf13/cobra"
)

// commandName is the hidden subcommand that a child runs.
const commandName = "demo-team"

// Command gives the hidden subcommand of the binary that Supervise starts: one
// team. Its flags are between these two alone, so they are defined beside the
// one who sets them.
func Command() *cobra.Command {
	var o Options
	c := &cobra.Command{
		Use:     commandName + " TEAM",
		Short:   "one team of oriel up --demo",
		Example: "  oriel demo-team billing --forward 127.0.0.1:24224",
		Hidden:  true,
		Args:    cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.Team = args[0]
			o.Announce = cmd.OutOrStdout()
			ctx, stop := signal.NotifyContext(cmd.Context(), syscall.SIGTERM, syscall.SIGINT)
			defer stop()
			return RunTeam(ctx, o)
		},
	}
	c.SetContext(context.Background())
	f := c.Flags()
	f.StringVar(&o.ForwardAddr, "forward", "", "HOST:PORT of the forward input that takes the logs")
	f.StringVar(&o.DependsURL, "depends", "", "URL of billing")
	f.StringVar(&o.ListenAddr, "listen", "", "HOST:PORT of the first pod")
	f.Float64Var(&o.Rate, "rate", rateDefault, "requests a second")
	return c
}

// args gives the command line of a child with these options.
func (o Options) args() []string {
	a := []string{commandName, o.Team, "--rate", strconv.FormatFloat(o.Rate, 'g', -1, 64)}
	for _, f := range [][2]string{{"--forward", o.ForwardAddr}, {"--depends", o.DependsURL}, {"--listen", o.ListenAddr}} {
		if f[1] != "" {
			a = append(a, f[0], f[1])
		}
	}
	return a
}
