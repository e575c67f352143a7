package bot

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/admin"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/stretchr/testify/require"
)

// withCommands gives the world's Bot one command for each level, named after it, that takes one word.
func withCommands(t *testing.T, w *world, ran *[]string) {
	t.Helper()
	rows := commandRows()
	for _, level := range []Level{Anyone, Viewer, Support, Owner} {
		rows = append(rows, commandRow{
			name: "x" + level.String(), level: level, help: "help_help", words: 1,
			run: func(_ context.Context, _ *Bot, a asker) (answer, error) {
				*ran = append(*ran, fmt.Sprint(level, a.level, a.words))
				return answer{text: "done " + level.String()}, nil
			},
		})
	}
	w.bot.commands = newCommandTable(rows)
}

func TestCommandLevels(t *testing.T) {
	t.Parallel()
	people := map[Level]phone.Number{Owner: number(t, 1), Support: number(t, 2), Viewer: number(t, 3), Anyone: number(t, 10)}
	for level, n := range people {
		for _, needs := range []Level{Anyone, Viewer, Support, Owner} {
			t.Run(level.String()+" runs "+needs.String(), func(t *testing.T) {
				t.Parallel()
				w := setup(t)
				var ran []string
				withCommands(t, w, &ran)
				w.receive(t, n, "A", "/X"+needs.String()+" one two")
				w.run()
				require.Len(t, w.sent, 1)
				switch {
				case level >= needs:
					require.Equal(t, []string{fmt.Sprint(needs, level, []string{"one"})}, ran)
					require.Equal(t, "done "+needs.String(), w.sent[0].Text)
				case level == Anyone:
					require.Empty(t, ran)
					require.Contains(t, w.sent[0].Text, "119 ext. 8", "to who is no admin it is other text")
				default:
					require.Empty(t, ran)
					require.Contains(t, w.sent[0].Text, "tidak mengizinkan")
					require.Equal(t, []string{"denied"}, w.refused(n, "A"))
				}
			})
		}
	}
}

func TestHelpShowsWhatTheAskerMayDo(t *testing.T) {
	t.Parallel()
	w := setup(t)
	var ran []string
	withCommands(t, w, &ran)
	w.receive(t, number(t, 2), "A", "/help")
	w.receive(t, number(t, 2), "B", "/bantuan")
	w.run()
	require.Len(t, w.sent, 2)
	require.Equal(t, w.sent[0].Text, w.sent[1].Text)
	for _, name := range []string{"/help: menampilkan", "/whoami", "/xsupport", "/xviewer", "/xanyone"} {
		require.Contains(t, w.sent[0].Text, name)
	}
	require.NotContains(t, w.sent[0].Text, "/xowner")
}

func TestWhoamiTellsMaskedNumberLevelAndLanguage(t *testing.T) {
	t.Parallel()
	n := british(t, 1)
	w := setup(t, func(c *Config) { c.Admins = []Admin{{n, Support}} })
	w.receive(t, n, "A", "  /whoami\n")
	w.run()
	require.Equal(t, "Number: "+n.Masked()+"\nLevel: support\nLanguage: en", w.sent[0].Text)
	require.NotContains(t, w.sent[0].Text, n.Digits()[len(n.Digits())-4:])
}

func TestUnknownCommandIsNamedByNobody(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.receive(t, number(t, 1), "A", "/secretword and *more*")
	w.run()
	require.Contains(t, w.sent[0].Text, "/help")
	require.NotContains(t, w.sent[0].Text, "secret")
	require.NotContains(t, string(w.queue[0].Payload), "secret", "text is not stored")
	require.NotContains(t, string(w.queue[0].Payload), "more")
}

func TestLateCommandIsNotRun(t *testing.T) {
	t.Parallel()
	w := setup(t)
	var ran []string
	withCommands(t, w, &ran)
	n := number(t, 1)
	m := w.message(n, "A", "/xowner")
	w.now = w.now.Add(2*time.Minute + time.Second)
	require.NoError(t, w.bot.Receive(context.Background(), m))
	w.run()
	require.Empty(t, ran)
	require.Contains(t, w.sent[0].Text, "terlambat")
	require.Equal(t, []string{"stale"}, w.refused(n, "A"))
}

func TestWhoIsNoAdminAnyMoreRunsNothing(t *testing.T) {
	t.Parallel()
	w := setup(t)
	n := number(t, 1)
	w.receive(t, n, "A", "/whoami")
	w.cfg.Admins = nil
	w.restart(t)
	w.run()
	require.Empty(t, w.sent, "and is told nothing about commands")
	require.Equal(t, []string{"denied"}, w.refused(n, "A"))
	require.Equal(t, "refused: denied", w.desk.last().Outcome)
}

func TestCommandsHaveABudget(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for i := range 100 {
		w.receive(t, number(t, 1), fmt.Sprint("A", i), "/help")
	}
	w.run()
	require.Len(t, w.sent, commandBurst)
	require.Len(t, w.inbox, gateLeast)
	require.Len(t, w.desk.entries, commandBurst+refusedBurst)
	require.Equal(t, admin.Entry{By: admin.Who{Number: number(t, 1)}, Command: "help", Outcome: "refused: limited", ReplyID: w.desk.last().ReplyID},
		w.desk.last())
	for i := range 20 {
		w.receive(t, number(t, 1), fmt.Sprint("B", i), "/help")
		w.now = w.now.Add(3 * time.Second) // as much as the gate lets pass, which is twice what is answered
		w.run()
	}
	refused := 0
	for _, e := range w.desk.entries {
		if e.Outcome == "refused: limited" {
			refused++
		}
	}
	require.LessOrEqual(t, refused, refusedBurst+1, "one that goes on and on does not fill the audit")
}

func TestCommandThatIsTooOldForAWordIsAudited(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.receive(t, number(t, 1), "A", "/block "+subject)
	w.now = w.now.Add(w.cfg.Times.SilentAfter + time.Second)
	w.run()
	require.Empty(t, w.sent)
	require.Empty(t, w.desk.calls)
	require.Equal(t, []string{"too_old"}, w.refused(number(t, 1), "A"))
	require.Equal(t, "refused: too_old", w.desk.last().Outcome)
	require.Equal(t, "block", w.desk.last().Command)
}

func TestCommandsWaitForTheGlobalBudgetAndTheLine(t *testing.T) {
	t.Parallel()
	w := setup(t, func(c *Config) { c.Limits.Global = Rate{Burst: 1, Every: 20 * time.Second} })
	w.receive(t, number(t, 1), "A", "/whoami")
	w.receive(t, number(t, 2), "A", "/whoami")
	w.run()
	require.Len(t, w.sent, 1)
	w.lineDown = ErrLineDown
	w.wait(30*time.Second, time.Second)
	require.Len(t, w.sent, 1)
	w.lineDown = nil
	w.wait(10*time.Second, time.Second)
	require.Len(t, w.sent, 2)
	require.Contains(t, w.sent[1].Text, "support")
}

func TestCommandThatFails(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		err   error
		state string
		sent  int
	}{
		"for now":    {errors.New("busy"), "", 0},
		"for ever":   {jobs.Permanent(errors.New("no such thing")), "dead", 1},
		"not at all": {nil, "done", 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			w.bot.commands = newCommandTable([]commandRow{{name: "x", run: func(context.Context, *Bot, asker) (answer, error) {
				return answer{text: "text"}, c.err
			}}})
			w.receive(t, number(t, 1), "A", "/x")
			w.run()
			require.Equal(t, c.state, w.queue[0].state)
			require.Len(t, w.sent, c.sent)
		})
	}
}

func TestCommandNamesAreUniqueAndTyped(t *testing.T) {
	t.Parallel()
	names := map[string]bool{}
	for _, row := range commandRows() {
		require.GreaterOrEqual(t, row.level, Viewer, "nothing is open to all yet")
		for _, name := range append([]string{row.name}, row.aliases...) {
			require.False(t, names[name], name)
			require.Equal(t, strings.ToLower(strings.TrimSpace(name)), name)
			require.NotContains(t, name, "/")
			names[name] = true
		}
	}
	for _, text := range []string{"", "help", "hello /help", "／help", "> /help", "/" + strings.Repeat("x", maxText)} {
		_, _, ok := splitCommand(text)
		require.False(t, ok, text)
	}
}
