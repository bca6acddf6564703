package store

import (
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
	"time"

	"github.com/oriel-project/oriel/logging"
)

// The format of docs/format/wal.md.
const (
	formatVersion = 1
	fileMagic     = "ORIELWAL"
	frameMagic    = "\xffOF\xfe"
	headerLen     = 64
	preludeLen    = 64

	kindRecords = 1
	kindPurge   = 2
)

// Limits.
const (
	fileBytesDefault  = 64 << 20
	directoryBytesMax = 32 << 20
	bodyBytesMax      = 512 << 20
	batchBytesMax     = 128 << 20
	groupBytesMax     = 8 << 20 // a commit takes no further batch beyond this
	queueMax          = 1024    // appends waiting
	keyBytesMax       = 256
	indexBytesMax     = 255
	seqMax            = 1<<53 - 1
	seqGap            = 1 << 20
	recordOverhead    = 256 // bytes a record counts beside its source

	keysKept   = 24 * time.Hour
	syncEvery  = time.Second
	flushEvery = time.Second // looked at, and tried again
	sweepEvery = time.Minute

	memtableBytesDefault = 64 << 20
	memtableAgeDefault   = 10 * time.Minute
	openFilesDefault     = 512
	cacheBytesDefault    = 64 << 20
	columnsBytesDefault  = 128 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func checksum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

const fileSuffix = ".wal"

func fileName(number uint64) string { return fmt.Sprintf("%08d%s", number, fileSuffix) }

// fileNumber reads a file's name; ok is false for files that are not ours.
func fileNumber(name string) (number uint64, ok bool) {
	digits, ok := strings.CutSuffix(name, fileSuffix)
	if !ok {
		return 0, false
	}
	number, err := strconv.ParseUint(digits, 10, 32)
	return number, err == nil && number > 0 && fileName(number) == name
}

// Durability says what an answered Append has survived.
type Durability string

// The durabilities. The empty one is Sync.
const (
	Sync     Durability = "sync"     // a power cut: fdatasync before every answer
	Interval Durability = "interval" // a killed process; a power cut costs up to a second
	None     Durability = "none"     // a killed process; a power cut costs what the kernel held
)

// sizeOf is what a record counts against the limits.
func sizeOf(r *logging.Record) int {
	return len(r.Source) + len(r.Message) + len(r.ID) + recordOverhead
}
