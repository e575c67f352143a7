package bot

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/admin"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/stretchr/testify/require"
)

// says has somebody send a text and returns the answer.
func (w *world) says(t *testing.T, n phone.Number, text string) string {
	t.Helper()
	had := len(w.sent)
	w.receive(t, n, fmt.Sprint("says", len(w.inbox)), text)
	w.run()
	require.Len(t, w.sent, had+1, text)
	w.now = w.now.Add(10 * time.Second) // for the budget of commands
	return w.sent[had].Text
}

var yes = regexp.MustCompile(`/yes [0-9A-Z]{4}`)

const subject = "6281255512345"

func TestCommandsDoWhatTheySay(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"/stats":                                 "stats 24h0m0s",
		"/stats week":                            "stats 168h0m0s",
		"/jobs":                                  "jobs [dead]",
		"/jobs waiting":                          "jobs [waiting]",
		"/audit":                                 "audit  10",
		"/audit +62 812-5551-2345":               "audit " + subject + " 10",
		"/user 62 812 5551 2345":                 "person " + subject,
		"/retry 41":                              "retry 41",
		"/retry all":                             "retry 0",
		"/block " + subject:                      "block " + subject + " for ever  6281200000001",
		"/blokir +62 812 5551 2345 12h too much": "block " + subject + " 12h0m0s too much 6281200000001",
		"/block +62-812.5551.2345 3 complaints":  "block " + subject + " for ever 3 complaints 6281200000001",
		"/unblock " + subject:                    "unblock " + subject + " true",
		"/revoke " + subject + " refuse":         "revoke " + subject + " true",
		"/revoke " + subject:                     "revoke " + subject + " false",
		"/forget " + subject:                     "forget " + subject,
		"/pause we move house":                   "pause we move house",
		"/resume":                                "resume",
		"/scan":                                  "scan",
		"/approve 41 Patient/1":                  "decide 41 true Patient/1 6281200000001",
		"/approve 42":                            "decide 42 true Patient/3 6281200000001",
		"/separate 41":                           "decide 41 false  6281200000001",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			w.desk.person.User.ID = "u"
			w.desk.cases = []admin.Case{{ID: 41, Candidates: []string{"Patient/1", "Patient/2"}}, {ID: 42, Candidates: []string{"Patient/3"}}}
			row := w.bot.commands.byName[strings.TrimPrefix(strings.Fields(text)[0], "/")]
			if row.ask != nil {
				asked := w.says(t, number(t, 1), text)
				require.Empty(t, w.desk.calls, "nothing is done before the yes")
				w.says(t, number(t, 1), yes.FindString(asked))
			} else {
				w.says(t, number(t, 1), text)
			}
			require.Equal(t, []string{want}, w.desk.calls)
			last := w.desk.last()
			require.Equal(t, row.name, last.Command)
			require.Equal(t, number(t, 1), last.By.Number)
			require.Equal(t, outcomeDone, last.Outcome)
		})
	}
}

func TestWrongArgumentsAreAnsweredWithTheUsageAndDoNothing(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"/stats month", "/jobs done", "/user", "/user somebody", "/user 0812345", "/sync", "/sync +1", "/retry", "/retry x", "/retry -1", "/retry 0",
		"/approve", "/approve x", "/separate", "/separate 0", "/block", "/block spam", "/unblock", "/unblock 12", "/revoke", "/revoke x refuse",
		"/revoke " + subject + " now", "/forget", "/forget everything", "/yes", "/audit nobody",
	} {
		t.Run(text, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			said := w.says(t, number(t, 1), text)
			require.True(t, strings.HasPrefix(said, strings.Fields(text)[0]), said)
			require.NotContains(t, strings.TrimPrefix(said, "/"), "/", "one line of usage, one of help")
			require.Empty(t, w.desk.calls)
			require.Equal(t, outcomeUsage, w.desk.last().Outcome)
		})
	}
}

func TestWhatIsTypedOfANumberIsKeptAsDigitsOnly(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.receive(t, number(t, 1), "A", "/user +62 812-5551-2345 and more")
	w.receive(t, number(t, 1), "B", "/user 0812-5551-2345")
	require.Contains(t, string(w.queue[0].Payload), `"words":["`+subject+`"]`)
	require.Contains(t, string(w.queue[1].Payload), `"words":["?"]`)
}

func TestYesNeedsItsCodeItsTimeAndItsAsker(t *testing.T) {
	t.Parallel()
	owner, other := number(t, 1), number(t, 4)
	start := func(t *testing.T) (w *world, code string) {
		w = setup(t, func(c *Config) { c.Admins = append(c.Admins, Admin{number(t, 4), Owner}) })
		return w, yes.FindString(w.says(t, owner, "/revoke "+subject))
	}
	t.Run("wrong", func(t *testing.T) {
		t.Parallel()
		w, code := start(t)
		require.Contains(t, w.says(t, owner, "/yes 0000"), "Kodenya salah")
		require.Contains(t, w.says(t, owner, code), "Tidak ada yang menunggu", "one try")
		require.Empty(t, w.desk.calls)
		require.Equal(t, "none", w.desk.last().Outcome)
	})
	t.Run("expired", func(t *testing.T) {
		t.Parallel()
		w, code := start(t)
		w.now = w.now.Add(yesWithin)
		require.Contains(t, w.says(t, owner, code), "Terlambat")
		require.Empty(t, w.desk.calls)
	})
	t.Run("somebody else's", func(t *testing.T) {
		t.Parallel()
		w, code := start(t)
		require.Contains(t, w.says(t, other, code), "Tidak ada yang menunggu")
		require.Empty(t, w.desk.calls)
		require.Contains(t, w.says(t, owner, code), "tidak berlaku lagi")
	})
	t.Run("twice", func(t *testing.T) {
		t.Parallel()
		w, code := start(t)
		w.says(t, owner, code)
		require.Contains(t, w.says(t, owner, code), "Tidak ada yang menunggu")
		require.Len(t, w.desk.calls, 1)
	})
	t.Run("the level went meanwhile", func(t *testing.T) {
		t.Parallel()
		w, code := start(t)
		w.cfg.Admins = []Admin{{owner, Support}}
		w.restart(t)
		require.Contains(t, w.says(t, owner, code), "tidak mengizinkan")
		require.Empty(t, w.desk.calls)
		require.Equal(t, outcomeDenied, w.desk.last().Outcome)
	})
	t.Run("a new question takes the place of the old one", func(t *testing.T) {
		t.Parallel()
		w, code := start(t)
		w.says(t, owner, "/pause")
		require.Contains(t, w.says(t, owner, code), "Kodenya salah")
	})
}

// TestCommandSurvivesACrashAtEveryStep kills the process around each step of a question and of its yes.
func TestCommandSurvivesACrashAtEveryStep(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"before ask", "after ask", "before record", "after record", "before send", "after send"} {
		t.Run("asking, "+at, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			w.receive(t, number(t, 1), "A", "/revoke "+subject)
			w.crashAt(t, at)
			w.run()
			require.Len(t, w.desk.entries, 1)
			seen := w.seen(number(t, 1).Digits())
			require.Len(t, seen, 1)
			require.Contains(t, w.says(t, number(t, 1), yes.FindString(seen[0])), "tidak berlaku lagi", "the code in the chat is the right one")
		})
	}
	for _, at := range []string{"before answer", "after answer", "before record", "after record", "before send", "after send"} {
		t.Run("yes, "+at, func(t *testing.T) {
			t.Parallel()
			w := setup(t)
			code := yes.FindString(w.says(t, number(t, 1), "/revoke "+subject))
			w.receive(t, number(t, 1), "B", code)
			w.crashAt(t, at)
			w.run()
			require.Len(t, w.desk.entries, 2)
			require.Equal(t, "revoke", w.desk.last().Command)
			require.NotEmpty(t, w.desk.calls)
			seen := w.seen(number(t, 1).Digits())
			require.Len(t, seen, 2)
			require.Contains(t, seen[1], "tidak berlaku lagi")
		})
	}
}

// TestForgetSurvivesACrashAtEveryStep: also when the process is away for longer than a command may be old, and although the
// question lost its words with the number.
func TestForgetSurvivesACrashAtEveryStep(t *testing.T) {
	t.Parallel()
	for _, at := range []string{"before forget", "after forget", "before record", "after record", "before send", "after send"} {
		for _, away := range []time.Duration{0, time.Hour, 7 * time.Hour} { // the last one is more than silent_after
			t.Run(at+", back after "+away.String(), func(t *testing.T) {
				t.Parallel()
				w := setup(t)
				w.desk.left = admin.Forgotten{Number: "+62812•••••••", UserID: "uuid", Patient: "Patient/1", Contact: "77"}
				code := yes.FindString(w.says(t, number(t, 1), "/forget "+subject))
				w.receive(t, number(t, 1), "B", code)
				w.crashAt(t, at)
				w.now = w.now.Add(away)
				w.run()
				require.NotEmpty(t, w.desk.calls)
				require.Len(t, w.desk.entries, 2)
				require.Equal(t, outcomeDone, w.desk.last().Outcome)
				require.Zero(t, w.desk.last().About)
				seen := w.seen(number(t, 1).Digits())
				require.Contains(t, seen[len(seen)-1], "Patient/1")
			})
		}
	}
}

// TestForgetSaysWhatItCouldNotFindOut: nobody takes a FHIR server that was away for one that has nothing.
func TestForgetSaysWhatItCouldNotFindOut(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.desk.left = admin.Forgotten{UserID: "uuid", FHIRAway: true, HasContact: true}
	code := yes.FindString(w.says(t, number(t, 1), "/forget "+subject))
	said := w.says(t, number(t, 1), code)
	require.Contains(t, said, "server tidak menjawab")
	require.Contains(t, said, "tanpa id")
	require.NotContains(t, said, "tidak diketahui")
}

func TestCommandThatNothingAnswersToSaysSoSoon(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.desk.err = errors.New("the core is away")
	w.receive(t, number(t, 1), "A", "/user "+subject)
	w.run()
	require.Empty(t, w.sent, "it is tried again for a moment")
	w.wait(commandPatience+10*time.Second, time.Second)
	require.Len(t, w.sent, 1)
	require.Contains(t, w.sent[0].Text, "tidak menjawab")
	require.Equal(t, outcomeFailed, w.desk.last().Outcome)
}

func TestAdminsCannotBeBlocked(t *testing.T) {
	t.Parallel()
	w := setup(t)
	require.Contains(t, w.says(t, number(t, 2), "/block "+number(t, 1).Digits()), "adalah admin")
	require.Contains(t, w.says(t, number(t, 1), "/forget "+number(t, 1).Digits()), "adalah admin", "the audit must go on saying what they did")
	require.Empty(t, w.desk.calls)
}

// TestOnlyAnOwnerLiftsARefusal: a helper lifts the block, and is told that the refusal stays.
func TestOnlyAnOwnerLiftsARefusal(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.desk.refused = true
	require.Contains(t, w.says(t, number(t, 2), "/unblock "+subject), "Blokir dibuka, tetapi")
	require.Equal(t, outcomeDone, w.desk.last().Outcome)
	w.desk.nothing = true
	require.Contains(t, w.says(t, number(t, 2), "/unblock "+subject), "Hanya owner")
	require.Equal(t, outcomeDenied, w.desk.last().Outcome)
	w.desk.nothing = false
	require.Contains(t, w.says(t, number(t, 1), "/unblock "+subject), "bisa masuk lagi")
	require.Equal(t, []string{"unblock " + subject + " false", "unblock " + subject + " false", "unblock " + subject + " true"}, w.desk.calls)
}

func TestNumbersInReasonsAreNeitherKeptNorShown(t *testing.T) {
	t.Parallel()
	w := setup(t)
	other := "6281377788899"
	w.says(t, number(t, 1), "/block "+subject+" 12h the same as +62 813-7778-8899, he says")
	require.NotContains(t, string(w.queue[0].Payload), "8899")
	require.Equal(t, []string{"block " + subject + " 12h0m0s the same as +6281•••••••••, he says 6281200000001"}, w.desk.calls)
	require.Contains(t, w.says(t, number(t, 1), yes.FindString(w.says(t, number(t, 1), "/pause "+other+" moves"))), "Dijeda")
	require.Equal(t, "pause 6281••••••••• moves", w.desk.calls[1])
	// What an older version kept is hidden when it is shown.
	w.desk.person.Block = &admin.Block{Reason: "like " + other}
	w.desk.status.Pause = &admin.Pause{Reason: other + " moves"}
	w.desk.events = []admin.Event{{At: w.now, What: "sign-in abandoned", Note: "no " + other}}
	for _, text := range []string{"/user " + subject, "/status", "/audit"} {
		require.NotContains(t, w.says(t, number(t, 1), text), "88899", text)
	}
}

func TestListsAreShortAndMasked(t *testing.T) {
	t.Parallel()
	w := setup(t)
	for i := range 14 {
		w.desk.jobs = append(w.desk.jobs, admin.Job{ID: int64(i), Kind: "fhir.sync", Added: w.now.Add(-3 * time.Hour), Reason: strings.Repeat("long ", 99) + "```"})
		w.desk.cases = append(w.desk.cases, admin.Case{ID: int64(i), Number: "+62812•••••••", Why: "foreign", Candidates: []string{"Patient/1"}, Opened: w.now})
		w.desk.duplicates = append(w.desk.duplicates, admin.Duplicate{Of: "number", Who: "+62812•••••••"})
		w.desk.events = append(w.desk.events, admin.Event{At: w.now, What: "link", Number: number(t, 50)})
	}
	for text, more := range map[string]string{"/jobs": "dan 4 lagi", "/review": "dan 4 lagi", "/scan": "dan 4 lagi", "/audit": ""} {
		said := w.says(t, number(t, 1), text)
		require.Contains(t, said, more, text)
		require.NotContains(t, said, number(t, 50).Digits()[5:], text)
		require.Equal(t, 2, strings.Count(said, "```"), "one block, whatever the reasons say")
		require.Less(t, len([]rune(said)), 2500, text)
	}
}

func TestSpansOfBlocks(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]time.Duration{
		"30m": 30 * time.Minute, "12h": 12 * time.Hour, "7d": 168 * time.Hour, "2w": 336 * time.Hour,
		"": 0, "m": 0, "0h": 0, "-1h": 0, "1y": 0, "h1": 0, "1.5h": 0, "99999h": 0, "spam": 0,
	} {
		got, ok := spanOf(text)
		require.Equal(t, want > 0, ok, text)
		if ok {
			require.Equal(t, want, got, text)
		}
	}
}

func TestBarredNumberGetsNoLinkAndOneReason(t *testing.T) {
	t.Parallel()
	for reason, told := range map[string]string{refusedBlocked: "", refusedPaused: "kami hentikan sebentar", refusedRevoked: "tidak bisa mengirim tautan"} {
		t.Run(reason, func(t *testing.T) {
			t.Parallel()
			w := setup(t, func(c *Config) { c.Times.Coalesce = 0 })
			n := number(t, 10)
			w.barred[n] = reason
			w.receive(t, n, "A", tap)
			w.receive(t, n, "B", tap)
			w.run()
			require.Empty(t, w.links)
			require.Equal(t, 2, w.counts["login "+reason])
			require.Equal(t, []string{reason}, w.refused(n, "A"))
			require.Equal(t, []string{reason}, w.refused(n, "B"))
			if told == "" {
				require.Empty(t, w.sent)
			} else {
				require.Len(t, w.sent, 1, "told once an hour")
				require.Contains(t, w.sent[0].Text, told)
			}
			delete(w.barred, n)
			w.receive(t, n, "C", tap)
			w.run()
			require.Equal(t, 1, w.shownLinks(n.Digits()))
		})
	}
}
