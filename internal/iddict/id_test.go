package iddict

import "testing"

func TestParse(t *testing.T) {
	f := func(text string, want Format) {
		t.Helper()
		id, got, ok := Parse(text)
		if ok != (want != 0) || ok && got != want {
			t.Errorf("Parse(%q) = %v, %v; want %v", text, got, ok, want)
			return
		}
		if !ok {
			return
		}
		if s := string(AppendText(nil, id, got)); s != text || len(s) != got.TextLen() {
			t.Errorf("%q is written as %q", text, s)
		}
		if again, _, ok := Parse([]byte(text)); !ok || again != id {
			t.Errorf("%q as bytes is %x, %v, want %x", text, again, ok, id)
		}
	}
	f("0123456789abcdef", Hex16)
	f("deadbeefcafef00d0123456789abcdef", Hex32)
	f("00000000000000000000000000000000", Hex32)
	f("f47ac10b-58cc-4372-a567-0e02b2c3d479", UUID)

	f("", 0)
	f("0123456789ABCDEF", 0)
	f("0123456789abcdeg", 0)
	f("0123456789abcde", 0)
	f("0123456789abcdef0", 0)
	f("f47ac10b-58cc-4372-a567-0e02b2c3d47-", 0)
	f("f47ac10b058cc-4372-a567-0e02b2c3d479", 0)
	f("F47AC10B-58CC-4372-A567-0E02B2C3D479", 0)
	f("f47ac10b-58cc-4372-a567-0e02b2c3\xff479", 0)
}

func FuzzParse(f *testing.F) {
	f.Add("f47ac10b-58cc-4372-a567-0e02b2c3d479")
	f.Add("deadbeefcafef00d0123456789abcdef")
	f.Fuzz(func(t *testing.T, text string) {
		if id, format, ok := Parse(text); ok && string(AppendText(nil, id, format)) != text {
			t.Fatalf("%q is written as %q", text, AppendText(nil, id, format))
		}
	})
}

func BenchmarkParse(b *testing.B) {
	text := []byte("deadbeefcafef00d0123456789abcdef")
	b.Run("parse", func(b *testing.B) {
		for b.Loop() {
			Parse(text)
		}
	})
	id, format, _ := Parse(text)
	b.Run("append", func(b *testing.B) {
		for b.Loop() {
			text = AppendText(text[:0], id, format)
		}
	})
}
