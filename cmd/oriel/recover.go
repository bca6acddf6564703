package main

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/oriel-project/oriel/internal/datadir"
	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging/store"
)

func newRecover(g *global) *cobra.Command {
	var o store.RecoverOptions
	c := &cobra.Command{
		Use: "recover", Short: "make a new manifest where both copies are damaged", Args: cobra.NoArgs,
		Long: "Reads the segments, the log and the journal of deletions of a data directory whose log store\n" +
			"does not start for its manifest, and tells what it would keep, what it would set aside and why,\n" +
			"and what is not known any more. Changes nothing without --write. Deletes nothing: what the new\n" +
			"manifest does not name is moved to logs/quarantine. Reads everything, which takes as long as it\n" +
			"takes. Records that may have been deleted are called doubtful; with --write and any of them it\n" +
			"wants to be told what becomes of them.",
		Example: "  oriel segments recover --data-dir /var/lib/oriel\n  oriel segments recover --data-dir /var/lib/oriel --write --doubtful quarantine",
		RunE: func(c *cobra.Command, _ []string) error {
			switch o.Doubtful {
			case store.DoubtfulAsk, store.DoubtfulKeep, store.DoubtfulQuarantine:
			default:
				return usagef("--doubtful %q: want keep or quarantine", o.Doubtful)
			}
			return g.recoverStore(c.Context(), o)
		},
	}
	c.Flags().BoolVar(&o.Write, "write", false, "carry it out; without it only tell")
	c.Flags().StringVar((*string)(&o.Doubtful), "doubtful", "", "what becomes of parts that may hold deleted records: keep or quarantine")
	return c
}

// recoverStore makes a new manifest for the data directory's log store.
func (g *global) recoverStore(ctx context.Context, o store.RecoverOptions) error {
	dir := filepath.Join(g.dataDir, dirLogs)
	if _, err := (vfs.OS{}).List(dir); err != nil {
		return fmt.Errorf("list the log store: %w; name the data directory with --data-dir, one of an Oriel with logs.store: embedded", err)
	}
	held, err := datadir.Open(g.dataDir)
	if err != nil {
		return err
	}
	defer held.Close()
	err = store.Recover(ctx, dir, o, g.stdout)
	switch {
	case errors.Is(err, store.ErrNothingToRecover):
		fmt.Fprintf(g.stdout, "%v\n", err)
		return nil
	case errors.Is(err, store.ErrDoubtful):
		return fmt.Errorf("%w: say --doubtful keep, and deleted records may show again, or --doubtful quarantine, and they stay where they are, unseen", err)
	case err != nil:
		return fmt.Errorf("recover log store %s: %w", dir, err)
	}
	if !o.Write {
		fmt.Fprintln(g.stdout, "nothing was changed: carry it out with --write")
	}
	return nil
}
