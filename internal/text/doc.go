// Package text stores a column of strings that look alike: the messages of one
// container, paths, user names. Strings are cut at the boundaries of the
// analyser's tokens (NextToken). A token with an ASCII digit is a variable, all
// other bytes are static; strings with the same static bytes share a template,
// which is stored once, and their variables are stored column by column, typed.
//
//	var e text.Encoder
//	b := e.Encode(nil, off, data)           // row i is data[off[i]:off[i+1]]
//	c, err := text.Decode(b, len(off)-1)    // b must stay as it is
//	rows := c.SelectWord("refused", nil, nil)
//	for _, row := range rows {
//		line = c.Append(line[:0], int(row))
//	}
//
// Because tokens are never cut, a search for tokens is decided exactly: a word
// without a digit once per template, a token with a digit by the variables alone.
// The bytes are described in docs/format/text.md.
package text
