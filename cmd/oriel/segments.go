package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/oriel-project/oriel/internal/datadir"
	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging/segment"
	"github.com/oriel-project/oriel/logging/store"
)

func newSegments(g *global) *cobra.Command {
	c := &cobra.Command{
		Use:     "segments verify [FILE ...] | dump FILE | merge | recover",
		Short:   "the files of the embedded log store: check them, look into one, merge them, make a lost manifest anew",
		Example: "  oriel segments verify --data-dir /var/lib/oriel\n  oriel segments dump --columns data/logs/00000007.seg",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usagef("say which: verify, dump, merge or recover; see 'oriel segments --help'")
		},
	}
	var o segment.DumpOptions
	dump := &cobra.Command{
		Use: "dump FILE", Short: "describe a segment; it may be in use", Args: cobra.ExactArgs(1),
		Example: "  oriel segments dump data/logs/00000007.seg\n  oriel segments dump --records data/logs/00000007.seg | grep payments",
		RunE: func(_ *cobra.Command, args []string) error {
			return withSegment(args[0], func(f *segment.File) error { return segment.Dump(g.stdout, f, o) })
		},
	}
	dump.Flags().BoolVar(&o.Columns, "columns", false, "every column of every block: its encoding and its bytes")
	dump.Flags().BoolVar(&o.Records, "records", false, "every record")
	c.AddCommand(
		&cobra.Command{
			Use: "verify [FILE ...]", Short: "read everything and check every checksum",
			Long: "Reads the named segments, or the data directory's whole log store, checks every checksum,\n" +
				"decodes every column, and names what is damaged. Exits 1 where something is. Of a data\n" +
				"directory that is in use only the segments are checked: the rest changes.",
			Example: "  oriel segments verify --data-dir /var/lib/oriel\n  oriel segments verify backup/logs/*.seg",
			RunE: func(c *cobra.Command, args []string) error {
				if len(args) == 0 {
					return g.verifyStore(c.Context())
				}
				return g.verifySegments(c.Context(), args)
			},
		},
		dump,
		&cobra.Command{
			Use: "merge", Short: "have a running Oriel merge its segments into as few as there can be", Args: cobra.NoArgs,
			Example: "  oriel segments merge --url http://127.0.0.1:7480",
			RunE: func(c *cobra.Command, _ []string) error {
				a, err := g.admin()
				if err != nil {
					return err
				}
				a.HTTP = &http.Client{Transport: a.HTTP.Transport} // it may take many minutes
				return g.adminError(a.MergeLogs(c.Context()))
			},
		},
		newRecover(g),
	)
	return c
}

// withSegment opens a segment for fn.
func withSegment(name string, fn func(*segment.File) error) error {
	f, err := vfs.OS{}.Open(name)
	if err != nil {
		return err
	}
	defer f.Close()
	s, err := segment.Open(f)
	if err != nil {
		return fmt.Errorf("open segment %s: %w", name, err)
	}
	return fn(s)
}

// verifyStore checks everything of the data directory's log store; where an Oriel
// uses it, the segments, which do not change.
func (g *global) verifyStore(ctx context.Context) error {
	dir := filepath.Join(g.dataDir, dirLogs)
	names, err := vfs.OS{}.List(dir)
	if err != nil {
		return fmt.Errorf("list the log store: %w; name the data directory with --data-dir, one of an Oriel with logs.store: embedded", err)
	}
	held, err := datadir.Open(g.dataDir)
	if err != nil {
		fmt.Fprintf(g.stderr, "the data directory is in use: of its log store only the segments are checked\n")
		names = slices.DeleteFunc(names, func(name string) bool { return filepath.Ext(name) != segmentSuffix })
		for i, name := range names {
			names[i] = filepath.Join(dir, name)
		}
		return g.verifySegments(ctx, names)
	}
	defer held.Close()
	damaged := 0
	err = store.Verify(ctx, dir, func(f store.Finding) {
		damaged++
		fmt.Fprintln(g.stdout, f)
	})
	if err != nil {
		return fmt.Errorf("verify log store %s: %w", dir, err)
	}
	fmt.Fprintf(g.stdout, "%d files checked: damage in %d places\n", len(names), damaged)
	return damageError(damaged)
}

// damageError tells what damage means; nil where there is none.
func damageError(n int) error {
	if n == 0 {
		return nil
	}
	return fmt.Errorf("damage in %d places: searches leave out what does not check; restore the files from a backup, or let retention remove them", n)
}

// verifySegments checks the named segments.
func (g *global) verifySegments(ctx context.Context, names []string) error {
	damaged, bytes, rows := 0, int64(0), 0
	for _, name := range names {
		err := withSegment(name, func(s *segment.File) error {
			bytes += s.Size()
			for _, p := range s.Parts() {
				rows += p.Rows
			}
			return s.Verify(ctx, func(d segment.Damage) {
				damaged++
				fmt.Fprintf(g.stdout, "%s: part %d, block %d, %s: %v\n", name, d.Part, d.Block, d.Column, d.Err)
			})
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			damaged++
			fmt.Fprintln(g.stdout, err)
		}
	}
	fmt.Fprintf(g.stdout, "%d segments, %d records, %d bytes: damage in %d places\n", len(names), rows, bytes, damaged)
	return damageError(damaged)
}

// segmentSuffix ends the names of segments.
const segmentSuffix = ".seg"
