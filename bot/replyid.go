package bot

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"strings"
)

// What a message of ours is for. Each purpose of one request has a message id of its own.
//
// A login request's answer is its link or the notice that it came too late, and both carry the id of purposeAnswer:
// when a crash leaves it unknown whether the link went out and the request grows stale meanwhile, the recipient, who
// shows an id once, sees the link or the notice but never both.
const (
	purposeAnswer   = "answer"
	purposeLimited  = "limited"
	purposeCoreDown = "core_down"
	purposeFailed   = "failed"
	purposeBarred   = "barred"
	purposeAlert    = "alert"
)

// idPrefix and idBytes give ids the form that WhatsApp's own web clients use.
const (
	idPrefix = "3EB0"
	idBytes  = 9
)

// ReplyID is the id of the message with which a message is answered: the same for the same sender, message and
// purpose, whenever and wherever it is asked for, so that a resend shows as one bubble. It is keyed, so that an id
// tells nothing about who it is for. Requests that are open when the key changes may be answered twice.
func ReplyID(key []byte, sender, id, purpose string) string {
	mac := hmac.New(sha256.New, key)
	for _, part := range []string{sender, id, purpose} {
		var length [8]byte // in front of each part, so that no two triples read the same
		binary.BigEndian.PutUint64(length[:], uint64(len(part)))
		mac.Write(length[:])
		mac.Write([]byte(part))
	}
	return idPrefix + strings.ToUpper(hex.EncodeToString(mac.Sum(nil)[:idBytes]))
}
