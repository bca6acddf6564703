package config

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

const fileBytesMax = 1 << 20

// Problem is one thing that is wrong.
type Problem struct {
	File string
	Line int    // from 1; 0 where the file does not say it
	Key  string // as logs.retention or forward.keys[0].tenant; "" for the whole file
	What string // what is wrong, and a good value
}

func (p Problem) String() string {
	var b strings.Builder
	b.WriteString(p.File)
	if p.Line > 0 {
		fmt.Fprintf(&b, ":%d", p.Line)
	}
	b.WriteString(": ")
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.What)
	return b.String()
}

// Problems is the error of Load, Parse and Validate: everything that is wrong,
// in the file's order, one a line.
type Problems []Problem

func (ps Problems) Error() string {
	lines := make([]string, len(ps))
	for i, p := range ps {
		lines[i] = p.String()
	}
	return strings.Join(lines, "\n")
}

// Load reads a file over the role's defaults and validates the outcome. The
// error is Problems, or says why the file cannot be read.
func Load(role Role, path string) (*Config, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w; name a file that exists with --config", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, fileBytesMax+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return Parse(role, path, data)
}

// Parse reads a file's content over the role's defaults and validates the
// outcome. name is what messages call the file. The error is Problems.
func Parse(role Role, name string, data []byte) (*Config, error) {
	c := Default(role)
	c.file, c.lines = name, map[string]int{}
	if len(data) > fileBytesMax {
		return nil, Problems{{File: name, What: fmt.Sprintf("is larger than %s: not a configuration of Oriel", Bytes(fileBytesMax))}}
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc, more yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF): // an empty file: the defaults
	case err != nil:
		return nil, Problems{{File: name, What: "is not YAML: " + strings.TrimPrefix(err.Error(), "yaml: ")}}
	case !errors.Is(dec.Decode(&more), io.EOF):
		return nil, Problems{{File: name, What: "holds more than one YAML document: keep one and remove the line ---"}}
	}
	d := decoder{config: c}
	if len(doc.Content) > 0 {
		d.root(doc.Content[0])
	}
	// What could not be read keeps its default, so that Validate can speak of all
	// the rest in the same go.
	ps := append(d.problems, c.check()...)
	if len(ps) > 0 {
		slices.SortStableFunc(ps, func(a, b Problem) int { return a.Line - b.Line })
		return nil, ps
	}
	return c, nil
}

// Validate checks a configuration that was made or changed by hand, by flags
// for instance. The error is Problems.
func (c *Config) Validate() error {
	if ps := c.check(); len(ps) > 0 {
		return ps
	}
	return nil
}

// Print writes the effective configuration as YAML that Parse reads back. There
// is nothing to mask in it: secrets are named by file, and URLs with a password
// are refused.
func (c *Config) Print(w io.Writer) error {
	enc := yaml.NewEncoder(w)
	enc.SetIndent(2)
	if err := enc.Encode(c); err != nil {
		return fmt.Errorf("print configuration: %w", err)
	}
	return enc.Close()
}

const secretBytesMax = 64 << 10

// ReadSecret reads a secret from the file that a key names, without the line
// end that editors add. An empty secret is an error.
func ReadSecret(key, path string) (string, error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("%s: %w; write the secret into that file, readable by Oriel alone", key, err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, secretBytesMax+1))
	if err != nil {
		return "", fmt.Errorf("%s: %w", key, err)
	}
	secret := strings.TrimRight(string(data), "\r\n")
	switch {
	case len(data) > secretBytesMax:
		return "", fmt.Errorf("%s: %s is larger than %s: not a secret", key, path, Bytes(secretBytesMax))
	case secret == "":
		return "", fmt.Errorf("%s: %s is empty; write the secret into it", key, path)
	}
	return secret, nil
}
