package text

// MayHold reports whether a string may have an ASCII literal, in lower case, in
// it in any case: always where it is not ASCII itself, since other characters
// fold to ASCII ones.
func MayHold[T ~string | ~[]byte](s T, literal string) bool {
	if len(s) < len(literal) {
		return false
	}
	if !IsASCII(s) {
		return true
	}
	first := literal[0]
	other := upper(first)
next:
	for i := range len(s) - len(literal) + 1 {
		if c := s[i]; c != first && c != other {
			continue
		}
		for j := 1; j < len(literal); j++ {
			if c := s[i+j]; c != literal[j] && c != upper(literal[j]) {
				continue next
			}
		}
		return true
	}
	return false
}

func upper(c byte) byte {
	if 'a' <= c && c <= 'z' {
		return c - ('a' - 'A')
	}
	return c
}

// IsASCII reports whether every byte is an ASCII character.
func IsASCII[T ~string | ~[]byte](s T) bool {
	i := 0
	for ; i+8 <= len(s); i += 8 {
		if (s[i]|s[i+1]|s[i+2]|s[i+3]|s[i+4]|s[i+5]|s[i+6]|s[i+7])&0x80 != 0 {
			return false
		}
	}
	for ; i < len(s); i++ {
		if s[i] >= 0x80 {
			return false
		}
	}
	return true
}
