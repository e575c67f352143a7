package bot

import (
	"encoding/json"
	"errors"

	"github.com/konsulin-care/konsulin-bot/admin"
)

// RefusedRestored is why a message has no answer that waited for one when the database was copied: see [Unanswered].
const RefusedRestored = "restored"

// UnansweredKinds are the kinds of the jobs that write to somebody. An alert answers no message, but is as old as the copy.
func UnansweredKinds() []string {
	return []string{JobLogin, JobReply, JobCommand, admin.JobTellAdmin}
}

// Unanswered reads, from the payload of a job of this room, which message the job answers: its sender and id as
// [Inbox] was told them.
func Unanswered(payload []byte) (sender, id string, err error) {
	var t ticket
	// The decoder's own message would repeat what it read, and that names a number.
	if json.Unmarshal(payload, &t) != nil || t.ID == "" || t.sender() == "" {
		return "", "", errors.New("the job's payload cannot be read")
	}
	return t.sender(), t.ID, nil
}
