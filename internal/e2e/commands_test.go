package e2e_test

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/konsulin-care/konsulin-bot/sandbox/whatsapp"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
)

var update = flag.Bool("update", false, "write the golden files anew")

// talk is a conversation of admins with the bot, which is compared with a golden file.
type talk struct {
	*staff
	*behind
	names map[string]string // what the golden file calls a number or a reference
	said  strings.Builder
}

func newTalk(t *testing.T, prefix string) *talk {
	t.Helper()
	k := &talk{behind: newBehind(t), names: map[string]string{}}
	k.staff = newStaff(t, storage.SQLite, prefix, k.join, func(cfg *app.Config) { cfg.Jobs.MaxAttempts = 2 })
	for name, u := range k.people {
		k.names[u.Phone()] = strings.ToUpper(name)
	}
	// What is about to happen has been told, so that no alert comes between the answers.
	k.change(fmt.Sprintf(`INSERT INTO alerts (name, bad_since, told, told_at, mark) VALUES ('dead_jobs', 1, 99, %[1]d, %[2]d), ('review', 1, 99, %[1]d, %[2]d)
		ON CONFLICT (name) DO UPDATE SET bad_since = 1, told = 99, told_at = %[1]d, mark = %[2]d`, time.Now().UnixMilli(), int64(1)<<60))
	return k
}

var changing = []struct {
	what *regexp.Regexp
	as   string
}{
	{yesCode, "/yes CODE"},
	{regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`), "UUID"},
	{regexp.MustCompile(`\+\d[\d \-]*•+`), "NUMBER"},
	{regexp.MustCompile(`\b\d+(s|min|h| dtk| mnt| jam)\b`), "AGE"},
	{regexp.MustCompile(`Patient/\d+`), "Patient/N"},
	{regexp.MustCompile(`(Contact|Kontak|contact|kontak)(:?) +\d+`), "$1$2 N"},
	{regexp.MustCompile(`[ \t]+`), " "}, // columns follow what stands in them
	{regexp.MustCompile(` ?\n ?`), "\n"},
}

// ask sends a command, writes the answer down as the golden file has it, and returns it.
func (k *talk) ask(who, text string) string {
	k.staff.t.Helper()
	answer := k.says(who, text)
	longest := slices.SortedFunc(maps.Keys(k.names), func(x, y string) int { return cmp.Or(len(y)-len(x), strings.Compare(x, y)) })
	for _, number := range longest {
		if strings.Trim(number, "0123456789") == "" {
			require.NotContains(k.staff.t, answer, number, "%s: a whole number", text)
		}
	}
	line := fmt.Sprintf("> %s: %s\n%s\n\n", who, text, answer)
	for _, real := range longest {
		line = strings.ReplaceAll(line, real, k.names[real])
	}
	for _, c := range changing {
		line = c.what.ReplaceAllString(line, c.as)
	}
	k.said.WriteString(line)
	return answer
}

// means asks and says yes.
func (k *talk) means(who, text string) string {
	k.staff.t.Helper()
	code := yesCode.FindString(k.ask(who, text))
	require.NotEmpty(k.staff.t, code, text)
	return k.ask(who, code)
}

func (k *talk) title(s string) { k.said.WriteString("# " + s + "\n\n") }

// somebody signs in, under a name for the golden file.
func (k *talk) somebody(name string) (u *whatsapp.User, br *browser, userID string) {
	t := k.staff.t
	t.Helper()
	u = k.user()
	k.names[u.Phone()] = name
	br = newBrowser(t, k.b.URL())
	br.signIn(t, k.requestLink(u))
	return u, br, br.session(t).json(t)["userId"].(string)
}

// TestEveryCommand has admins use every command over WhatsApp in both languages: with wrong arguments, by each level that
// may not, with a wrong and a late yes, and in earnest with something there to be done. One bot for each language.
func TestEveryCommand(t *testing.T) {
	t.Parallel()
	for lang, prefix := range map[string]string{"id": "62812", "en": "447400"} {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			k := newTalk(t, prefix)
			k.wrongArguments()
			k.refusals()
			k.inEarnest()
			k.yesses()
			golden := filepath.Join("testdata", "commands."+lang+".txt")
			if *update {
				require.NoError(t, os.MkdirAll("testdata", 0o755))
				require.NoError(t, os.WriteFile(golden, []byte(k.said.String()), 0o644))
			}
			want, err := os.ReadFile(golden)
			require.NoError(t, err)
			require.Equal(t, string(want), k.said.String())
		})
	}
}

func (k *talk) wrongArguments() {
	k.title("Wrong arguments")
	before := k.count("SELECT COUNT(*) FROM audit WHERE event = 'command'")
	wrong := []string{"/stats month", "/jobs done", "/yes", "/user", "/user somebody", "/sync", "/sync 0812", "/retry", "/retry some", "/approve",
		"/approve x", "/separate", "/separate 0", "/block", "/block spam 1h", "/unblock", "/unblock 12", "/audit nobody", "/revoke",
		"/revoke x refuse", "/revoke +6281200000009 now", "/forget", "/forget everything"}
	for i, text := range wrong {
		who := []string{"owner", "second owner"}[i%2]
		answer := k.ask(who, text)
		require.True(k.staff.t, strings.HasPrefix(answer, strings.Fields(text)[0]), answer)
	}
	require.Equal(k.staff.t, len(wrong), k.count("SELECT COUNT(*) FROM audit WHERE event = 'command' AND detail LIKE '%wrong arguments%'")-before)
}

// refusals has every lower level try every command. Nothing comes of it, whatever stands behind it.
func (k *talk) refusals() {
	k.title("Refused")
	subject := newNumber()
	k.names[subject] = "SUBJECT"
	denied := ""
	for _, c := range commandsOf {
		text := strings.ReplaceAll(c.text, "%s", "+"+subject)
		for _, level := range map[string][]string{"viewer": nil, "support": {"viewer"}, "owner": {"viewer", "second support"}}[c.level] {
			answer := k.ask(level, text)
			if denied == "" {
				denied = answer
			}
			require.Equal(k.staff.t, denied, answer, "%s as %s", text, level)
		}
	}
	require.Zero(k.staff.t, k.count("SELECT (SELECT COUNT(*) FROM blocks) + (SELECT COUNT(*) FROM questions) + (SELECT COUNT(*) FROM revocations)"))
}

// inEarnest does all that there is to do.
func (k *talk) inEarnest() {
	k.title("In earnest")
	for _, text := range []string{"/help", "/whoami"} {
		for _, who := range []string{"viewer", "support", "third owner"} {
			k.ask(who, text)
		}
	}
	k.ask("viewer", "/jobs")
	k.peopleAndWork()
	k.cases()
	k.bars()
	k.forgetting()
	k.quiet()
	for _, text := range []string{"/status", "/stats", "/stats week", "/audit"} {
		k.ask("third owner", text)
	}
}

// peopleAndWork: /user, /sync, /jobs, /retry.
func (k *talk) peopleAndWork() {
	t := k.staff.t
	u, _, id := k.somebody("SITI")
	n := numberOf(t, u)
	k.converged(n, id)
	k.settled()
	ref := "Patient/" + k.patients(n, id)[0].ID
	k.names[ref] = "PATIENT"
	k.ask("support", "/user +"+u.Phone())

	k.fhir.Delete(ref)
	require.Empty(t, k.patients(n, id))
	k.ask("support", "/sync "+u.Phone())
	require.Eventually(t, func() bool { return len(k.patients(n, id)) == 1 }, time.Minute, 20*time.Millisecond, "/sync makes what is missing")
	k.settled()
	k.names["Patient/"+k.patients(n, id)[0].ID] = "PATIENT AGAIN"

	k.fhir.FailNext(1000, 400, "")
	k.ask("support", "/sync "+u.Phone())
	dead := func() int { return k.count("SELECT COUNT(*) FROM jobs WHERE state = 'dead'") }
	require.Eventually(t, func() bool { return dead() == 2 }, time.Minute, 20*time.Millisecond, "that of the Patient and that of the contact")
	sync := k.count("SELECT id FROM jobs WHERE state = 'dead' AND kind = 'fhir.sync'")
	job := fmt.Sprint(sync)
	k.names["/retry "+job] = "/retry JOB"
	listed := k.says("viewer", "/jobs dead") // whichever died last is the first
	require.Contains(t, listed, job)
	require.Contains(t, listed, "contact.sync")
	require.Contains(t, listed, "400")
	k.fhir.FailNext(0, 0, "")
	k.ask("support", "/retry "+job)
	require.Eventually(t, func() bool { return k.count("SELECT COUNT(*) FROM jobs WHERE id = $1 AND state = 'done'", sync) == 1 }, time.Minute, 20*time.Millisecond)
	require.Equal(t, 1, dead(), "the other one waits for its own word")
	k.ask("support", "/retry all")
	k.settled()
	k.ask("support", "/retry "+job)
	k.ask("support", "/retry all")
}

// cases: /review, /approve, /separate, /scan.
func (k *talk) cases() {
	t := k.staff.t
	for i, name := range []string{"RAHMA", "BUDI"} {
		u := k.user()
		k.names[u.Phone()] = name
		ref, err := k.fhir.Put([]byte(fmt.Sprintf(`{"resourceType":"Patient","identifier":[{"system":"https://login.konsulin.care/userid","value":"other-%d"}],
			"telecom":[{"system":"phone","value":%q}]}`, i, u.Phone())))
		require.NoError(t, err)
		k.names[ref] = "PATIENT OF " + name
		br := newBrowser(t, k.b.URL())
		br.signIn(t, k.requestLink(u))
		id := br.session(t).json(t)["userId"].(string)
		require.Eventually(t, func() bool { return k.count("SELECT COUNT(*) FROM cases WHERE state = 'open'") == 1 }, time.Minute, 20*time.Millisecond)
		open := fmt.Sprint(k.count("SELECT MAX(id) FROM cases"))
		k.ask("support", "/review")
		if i == 0 {
			k.ask("third owner", "/approve "+open+" Patient/none")
			k.means("support", "/approve "+open)
			require.Eventually(t, func() bool {
				raw, _ := k.fhir.Get(ref)
				return strings.Contains(string(raw), id) && strings.Contains(string(raw), "other-0")
			}, time.Minute, 20*time.Millisecond, "both have it")
			require.Len(t, k.patients(numberOf(t, u), id), 1)
			continue
		}
		k.means("support", "/separate "+open)
		require.Eventually(t, func() bool { return len(k.patients(numberOf(t, u), id)) == 1 }, time.Minute, 20*time.Millisecond, "one of their own")
		require.NotEqual(t, ref, "Patient/"+k.patients(numberOf(t, u), id)[0].ID)
		raw, _ := k.fhir.Get(ref)
		require.NotContains(t, string(raw), id)
	}
	k.settled()
	twin := newNumber()
	k.names[twin] = "TWIN"
	for i := range 2 {
		ref, err := k.fhir.Put([]byte(fmt.Sprintf(`{"resourceType":"Patient","identifier":[{"system":"https://login.konsulin.care/whatsapp","value":%q}]}`, twin)))
		require.NoError(t, err)
		k.names[ref] = fmt.Sprint("TWIN ", i+1)
	}
	k.ask("third owner", "/scan")
}

// bars: /block, /unblock, /revoke, /pause, /resume.
func (k *talk) bars() {
	t := k.staff.t
	u, br, id := k.somebody("DEWI")
	k.converged(numberOf(t, u), id)
	k.settled()
	k.names["Patient/"+k.patients(numberOf(t, u), id)[0].ID] = "PATIENT OF DEWI"
	link := func() bool {
		_, err := u.Text(t.Context(), k.account, phrase)
		require.NoError(t, err)
		_, isLink := linkIn(k.next(u))
		return isLink
	}
	k.ask("support", "/block +"+u.Phone()+" 6h writes from 0812-5551-2345 too")
	require.Zero(t, k.count("SELECT COUNT(*) FROM blocks WHERE reason LIKE '%2345%'"))
	_, err := u.Text(t.Context(), k.account, phrase)
	require.NoError(t, err)
	require.Eventually(t, func() bool { return k.count("SELECT COUNT(*) FROM messages WHERE refused = 'blocked'") == 1 }, time.Minute, 20*time.Millisecond)
	k.ask("third owner", "/user "+u.Phone())
	k.means("fourth owner", "/revoke +"+u.Phone()+" refuse")
	require.Equal(t, 401, br.session(t).StatusCode)
	k.ask("fourth owner", "/unblock "+u.Phone()) // lifts both
	require.True(t, link())
	k.means("fourth owner", "/revoke "+u.Phone()+" refuse")
	k.ask("fifth owner", "/block "+u.Phone())
	k.ask("second support", "/unblock "+u.Phone()) // the block only
	k.ask("second support", "/unblock "+u.Phone())
	require.False(t, link(), "an owner's refusal stays")
	k.ask("fifth owner", "/unblock "+u.Phone())
	k.ask("fifth owner", "/unblock "+u.Phone())
	require.True(t, link())
	k.ask("second support", "/block "+k.people["owner"].Phone())

	k.means("fourth owner", "/pause we move, call 0812-5551-2345")
	require.False(t, link())
	k.quiet()
	k.ask("third owner", "/status")
	k.ask("fourth owner", "/resume")
	k.ask("fourth owner", "/resume")
	require.True(t, link())
}

func (k *talk) forgetting() {
	t := k.staff.t
	u, br, id := k.somebody("FAJAR")
	n := numberOf(t, u)
	k.converged(n, id)
	k.settled()
	k.names["Patient/"+k.patients(n, id)[0].ID] = "PATIENT OF FAJAR"
	k.means("fourth owner", "/forget +"+u.Phone())
	require.Equal(t, 401, br.session(t).StatusCode)
	k.quiet()
	require.Empty(t, k.holding(u.Phone()))
	require.Len(t, k.patients(n, id), 1, "what others have stays")
	k.ask("fourth owner", "/user "+u.Phone())
	k.ask("fourth owner", "/forget "+k.people["support"].Phone())
}

// yesses says yes with a wrong code and too late, to every command that asks.
func (k *talk) yesses() {
	t := k.staff.t
	k.title("Wrong and late")
	u := k.user()
	k.names[u.Phone()] = "NOBODY"
	before := k.count("SELECT (SELECT COUNT(*) FROM revocations) + (SELECT COUNT(*) FROM pauses) + (SELECT COUNT(*) FROM cases WHERE state = 'open')")
	open := k.caseFor(u)
	for i, text := range []string{"/approve " + open, "/separate " + open, "/revoke " + u.Phone(), "/pause", "/forget " + u.Phone()} {
		who := []string{"fifth owner", "sixth owner"}[i%2]
		code := yesCode.FindString(k.ask(who, text))
		require.NotEmpty(t, code)
		k.ask(who, "/yes 0000")
		k.ask(who, code) // one try
		code = yesCode.FindString(k.ask(who, text))
		k.change("UPDATE questions SET expires_at = 1")
		k.ask(who, code)
	}
	require.Equal(t, before+1, k.count("SELECT (SELECT COUNT(*) FROM revocations) + (SELECT COUNT(*) FROM pauses) + (SELECT COUNT(*) FROM cases WHERE state = 'open')"),
		"the case waits, and nothing came of anything")
	require.Contains(t, k.holding(u.Phone()), "cases", "nothing was forgotten")
}

// caseFor makes a case that waits for a decision.
func (k *talk) caseFor(u *whatsapp.User) string {
	t := k.staff.t
	ref, err := k.fhir.Put([]byte(fmt.Sprintf(`{"resourceType":"Patient","identifier":[{"system":"https://login.konsulin.care/userid","value":"other"}],
		"telecom":[{"system":"phone","value":%q}]}`, u.Phone())))
	require.NoError(t, err)
	k.names[ref] = "PATIENT OF SOMEBODY"
	newBrowser(t, k.b.URL()).signIn(t, k.requestLink(u))
	require.Eventually(t, func() bool { return k.count("SELECT COUNT(*) FROM cases WHERE state = 'open'") == 1 }, time.Minute, 20*time.Millisecond)
	return fmt.Sprint(k.count("SELECT MAX(id) FROM cases"))
}
