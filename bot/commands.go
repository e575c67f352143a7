package bot

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/konsulin-care/konsulin-bot/admin"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// Level is what a number may do. A higher level may do all that a lower one may.
type Level int

// The levels. Whoever is not configured as an admin is Anyone.
const (
	Anyone Level = iota
	Viewer
	Support
	Owner
)

// String is the level's name, as in the configuration.
func (l Level) String() string {
	switch l {
	case Viewer:
		return "viewer"
	case Support:
		return "support"
	case Owner:
		return "owner"
	default:
		return "anyone"
	}
}

// commandRow is one slash-command. To add a command, add its row, and the text of its help key to every language.
type commandRow struct {
	name    string // without the slash, lower case
	aliases []string
	level   Level  // who may run it; one that Anyone may run is open to every number
	args    string // what may follow the name, such as "<number> [time]"; the words in it are translated
	help    string // key of the reply that says in one line what it does
	words   int    // how many words after the name it takes; only those are kept with the job
	number  bool   // the first word is a number: however it was typed, its digits are kept, or "?"

	// ask, when there is one, says what run is about to do. Then the asker has to say yes with a code, in time.
	ask func(ctx context.Context, b *Bot, a asker) (answer, error)
	// run answers. It must be idempotent: after a crash it runs again. errUsage has the usage told. An error with
	// Permanent() true ends the command, any other is tried again for some seconds.
	run func(ctx context.Context, b *Bot, a asker) (answer, error)
}

// asker is who runs a command, and with which words.
type asker struct {
	number  phone.Number
	level   Level
	lang    string
	words   []string
	replyID string    // of the answer: the same when the command is run again after a crash
	at      time.Time // when the command was sent
}

func (a asker) who() admin.Who { return admin.Who{Number: a.number} }

// word is the i-th word, empty when there are not so many.
func (a asker) word(i int) string {
	if i < len(a.words) {
		return a.words[i]
	}
	return ""
}

// subject is the number that the first word is; errUsage when it is none.
func (a asker) subject() (phone.Number, error) {
	n, err := phone.FromDigits(a.word(0))
	if err != nil {
		return phone.Number{}, errUsage
	}
	return n, nil
}

// answer is what a command says and how it went, for the audit.
type answer struct {
	text    string
	outcome string       // empty: done
	about   phone.Number // zero: nobody
	words   []string     // of a question: what is run on a yes, in place of what was typed; nil: that
}

// What came of a command, as the audit has it.
const (
	outcomeDone    = "done"
	outcomeAsked   = "asked whether it is meant"
	outcomeUsage   = "wrong arguments"
	outcomeDenied  = "denied"
	outcomeLate    = "late"
	outcomeNothing = "nothing to do"
	outcomeFailed  = "failed"
	outcomeRefused = "refused: " // and why: one of the reasons of outcome.go
)

// errUsage says that the words after a command are not what it takes.
var errUsage = errors.New("wrong arguments")

func commandRows() []commandRow {
	return []commandRow{
		{name: "help", aliases: []string{"bantuan"}, level: Viewer, help: "help_help", run: runHelp},
		{name: "whoami", aliases: []string{"siapa"}, level: Viewer, help: "help_whoami", run: runWhoami},
		{name: "status", level: Viewer, help: "help_status", run: runStatus},
		{name: "stats", aliases: []string{"statistik"}, level: Viewer, args: "[day|week]", help: "help_stats", words: 1, run: runStats},
		{name: "jobs", aliases: []string{"tugas"}, level: Viewer, args: "[dead|waiting]", help: "help_jobs", words: 1, run: runJobs},
		{name: "yes", aliases: []string{"ya"}, level: Viewer, args: "<code>", help: "help_yes", words: 1},

		{name: "user", aliases: []string{"pengguna"}, level: Support, args: "<number>", help: "help_user", words: 1, number: true, run: runUser},
		{name: "sync", level: Support, args: "<number>", help: "help_sync", words: 1, number: true, run: runSync},
		{name: "retry", aliases: []string{"ulangi"}, level: Support, args: "<job|all>", help: "help_retry", words: 1, run: runRetry},
		{name: "review", aliases: []string{"tinjau"}, level: Support, help: "help_review", run: runReview},
		{name: "approve", aliases: []string{"setujui"}, level: Support, args: "<case> [resource]", help: "help_approve", words: 2, ask: askApprove, run: runApprove},
		{name: "separate", aliases: []string{"pisahkan"}, level: Support, args: "<case>", help: "help_separate", words: 1, ask: askSeparate, run: runSeparate},
		{name: "block", aliases: []string{"blokir"}, level: Support, args: "<number> [time] [reason]", help: "help_block", words: 12, number: true, run: runBlock},
		{name: "unblock", aliases: []string{"bukablokir"}, level: Support, args: "<number>", help: "help_unblock", words: 1, number: true, run: runUnblock},
		{name: "audit", level: Support, args: "[number]", help: "help_audit", words: 1, number: true, run: runAudit},

		{name: commandRevoke, aliases: []string{"cabut"}, level: Owner, args: "<number> [refuse]", help: "help_revoke", words: 2, number: true, ask: askRevoke, run: runRevoke},
		{name: "pause", aliases: []string{"jeda"}, level: Owner, args: "[reason]", help: "help_pause", words: 12, ask: askPause, run: runPause},
		{name: "resume", aliases: []string{"lanjut"}, level: Owner, help: "help_resume", run: runResume},
		{name: "scan", aliases: []string{"pindai"}, level: Owner, help: "help_scan", run: runScan},
		{name: "forget", aliases: []string{"lupakan"}, level: Owner, args: "<number>", help: "help_forget", words: 1, number: true, ask: askForget, run: runForget},
	}
}

// keep is what is kept of the words after the name. A number is kept as digits, so that nothing else of it stays.
func (row commandRow) keep(words []string) []string {
	if row.number && len(words) > 0 {
		digits, rest := numberIn(words)
		return clip(append([]string{digits}, withoutNumbers(rest)...), row.words)
	}
	return clip(withoutNumbers(words), row.words)
}

// withoutNumbers hides the numbers in what somebody typed: reasons are kept, and shown to others.
func withoutNumbers(words []string) []string {
	return strings.Fields(phone.MaskIn(strings.Join(words, " ")))
}

func clip(words []string, most int) []string { return words[:min(most, len(words))] }

// numberIn reads the number at the beginning of words, which people type in one piece or with spaces; "?" for what is
// none.
func numberIn(words []string) (digits string, rest []string) {
	if number, err := phone.Parse(words[0]); err == nil {
		return number.Digits(), words[1:]
	}
	typed := 0
	for typed < len(words) && strings.Trim(words[typed], "+0123456789().-") == "" {
		typed++
	}
	for n := typed; n > 0; n-- {
		if number, err := phone.Parse(strings.Join(words[:n], "")); err == nil {
			return number.Digits(), words[n:]
		}
	}
	// The numbering plan does not know every number that WhatsApp does.
	plain := strings.TrimPrefix(strings.Join(words[:typed], ""), "+")
	if number, err := phone.FromDigits(plain); err == nil {
		return number.Digits(), words[typed:]
	}
	return "?", words[max(typed, 1):]
}

// may is the one place where a level is checked.
func may(l Level, row commandRow) bool { return l >= row.level }

// commandTable finds rows by name and alias.
type commandTable struct {
	rows   []commandRow
	byName map[string]commandRow
}

func newCommandTable(rows []commandRow) commandTable {
	t := commandTable{rows: rows, byName: map[string]commandRow{}}
	for _, row := range rows {
		for _, name := range append([]string{row.name}, row.aliases...) {
			t.byName[name] = row
		}
	}
	return t
}

func (t commandTable) helpKeys() []string {
	var keys []string
	for _, row := range t.rows {
		keys = append(keys, row.help)
	}
	return keys
}

func adminLevels(admins []Admin) (map[phone.Number]Level, error) {
	levels := make(map[phone.Number]Level, len(admins))
	for _, a := range admins {
		if a.Number.IsZero() || a.Level < Viewer || a.Level > Owner {
			return nil, fmt.Errorf("admin %s: an admin is a number with the level viewer, support or owner", a.Number)
		}
		if had, ok := levels[a.Number]; ok && had != a.Level {
			return nil, fmt.Errorf("admin %s: is both %s and %s", a.Number, had, a.Level)
		}
		levels[a.Number] = a.Level
	}
	return levels, nil
}

// isCommand reports whether a text is a command of somebody to whom we answer commands: an admin, or anybody when the
// command is open to all. To everybody else a slash is just a character, and nothing tells that there are commands.
func (b *Bot) isCommand(from phone.Number, text string) bool {
	name, _, ok := splitCommand(text)
	if !ok {
		return false
	}
	level := b.levels[from]
	row, known := b.commands.byName[name]
	return level > Anyone || (known && may(level, row))
}

// splitCommand reads "/name word word".
func splitCommand(text string) (name string, words []string, ok bool) {
	if len(text) > maxText {
		return "", nil, false
	}
	if !strings.HasPrefix(strings.TrimSpace(text), "/") {
		return "", nil, false
	}
	fields := strings.Fields(text)
	return strings.ToLower(fields[0][1:]), fields[1:], true
}

// takeCommand accepts a command. What is kept of its text is the name of a row and the words that the row takes.
func (b *Bot) takeCommand(ctx context.Context, t ticket, text string) error {
	name, words, _ := splitCommand(text)
	if row, known := b.commands.byName[name]; known {
		t.Command = row.name
		t.Words = row.keep(words)
	}
	return b.accept(ctx, gateLeast, t, Accepted{Kind: kindCommand, Job: jobs.New{Kind: JobCommand, Serial: "command:" + t.Digits}})
}
