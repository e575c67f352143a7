package contact_test

import (
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/konsulin-care/konsulin-bot/contact"
	"github.com/konsulin-care/konsulin-bot/sandbox/omnichannel"
)

// TestContactGetsItsIDBackToThePatient promises the plain case: one call, one record, one job.
func TestContactGetsItsIDBackToThePatient(t *testing.T) {
	t.Parallel()
	for name, asText := range map[string]bool{"number": false, "text": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, omnichannel.Options{IDsAsString: asText})
			require.NoError(t, w.sync())
			require.Equal(t, []omnichannel.Contact{{ID: 1, Phone: "+" + number, Name: "Sari Dewi"}}, w.hook.Contacts())
			require.Equal(t, []string{"1"}, w.records.jobs)
			require.Equal(t, w.user.Number, w.records.record.Number)
			require.Equal(t, 1, w.pacer.waits)
			require.Empty(t, w.hook.Unknown())
		})
	}
}

// TestContactNeverRenamed promises that what people in the omnichannel system call a contact stays, once we know that
// the contact exists: by the Patient, by a record with an id, or by one without.
func TestContactNeverRenamed(t *testing.T) {
	t.Parallel()
	at := time.Unix(0, 0)
	for name, c := range map[string]struct {
		change func(*world)
		jobs   []string
	}{
		"Patient has the id": {func(w *world) { w.profiles.profile.ChatwootID = "1" }, nil},
		"record with id": {func(w *world) {
			w.records.record, w.records.found = contact.Record{UserID: userID, Number: w.user.Number, ChatwootID: "1", At: at}, true
		}, []string{"1", "1"}},
		"record without id": {func(w *world) {
			w.records.record, w.records.found = contact.Record{UserID: userID, Number: w.user.Number, At: at}, true
		}, nil},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, omnichannel.Options{})
			w.hook.Put("+"+number, "Ibu Sari (Tuesdays)")
			c.change(w)
			require.NoError(t, w.sync())
			w.restart()
			require.NoError(t, w.sync())
			require.Zero(t, w.hook.Calls())
			require.Zero(t, w.pacer.waits)
			require.Equal(t, c.jobs, w.records.jobs)
			require.Empty(t, w.hook.Contacts()[0].Renames)
		})
	}
}

// TestContactNeverRenamedByLaterSignIns promises one call over many sign-ins, whichever way the first was accepted.
func TestContactNeverRenamedByLaterSignIns(t *testing.T) {
	t.Parallel()
	for name, first := range map[string]func(*omnichannel.Server){
		"200": func(*omnichannel.Server) {},
		"202": func(s *omnichannel.Server) { s.Answer(1, 202, `{"status":"enqueued"}`, "") },
		"422": func(s *omnichannel.Server) { s.Answer(1, 422, `{}`, "") },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, omnichannel.Options{NoIdempotency: true})
			first(w.hook)
			require.NoError(t, w.sync())
			w.hook.Put("+"+number, "Ibu Sari (Tuesdays)")
			renames := len(w.hook.Contacts()[0].Renames)
			w.profiles.profile.Name = "Another Name"
			for range 5 {
				w.restart()
				require.NoError(t, w.sync())
			}
			require.Equal(t, 1, w.hook.Calls())
			require.Equal(t, "Ibu Sari (Tuesdays)", w.hook.Contacts()[0].Name)
			require.Len(t, w.hook.Contacts()[0].Renames, renames)
		})
	}
}

// TestContactWaitsForThePatient promises no contact before there is a Patient to hold its id.
func TestContactWaitsForThePatient(t *testing.T) {
	t.Parallel()
	w := setup(t, omnichannel.Options{})
	w.profiles.found = false
	err := w.sync()
	require.ErrorIs(t, err, contact.ErrNoPatient)
	permanent, wait, later := retry(err)
	require.False(t, permanent)
	require.True(t, later)
	require.Equal(t, 30*time.Second, wait)
	require.Zero(t, w.hook.Calls())
}

// TestSavingIsTriedAgain promises that an id that could not be saved is not lost, and no second contact is made.
func TestSavingIsTriedAgain(t *testing.T) {
	t.Parallel()
	w := setup(t, omnichannel.Options{})
	disk := errors.New("the disk is full")
	w.records.err = disk
	require.ErrorIs(t, w.sync(), disk)
	w.restart()
	require.NoError(t, w.sync())
	require.Equal(t, []string{"1"}, w.records.jobs)
	require.Len(t, w.hook.Contacts(), 1)
	require.Empty(t, w.hook.Contacts()[0].Renames)
}

// TestLostResponseMakesNoSecondContact promises the same for an answer that never came, and that nothing but the job
// repeats the call: each call asks the pacer first.
func TestLostResponseMakesNoSecondContact(t *testing.T) {
	t.Parallel()
	for name, ignorant := range map[string]bool{"server knows the key": false, "server ignores the key": true} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, omnichannel.Options{NoIdempotency: ignorant})
			w.hook.Answer(1, 500, "", "") // opens a connection that is used again
			require.Error(t, w.sync())
			w.hook.LoseResponse(2)
			require.Error(t, w.sync())
			require.Equal(t, 2, w.hook.Calls())
			require.Error(t, w.sync())
			require.NoError(t, w.sync())
			require.Equal(t, 4, w.hook.Calls())
			require.Equal(t, 4, w.pacer.waits)
			require.Equal(t, []string{"1"}, w.records.jobs)
			require.Len(t, w.hook.Contacts(), 1)
			require.Empty(t, w.hook.Contacts()[0].Renames)
		})
	}
}

// TestIdempotencyIDStaysTheSame promises one id for one user and number over retries and restarts, and another for
// every other pair.
func TestIdempotencyIDStaysTheSame(t *testing.T) {
	t.Parallel()
	var ids []string
	hook := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		ids = append(ids, r.Header.Get("Idempotency-Key"))
		rw.WriteHeader(http.StatusInternalServerError)
	}))
	t.Cleanup(hook.Close)
	w := setup(t, omnichannel.Options{}, func(c *contact.Config) { c.BaseURL = hook.URL })
	require.Error(t, w.sync())
	w.profiles.profile.Name = "Another Name"
	require.Error(t, w.sync())
	w.restart()
	require.Error(t, w.sync())
	w.user.ID = "another user"
	require.Error(t, w.sync())
	require.Equal(t, []string{ids[0], ids[0], ids[0]}, ids[:3])
	require.NotEqual(t, ids[0], ids[3])
	require.Regexp(t, `^msg_[0-9a-f]{32}$`, ids[0])
	require.NotContains(t, ids[0], number)
}

// TestName promises whose word counts for a name, and that no name can break a line or turn the text around.
func TestName(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("é", 150)
	for name, c := range map[string]struct{ patient, pushed, want string }{
		"Patient first":   {"Sari Dewi", "sari_99", "Sari Dewi"},
		"push name":       {"", "sari_99", "sari_99"},
		"blank Patient":   {" \t", "sari_99", "sari_99"},
		"default":         {"", "", "Konsulin user"},
		"blank push name": {"", "\u202e\n\u00a0", "Konsulin user"},
		"only joiners":    {"", "\u200d\u200c", "Konsulin user"},
		"controls":        {"", " Sa\x00ri\r\n\tDewi\x7f ", "Sari Dewi"},
		"direction":       {"", "Sari\u202eiweD\u2066", "SariiweD"},
		"broken text":     {"", "Sari\xff\xfe", "Sari"},
		"joined emoji":    {"", "Sari 👩\u200d⚕️", "Sari 👩\u200d⚕️"},
		"markup stays":    {"", "<Sari & Co>", "<Sari & Co>"},
		"long":            {"", long, strings.Repeat("é", 100)},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, omnichannel.Options{})
			w.profiles.profile.Name, w.names.name = c.patient, c.pushed
			require.NoError(t, w.sync())
			got := w.hook.Contacts()[0].Name
			require.Equal(t, c.want, got)
			require.LessOrEqual(t, utf8.RuneCountInString(got), 100)
		})
	}
}

// TestBodyHoldsNothingElse promises the exact body: no e-mail address, the number with its plus, no HTML escapes.
func TestBodyHoldsNothingElse(t *testing.T) {
	t.Parallel()
	var got, path, contentType string
	hook := httptest.NewServer(http.HandlerFunc(func(rw http.ResponseWriter, r *http.Request) {
		b, _ := io.ReadAll(r.Body)
		got, path, contentType = string(b), r.URL.Path, r.Header.Get("Content-Type")
		_, _ = io.WriteString(rw, `[{"chatwoot_id":1}]`)
	}))
	t.Cleanup(hook.Close)
	w := setup(t, omnichannel.Options{}, func(c *contact.Config) { c.BaseURL = hook.URL + "/prefix/" })
	w.profiles.profile.Name = "Sari & Dewi"
	require.NoError(t, w.sync())
	require.Equal(t, `{"name":"Sari & Dewi","phoneNumber":"+6281234567890"}`, got)
	require.Equal(t, "/prefix/api/v1/hook/synchronous/modify-profile", path)
	require.Equal(t, "application/json", contentType)
}

// TestPacerComesFirst promises that nothing is called while the budget of all processes is not to be had.
func TestPacerComesFirst(t *testing.T) {
	t.Parallel()
	w := setup(t, omnichannel.Options{})
	w.pacer.err = errors.New("the database is away")
	require.ErrorIs(t, w.sync(), w.pacer.err)
	require.Zero(t, w.hook.Calls())
	w.pacer.err = notYet{}
	permanent, wait, later := retry(w.sync())
	require.False(t, permanent)
	require.True(t, later)
	require.Equal(t, 3*time.Second, wait)
	require.Zero(t, w.hook.Calls())
}

// notYet is what a pacer says that does not want to hold a worker.
type notYet struct{}

func (notYet) Error() string                     { return "not yet" }
func (notYet) RetryAfter() (time.Duration, bool) { return 3 * time.Second, true }
