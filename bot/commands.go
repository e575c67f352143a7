package bot

import (
	"context"
	"fmt"
	"strings"

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
	help    string // key of the reply that says in one line what it does
	words   int    // how many words after the name it takes; only those are kept with the job

	// run answers with a text. It must be idempotent: after a crash it runs again. An error with Permanent() true ends
	// the command, any other is tried again while the command is fresh.
	run func(ctx context.Context, b *Bot, a asker) (string, error)
}

// asker is who runs a command, and with which words.
type asker struct {
	number phone.Number
	level  Level
	lang   string
	words  []string
}

func commandRows() []commandRow {
	return []commandRow{
		{name: "help", aliases: []string{"bantuan"}, level: Viewer, help: "help_help", run: runHelp},
		{name: "whoami", aliases: []string{"siapa"}, level: Viewer, help: "help_whoami", run: runWhoami},
	}
}

// runHelp lists what the asker may do.
func runHelp(_ context.Context, b *Bot, a asker) (string, error) {
	var lines []helpLine
	for _, row := range b.commands.rows {
		if !may(a.level, row) {
			continue
		}
		help, err := b.replies.render(a.lang, row.help, nil)
		if err != nil {
			return "", err
		}
		lines = append(lines, helpLine{Name: "/" + row.name, Help: help})
	}
	return b.replies.render(a.lang, replyHelp, helpData{Commands: lines})
}

func runWhoami(_ context.Context, b *Bot, a asker) (string, error) {
	return b.replies.render(a.lang, replyWhoami, whoamiData{
		Number: a.number.Masked(), Level: a.level.String(), Language: a.lang,
	})
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
		t.Words = words[:min(row.words, len(words))]
	}
	return b.accept(ctx, gateLeast, t, Accepted{Kind: kindCommand, Job: jobs.New{Kind: JobCommand, Serial: "command:" + t.Digits}})
}
