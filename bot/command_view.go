package bot

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/konsulin-care/konsulin-bot/admin"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// rowsShown is how many rows of a list fit an answer on a phone.
const rowsShown = 10

// runHelp lists what the asker may do.
func runHelp(_ context.Context, b *Bot, a asker) (answer, error) {
	var lines []helpLine
	for _, row := range b.commands.rows {
		if !may(a.level, row) {
			continue
		}
		help, err := b.replies.render(a.lang, row.help, nil)
		if err != nil {
			return answer{}, err
		}
		lines = append(lines, helpLine{Name: b.usageLine(row, a.lang), Help: help})
	}
	return b.say(a, replyHelp, helpData{Commands: lines})
}

func runWhoami(_ context.Context, b *Bot, a asker) (answer, error) {
	return b.say(a, replyWhoami, whoamiData{Number: a.number.Masked(), Level: a.level.String(), Language: a.lang})
}

func runStatus(ctx context.Context, b *Bot, a asker) (answer, error) {
	st, err := b.cfg.Desk.Overview.Status(ctx)
	if err != nil {
		return answer{}, err
	}
	d := statusData{
		Line: b.word(a.lang, st.Line.State), LineFor: b.ago(a.lang, st.Line.Since),
		Core: b.word(a.lang, st.Core.State), FHIR: b.word(a.lang, st.FHIR.State), Webhook: b.word(a.lang, st.Webhook.State),
		Waiting: st.Waiting, Dead: st.Dead, Cases: st.Cases, Version: st.Version, Uptime: b.ago(a.lang, st.Started),
	}
	if st.Pause != nil {
		d.Paused, d.PauseReason = b.ago(a.lang, st.Pause.Since), oneLine(st.Pause.Reason)
	}
	return b.say(a, replyStatus, d)
}

func runStats(ctx context.Context, b *Bot, a asker) (answer, error) {
	spans := map[string]time.Duration{"": 24 * time.Hour, "day": 24 * time.Hour, "week": 7 * 24 * time.Hour}
	last, ok := spans[a.word(0)]
	if !ok {
		return answer{}, errUsage
	}
	st, err := b.cfg.Desk.Overview.Stats(ctx, last)
	if err != nil {
		return answer{}, err
	}
	d := statsData{Span: b.word(a.lang, "day"), Requests: st.Requests, Links: st.Links, SignIns: st.SignIns, Conversion: "-"}
	if a.word(0) == "week" {
		d.Span = b.word(a.lang, "week")
	}
	if st.Links > 0 {
		d.Conversion = fmt.Sprintf("%d%%", 100*st.SignIns/st.Links)
	}
	for _, reason := range sortedKeys(st.Refused) {
		d.Refused = append(d.Refused, countLine{Name: reason, Count: st.Refused[reason]})
	}
	slices.SortStableFunc(d.Refused, func(x, y countLine) int { return y.Count - x.Count })
	return b.say(a, replyStats, d)
}

func runJobs(ctx context.Context, b *Bot, a asker) (answer, error) {
	state := a.word(0)
	switch state {
	case "":
		state = string(admin.Dead)
	case string(admin.Dead), string(admin.Waiting):
	default:
		return answer{}, errUsage
	}
	found, err := b.cfg.Desk.Jobs.Jobs(ctx, state)
	if err != nil {
		return answer{}, err
	}
	d := jobsData{State: b.word(a.lang, state), Total: len(found), More: max(0, len(found)-rowsShown)}
	for _, j := range found[:min(rowsShown, len(found))] {
		d.Jobs = append(d.Jobs, jobLine{ID: j.ID, Kind: j.Kind, Failed: j.Attempts, Age: b.ago(a.lang, j.Added), Reason: short(j.Reason)})
	}
	return b.say(a, replyJobs, d)
}

func runAudit(ctx context.Context, b *Bot, a asker) (answer, error) {
	var n phone.Number
	var err error
	if a.word(0) != "" {
		if n, err = a.subject(); err != nil {
			return answer{}, err
		}
	}
	found, err := b.cfg.Desk.Overview.Audit(ctx, n, rowsShown)
	if err != nil {
		return answer{}, err
	}
	var d auditData
	for _, e := range found {
		line := auditLine{Age: b.ago(a.lang, e.At), What: e.What, By: e.By, Note: short(e.Note)}
		if !e.Number.IsZero() {
			line.Number = e.Number.String()
		}
		d.Events = append(d.Events, line)
	}
	said, err := b.say(a, replyAudit, d)
	said.about = n
	return said, err
}

// ago is how long ago something was, in the reader's words: its largest unit only, which is what one wants to know on a
// phone. Empty for no time.
func (b *Bot) ago(lang string, at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return b.span(lang, b.cfg.Now().Sub(at))
}

func (b *Bot) span(lang string, d time.Duration) string {
	n, unit := int(d/(24*time.Hour)), "d"
	switch {
	case d < time.Minute:
		n, unit = max(0, int(d/time.Second)), "s"
	case d < time.Hour:
		n, unit = int(d/time.Minute), "m"
	case d < 48*time.Hour:
		n, unit = int(d/time.Hour), "h"
	}
	text, err := b.replies.render(lang, replySpan, spanData{N: n, Unit: unit})
	if err != nil { // every language has it, see loadReplies
		return fmt.Sprint(n, unit)
	}
	return text
}

// word is one word in the reader's language; a word that is not known stays as it is.
func (b *Bot) word(lang, w string) string {
	text, err := b.replies.render(lang, wordKey(w), nil)
	if err != nil {
		return w
	}
	return text
}

func wordKey(w string) string { return "word_" + strings.ReplaceAll(w, " ", "_") }

// short makes a sentence fit a list on a phone.
func short(s string) string {
	const most = 120
	s = oneLine(s)
	if r := []rune(s); len(r) > most {
		return string(r[:most]) + "…"
	}
	return s
}

// oneLine is a text without breaks, without what would end the block of a list, and without anybody's whole number.
func oneLine(s string) string {
	return strings.ReplaceAll(phone.MaskIn(strings.Join(strings.Fields(s), " ")), "`", "'")
}
