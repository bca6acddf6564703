//go:build tools

// Package tools pins the programs that checks need, apart from the product's
// own dependencies.
package tools

import (
	_ "github.com/golangci/golangci-lint/v2/cmd/golangci-lint"
)
