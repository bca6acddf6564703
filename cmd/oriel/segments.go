package main

import (
	"context"
	"fmt"
	"net/http"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/oriel-project/oriel/internal/vfs"
	"github.com/oriel-project/oriel/logging/segment"
)

func newSegments(g *global) *cobra.Command {
	c := &cobra.Command{
		Use:     "segments verify [FILE ...] | dump FILE | merge",
		Short:   "the files of the log store: check them, look into one, merge them",
		Example: "  oriel segments verify --data-dir /var/lib/oriel\n  oriel segments dump --columns data/logs/00000007.seg",
		Args:    cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return usagef("say which: verify, dump or merge; see 'oriel segments --help'")
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
			Use: "verify [FILE ...]", Short: "read everything and check every checksum; the segments may be in use",
			Long: "Reads the segments, all of the data directory's where none is named, checks every checksum,\n" +
				"decodes every column, and names what is damaged. Exits 1 where something is.",
			Example: "  oriel segments verify --data-dir /var/lib/oriel\n  oriel segments verify backup/logs/*.seg",
			RunE:    func(c *cobra.Command, args []string) error { return g.verifySegments(c.Context(), args) },
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

// verifySegments checks the named segments, or all of the data directory.
func (g *global) verifySegments(ctx context.Context, names []string) error {
	if len(names) == 0 {
		dir := filepath.Join(g.dataDir, dirLogs)
		all, err := vfs.OS{}.List(dir)
		if err != nil {
			return fmt.Errorf("list segments: %w; name the data directory with --data-dir", err)
		}
		for _, name := range all {
			if filepath.Ext(name) == segmentSuffix {
				names = append(names, filepath.Join(dir, name))
			}
		}
	}
	damaged, bytes, rows := 0, int64(0), 0
	for _, name := range names {
		bad := false
		err := withSegment(name, func(s *segment.File) error {
			bytes += s.Size()
			for _, p := range s.Parts() {
				rows += p.Rows
			}
			return s.Verify(ctx, func(d segment.Damage) {
				bad = true
				fmt.Fprintf(g.stdout, "%s: part %d, block %d, %s: %v\n", name, d.Part, d.Block, d.Column, d.Err)
			})
		})
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil {
			bad = true
			fmt.Fprintln(g.stdout, err)
		}
		if bad {
			damaged++
		}
	}
	fmt.Fprintf(g.stdout, "%d segments, %d records, %d bytes: %d damaged\n", len(names), rows, bytes, damaged)
	if damaged > 0 {
		return fmt.Errorf("%d of %d segments are damaged: searches leave the damaged blocks out; restore the files from a backup, or let retention remove them", damaged, len(names))
	}
	return nil
}

// segmentSuffix ends the names of segments.
const segmentSuffix = ".seg"
