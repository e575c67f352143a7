package storage

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"time"
	"unicode/utf8"
)

// maxName is the longest name kept as it is. PostgreSQL refuses index entries above some 2,700 bytes, and senders
// choose their message ids.
const maxName = 255

// name makes anything that others choose usable as a key on both engines: what is too long, is not UTF-8 or holds a
// NUL is replaced by its hash. Without it such a message could never be accepted, and would come again for ever.
func name(s string) string {
	if len(s) <= maxName && utf8.ValidString(s) && !strings.Contains(s, "\x00") {
		return s
	}
	sum := sha256.Sum256([]byte(s))
	return "sha256:" + hex.EncodeToString(sum[:])
}

// sentence makes a text storable on both engines and keeps it short.
func sentence(s string) string {
	s = strings.ReplaceAll(strings.ToValidUTF8(s, "?"), "\x00", "?")
	if cut := 500; len(s) > cut {
		for !utf8.RuneStart(s[cut]) {
			cut--
		}
		s = s[:cut]
	}
	return s
}

// millis is how a time is stored; the zero time is 0.
func millis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

// at reads what millis wrote.
func at(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// orNull stores an empty string as NULL.
func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

func flag(b bool) int64 {
	if b {
		return 1
	}
	return 0
}
