package e2e_test

import (
	"database/sql"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/konsulin-care/konsulin-bot/sandbox/whatsapp"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
)

// staff is a world with one admin of each level, whose phones the test holds.
type staff struct {
	*world
	b      bot
	people map[string]*whatsapp.User
}

// staffNames has several owners, because more than 20 commands a minute are a flood.
var staffNames = []string{"viewer", "support", "owner", "second owner", "third owner", "fourth owner", "fifth owner", "sixth owner", "second support"}

// newStaff makes admins whose numbers begin with prefix: 62812 reads Indonesian, 4474 English.
func newStaff(t *testing.T, engine, prefix string, change ...func(*app.Config)) *staff {
	t.Helper()
	numbers := map[string]string{}
	for _, level := range staffNames {
		numbers[level] = digits(prefix, map[string]int{"62812": 13, "447400": 12}[prefix])
	}
	s := &staff{people: map[string]*whatsapp.User{}}
	s.world = newWorld(t, engine, append(change, func(cfg *app.Config) {
		for level, n := range numbers {
			switch {
			case strings.HasSuffix(level, "owner"):
				cfg.Admins.Owner = append(cfg.Admins.Owner, "+"+n)
			case strings.HasSuffix(level, "support"):
				cfg.Admins.Support = append(cfg.Admins.Support, "+"+n)
			default:
				cfg.Admins.Viewer = append(cfg.Admins.Viewer, "+"+n)
			}
		}
	})...)
	s.b = s.pairAndStart()
	for level, n := range numbers {
		u, err := theServer().NewUser(n, newLID(), "Admin")
		require.NoError(t, err)
		s.people[level] = u
	}
	return s
}

// says sends a command and returns the answer. Over the budget of commands nothing is answered, so the test forgets it.
func (s *staff) says(level, text string) string {
	s.t.Helper()
	s.change("DELETE FROM budgets WHERE key LIKE 'command:%'")
	_, err := s.people[level].Text(s.t.Context(), s.account, text)
	require.NoError(s.t, err)
	return s.next(s.people[level])
}

var yesCode = regexp.MustCompile(`/yes [0-9A-Z]{4}`)

// confirms sends a command and the yes that it asks for.
func (s *staff) confirms(level, text string) string {
	s.t.Helper()
	code := yesCode.FindString(s.says(level, text))
	require.NotEmpty(s.t, code, text)
	return s.says(level, code)
}

// commandsOf says which level each command needs, and what its first answer says in both languages.
var commandsOf = []struct{ text, level, id, en string }{
	{"/help", "viewer", "Perintah yang bisa", "You can use"},
	{"/whoami", "viewer", "Tingkat", "Level"},
	{"/status", "viewer", "Jalur     tersambung", "Line     connected"},
	{"/stats", "viewer", "Permintaan", "Requests"},
	{"/jobs", "viewer", "Tidak ada tugas", "No jobs"},
	{"/user %s", "support", "Belum ada yang masuk", "has signed in"}, // before the block, which makes the number known
	{"/sync %s", "support", "Belum ada yang masuk", "has signed in"},
	{"/retry all", "support", "Tidak ada tugas mati", "No such job"},
	{"/review", "support", "Tidak ada kasus", "No case"},
	{"/approve 99", "support", "Tidak ada kasus", "No such case"},
	{"/separate 99", "support", "Tidak ada kasus", "No such case"},
	{"/unblock %s", "support", "tidak sedang diblokir", "neither blocked"},
	{"/block %s 1h test", "support", "diblokir selama", "is blocked for"},
	{"/audit", "support", "command", "command"},
	{"/scan", "owner", "Tidak ada server FHIR", "No FHIR server"},
	{"/revoke %s", "owner", "Jika memang itu maksud", "If you mean it"},
	{"/pause", "owner", "Jika memang itu maksud", "If you mean it"},
	{"/resume", "owner", "Tidak ada yang dijeda", "Nothing was paused"},
	{"/forget %s", "owner", "Jika memang itu maksud", "If you mean it"},
}

// TestAdminLevels sends every command as every level, in both languages: allowed, refused, and other text from anybody
// else. Each is in the audit.
func TestAdminLevels(t *testing.T) {
	t.Parallel()
	for lang, prefix := range map[string]string{"id": "62812", "en": "447400"} {
		t.Run(lang, func(t *testing.T) {
			t.Parallel()
			s := newStaff(t, storage.SQLite, prefix)
			denied := map[string]string{"id": "tidak mengizinkan", "en": "does not allow"}[lang]
			rank := map[string]int{"viewer": 1, "support": 2, "owner": 3}
			subject := newNumber()
			sent := 0
			for _, c := range commandsOf {
				text := c.text
				if strings.Contains(text, "%s") {
					text = fmt.Sprintf(text, "+"+subject)
				}
				for level, r := range rank {
					if c.level == "owner" && level == "viewer" {
						continue // as for support
					}
					answer := s.says(level, text)
					sent++
					want := denied
					if r >= rank[c.level] {
						want = map[string]string{"id": c.id, "en": c.en}[lang]
					}
					require.Contains(t, answer, want, "%s as %s", text, level)
					require.NotContains(t, answer, subject, text)
				}
			}
			require.Equal(t, sent, s.count("SELECT COUNT(*) FROM audit WHERE event = 'command'"))
			require.Zero(t, s.count("SELECT COUNT(*) FROM audit WHERE event = 'command' AND actor = ''"), "each says who")
			u := s.user()
			_, err := u.Text(t.Context(), s.account, "/status")
			require.NoError(t, err)
			require.NotEmpty(t, s.requestLink(u).URL)
			require.Len(t, u.Received(), 1, "to anybody else a command is other text")

			require.Contains(t, s.says("second owner", "/block someone"), "/block")
			code := yesCode.FindString(s.says("second owner", "/pause"))
			require.NotEmpty(t, code)
			require.Contains(t, s.says("second owner", "/yes 0000"), map[string]string{"id": "Kodenya salah", "en": "not the code"}[lang])
			require.Contains(t, s.says("second owner", code), map[string]string{"id": "Tidak ada yang menunggu", "en": "Nothing waits"}[lang])
			code = yesCode.FindString(s.says("second owner", "/pause"))
			s.change("UPDATE questions SET expires_at = 1")
			require.Contains(t, s.says("second owner", code), map[string]string{"id": "Terlambat", "en": "too late"}[lang])
			require.Zero(t, s.count("SELECT COUNT(*) FROM pauses"))
		})
	}
}

// TestLIDAdminRefused: a hidden id whose digits are an admin's number runs nothing.
func TestLIDAdminRefused(t *testing.T) {
	t.Parallel()
	s := newStaff(t, storage.SQLite, "62812")
	impostor, err := theServer().NewUser(newNumber(), s.people["owner"].Phone(), "Admin")
	require.NoError(t, err)
	for _, how := range []whatsapp.Addressing{whatsapp.Bare, whatsapp.LIDWithPN} {
		_, err = impostor.Text(t.Context(), s.account, "/status", whatsapp.Via(how))
		require.NoError(t, err)
	}
	require.Contains(t, s.says("owner", "/whoami"), "owner")
	s.quiet()
	require.Zero(t, impostor.Raw())
	require.Equal(t, 1, s.count("SELECT COUNT(*) FROM audit WHERE event = 'command'"))
}

// TestRevokeKillsLinkAndSession: what a number has ends at once, new links are refused until lifted.
func TestRevokeKillsLinkAndSession(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := newStaff(t, engine, "62812")
			u := s.user()
			br := newBrowser(t, s.b.URL())
			br.signIn(t, s.requestLink(u))
			require.Equal(t, http.StatusOK, br.session(t).StatusCode)
			open := s.requestLink(u)

			require.Contains(t, s.confirms("owner", "/revoke +"+u.Phone()+" refuse"), "sesi yang diakhiri: 1")
			require.Equal(t, http.StatusUnauthorized, br.session(t).StatusCode)
			require.NotEqual(t, "OK", newBrowser(t, s.b.URL()).confirm(t, open).status())
			_, err := u.Text(t.Context(), s.account, phrase)
			require.NoError(t, err)
			_, isLink := linkIn(s.next(u))
			require.False(t, isLink, "refused, and told")
			require.Eventually(t, func() bool { return s.count("SELECT COUNT(*) FROM messages WHERE refused = 'revoked'") == 1 }, time.Minute, 20*time.Millisecond)
			require.Contains(t, s.says("support", "/user "+u.Phone()), "Ditolak")
			s.says("support", "/unblock "+u.Phone()) // it is not theirs to lift
			require.Contains(t, s.says("support", "/user "+u.Phone()), "Ditolak")
			s.says("owner", "/unblock "+u.Phone())
			newBrowser(t, s.b.URL()).signIn(t, s.requestLink(u))

			s.says("support", "/block "+u.Phone())
			_, err = u.Text(t.Context(), s.account, phrase)
			require.NoError(t, err)
			require.Eventually(t, func() bool { return s.count("SELECT COUNT(*) FROM messages WHERE refused = 'blocked'") == 1 }, time.Minute, 20*time.Millisecond)
			s.says("support", "/unblock "+u.Phone())

			require.Contains(t, s.confirms("owner", "/pause maintenance"), "Dijeda")
			_, err = u.Text(t.Context(), s.account, phrase)
			require.NoError(t, err)
			require.Contains(t, s.next(u), "kami hentikan sebentar")
			require.Contains(t, s.says("viewer", "/status"), "maintenance")
			s.says("owner", "/resume")
			require.NotEmpty(t, s.requestLink(u).URL)
		})
	}
}

// TestForgetLeavesNothing searches every table of both stores for the digits of a number that was forgotten.
func TestForgetLeavesNothing(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := newStaff(t, engine, "62812")
			u := s.user()
			_, err := u.Text(t.Context(), s.account, phrase, whatsapp.Via(whatsapp.Bare)) // as long as nobody knows the number
			require.NoError(t, err)
			_, isLink := linkIn(s.next(u))
			require.False(t, isLink)
			require.Contains(t, s.holding(u.LID()), "messages")
			br := newBrowser(t, s.b.URL())
			br.signIn(t, s.requestLink(u))
			s.requestLink(u)
			s.says("support", "/block "+u.Phone()+" 1h")
			require.NotEmpty(t, s.holding(u.Phone()))

			said := s.confirms("owner", "/forget +"+u.Phone())
			require.Contains(t, said, "sudah dilupakan")
			require.Regexp(t, `Pengguna SuperTokens: [0-9a-f-]{36}`, said, "what others still have")
			require.Equal(t, http.StatusUnauthorized, br.session(t).StatusCode)
			s.quiet()
			require.Empty(t, s.holding(u.Phone()))
			require.Empty(t, s.holding(u.LID()))
			require.Positive(t, s.count("SELECT COUNT(*) FROM audit WHERE event = 'sign-in'"), "the audit stays and names nobody")
			newBrowser(t, s.b.URL()).signIn(t, s.requestLink(u)) // a newcomer
		})
	}
}

// holding lists the tables of both stores in which the digits stand.
func (s *staff) holding(digits string) []string {
	s.t.Helper()
	dbs := []*sql.DB{s.database("ro")}
	tables := `SELECT table_name FROM information_schema.tables WHERE table_schema = 'public'`
	if s.cfg.Storage.Engine == storage.SQLite {
		tables = `SELECT name FROM sqlite_master WHERE type = 'table'`
		line, err := sql.Open("sqlite3", "file:"+s.cfg.Storage.Dir+"/whatsapp.db?mode=ro&_busy_timeout=5000")
		require.NoError(s.t, err)
		dbs = append(dbs, line)
	}
	var found []string
	for _, db := range dbs {
		for _, table := range column(s.t, db, tables) {
			if strings.Contains(strings.Join(column(s.t, db, "SELECT * FROM "+table), "|"), digits) {
				found = append(found, table)
			}
		}
		require.NoError(s.t, db.Close())
	}
	return found
}

// column is every value of every row as text.
func column(t *testing.T, db *sql.DB, query string) []string {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	require.NoError(t, err)
	defer func() { require.NoError(t, rows.Close()) }()
	names, err := rows.Columns()
	require.NoError(t, err)
	var all []string
	for rows.Next() {
		values, into := make([]any, len(names)), make([]any, len(names))
		for i := range values {
			into[i] = &values[i]
		}
		require.NoError(t, rows.Scan(into...))
		for _, v := range values {
			all = append(all, fmt.Sprintf("%s", v))
		}
	}
	require.NoError(t, rows.Err())
	return all
}

// TestAlertsReachAdmins: a job that is laid aside is told to those who can retry it, once.
func TestAlertsReachAdmins(t *testing.T) {
	t.Parallel()
	s := newStaff(t, storage.SQLite, "62812")
	s.change(`INSERT INTO jobs (kind, key, payload, state, attempts, run_at, created_at, finished_at, reason)
		VALUES ('fhir.sync', 'x', CAST('{}' AS BLOB), 'dead', 25, 1, 1, ` + fmt.Sprint(time.Now().UnixMilli()) + `, 'the server refuses it')`)
	for _, level := range []string{"support", "owner"} {
		require.Contains(t, s.next(s.people[level]), "*1* tugas mati")
	}
	require.Contains(t, s.says("viewer", "/jobs"), "the server refuses it")
	require.Contains(t, s.says("support", "/retry all"), "dijalankan lagi: 1")
	require.Len(t, s.people["viewer"].Received(), 1, "a viewer is not told")
	require.NoError(t, s.account.WriteAsHuman(t.Context(), s.people["viewer"], "Halo."))
	require.Equal(t, "Halo.", s.next(s.people["viewer"]))
	require.Eventually(t, func() bool { return s.count("SELECT COUNT(*) FROM facts WHERE name = 'phone seen'") == 1 }, 30*time.Second, 20*time.Millisecond,
		"the phone wrote, so it is alive")
}
