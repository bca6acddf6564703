package logging

import (
	"hash/maphash"
	"time"

	"github.com/cespare/xxhash/v2"
)

// HashValue gives a hash by which distinct values are counted: equal values, as
// Terms groups them (1 and 1.0), have equal hashes in every store, on every
// machine and for ever. A string's is HashString.
func HashValue(v Value) uint64 {
	if v.Kind == KindString {
		return HashString(v.Str)
	}
	k := keyOf(v)
	return mix64(mix64(uint64(k.kind)<<56^uint64(k.num)) ^ k.bits)
}

// HashString is the HashValue of a string: XXH64.
func HashString(s string) uint64 { return xxhash.Sum64String(s) }

// HashBytes is the HashValue of a string of these bytes.
func HashBytes(b []byte) uint64 { return xxhash.Sum64(b) }

// HashNumber is the HashValue of a number, for columns of Numbers that are Exact.
func HashNumber(x float64) uint64 { return HashValue(Float(x)) }

// StringKey stands for a string where many are told apart: 128 bits that nobody
// outside of the process can make two strings meet in. It is good within the
// process alone.
type StringKey [2]uint64

var stringKeySeeds = [2]maphash.Seed{maphash.MakeSeed(), maphash.MakeSeed()}

// KeyOfBytes gives the key of a string of these bytes.
func KeyOfBytes(b []byte) StringKey {
	return StringKey{maphash.Bytes(stringKeySeeds[0], b), maphash.Bytes(stringKeySeeds[1], b)}
}

// KeyOfString gives the key of a string.
func KeyOfString(s string) StringKey {
	return StringKey{maphash.String(stringKeySeeds[0], s), maphash.String(stringKeySeeds[1], s)}
}

func hashTime(nanos int64) uint64 { return HashValue(Time(time.Unix(0, nanos))) }

// mix64 spreads the bits of a number over all of them (the finaliser of
// splitmix64); no two numbers give the same.
func mix64(x uint64) uint64 {
	x ^= x >> 30
	x *= 0xbf58476d1ce4e5b9
	x ^= x >> 27
	x *= 0x94d049bb133111eb
	return x ^ x>>31
}

// Millis gives a time as what metrics and histograms count by: milliseconds
// since the epoch, with their fraction.
func Millis(nanos int64) float64 {
	ms := nanos / 1e6
	if nanos%1e6 < 0 {
		ms--
	}
	return float64(ms) + float64(nanos-ms*1e6)/1e6
}
