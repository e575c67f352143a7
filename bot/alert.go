package bot

import (
	"context"
	"encoding/json"
	"errors"
	"time"

	"github.com/konsulin-care/konsulin-bot/admin"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// alertRetry is the pause before an alert that could not be sent is tried again.
const alertRetry = time.Minute

// tellAdmin works a job of kind alert.send: one alert to one admin. Who is no admin any more is told nothing, and old
// news are none.
func (b *Bot) tellAdmin(ctx context.Context, j jobs.Job) error {
	var t admin.Telling
	if json.Unmarshal(j.Payload, &t) != nil {
		return jobs.Permanent(errors.New("the job's payload cannot be read"))
	}
	n, err := phone.FromDigits(t.Digits)
	if err != nil {
		return jobs.Permanent(errors.New("the job's number cannot be read"))
	}
	if b.levels[n] == Anyone || b.cfg.Now().Sub(t.At) > b.cfg.Times.SilentAfter {
		return nil
	}
	text, err := b.replies.render(b.languageOf(n), alertKey(t.Alert), alertData{Count: t.Value, Over: t.Value == 0})
	if err != nil {
		return jobs.Permanent(err)
	}
	err = b.send(ctx, Outgoing{ID: ReplyID(b.cfg.IDKey, n.Digits(), t.ID, purposeAlert), To: n, Text: text})
	if err != nil && !jobs.IsPermanent(err) {
		return jobs.After(alertRetry, err)
	}
	return err
}

// alertData is what an alert's text may use.
type alertData struct {
	Count int
	Over  bool
}

func alertKey(name string) string { return "alert_" + name }

// alertShapes lists the alerts that are told in the chat.
func alertShapes() map[string]shape {
	shapes := map[string]shape{}
	for _, name := range []string{admin.AlertJobs, admin.AlertCases, admin.AlertCore, admin.AlertFHIR, admin.AlertPhone} {
		shapes[alertKey(name)] = shape{samples: []sample{{data: alertData{Count: 7}}, {data: alertData{Over: true}}}}
	}
	return shapes
}
