package jsontext

import "testing"

func BenchmarkAppendString(b *testing.B) {
	const s = `10.21.239.143 - - [28/Feb/2026:12:00:00 +0000] "GET / HTTP/1.1" 200 4425 https://www.example.com/main`
	var dst []byte
	for name, s := range map[string]string{"100 bytes": s, "11 bytes": "00000000abc"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				dst = AppendString(dst[:0], s)
			}
		})
		b.Run(name+" of bytes", func(b *testing.B) {
			bs := []byte(s)
			for b.Loop() {
				dst = AppendString(dst[:0], bs)
			}
		})
	}
}
