package contact_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/konsulin-care/konsulin-bot/contact"
	"github.com/konsulin-care/konsulin-bot/sandbox/omnichannel"
)

// outcome is what comes of an answer. The zero value is a counted failure that may be tried again.
type outcome struct {
	saved     bool
	id        string
	permanent bool
	wait      time.Duration // of RetryAfter; 0: the run counts
	pause     time.Duration // that everybody was asked to make
	outage    bool          // of RetryAfter: half a minute or so
}

// TestContactAnswers promises what becomes of each answer that the webhook can give.
func TestContactAnswers(t *testing.T) {
	t.Parallel()
	day := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		status     int
		body       string
		retryAfter string
		want       outcome
	}{
		"id as number":     {200, `[{"chatwoot_id":17,"email":null,"phone_number":"+6281234567890"}]`, "", outcome{saved: true, id: "17"}},
		"id as text":       {200, `[{"chatwoot_id":"17","email":"","phoneNumber":"+6281234567890"}]`, "", outcome{saved: true, id: "17"}},
		"digits only":      {200, `[{"chatwoot_id":17,"phone_number":"6281234567890"}]`, "", outcome{saved: true, id: "17"}},
		"long id exactly":  {200, `[{"chatwoot_id":9007199254740993,"phone_number":null}]`, "", outcome{saved: true, id: "9007199254740993"}},
		"one without name": {200, `[{"chatwoot_id":17}]`, "", outcome{saved: true, id: "17"}},
		"ours of two": {200, `[{"chatwoot_id":3,"phone_number":"+6289999999999"},{"chatwoot_id":4,"phoneNumber":"+6281234567890"}]`, "",
			outcome{saved: true, id: "4"}},
		"ours twice alike": {200, `[{"chatwoot_id":4,"phone_number":"+6281234567890"},{"chatwoot_id":"4","phone_number":"+6281234567890"}]`, "",
			outcome{saved: true, id: "4"}},
		"ours twice":          {200, `[{"chatwoot_id":4,"phone_number":"+6281234567890"},{"chatwoot_id":5,"phone_number":"+6281234567890"}]`, "", outcome{saved: true}},
		"two of nobody":       {200, `[{"chatwoot_id":3},{"chatwoot_id":4}]`, "", outcome{saved: true}},
		"somebody else":       {200, `[{"chatwoot_id":3,"phone_number":"+6289999999999"}]`, "", outcome{saved: true}},
		"two different names": {200, `[{"chatwoot_id":3,"phone_number":"+6281234567890","phoneNumber":"+6289999999999"}]`, "", outcome{saved: true}},
		"empty array":         {200, `[]`, "", outcome{saved: true}},
		"object":              {200, `{"chatwoot_id":3}`, "", outcome{permanent: true}},
		"null":                {200, `null`, "", outcome{permanent: true}},
		"no JSON":             {200, `<html>`, "", outcome{permanent: true}},
		"nothing":             {200, ``, "", outcome{permanent: true}},
		"too long":            {200, `[{"chatwoot_id":17}]` + strings.Repeat(" ", 64<<10), "", outcome{saved: true}},
		"no id":               {200, `[{"phone_number":"+6281234567890"}]`, "", outcome{saved: true}},
		"null id":             {200, `[{"chatwoot_id":null}]`, "", outcome{saved: true}},
		"empty id":            {200, `[{"chatwoot_id":""}]`, "", outcome{saved: true}},
		"zero id":             {200, `[{"chatwoot_id":0}]`, "", outcome{saved: true}},
		"zero id as text":     {200, `[{"chatwoot_id":"0"}]`, "", outcome{saved: true}},
		"negative id":         {200, `[{"chatwoot_id":-4}]`, "", outcome{saved: true}},
		"negative id as text": {200, `[{"chatwoot_id":"-4"}]`, "", outcome{saved: true}},
		"fraction":            {200, `[{"chatwoot_id":1.5}]`, "", outcome{saved: true}},
		"exponent":            {200, `[{"chatwoot_id":1e3}]`, "", outcome{saved: true}},
		"object as id":        {200, `[{"chatwoot_id":{}}]`, "", outcome{saved: true}},
		"truth as id":         {200, `[{"chatwoot_id":true}]`, "", outcome{saved: true}},

		"enqueued":          {202, `{"status":"enqueued"}`, "", outcome{saved: true}},
		"accepted, no word": {202, ``, "", outcome{saved: true}},
		"duplicate":         {422, `{"message":"Phone number has already been taken"}`, "", outcome{saved: true}},
		"duplicate, long":   {422, strings.Repeat("x", 80<<10), "", outcome{saved: true}},

		"too many":            {429, ``, "", outcome{wait: time.Minute, pause: time.Minute}},
		"too many, seconds":   {429, ``, "7", outcome{wait: 7 * time.Second, pause: 7 * time.Second}},
		"too many, date":      {429, ``, day.Add(90 * time.Second).Format(http.TimeFormat), outcome{wait: 90 * time.Second, pause: 90 * time.Second}},
		"too many, past date": {429, ``, day.Add(-time.Hour).Format(http.TimeFormat), outcome{wait: time.Second, pause: time.Second}},
		"too many, too long":  {429, ``, "86400", outcome{wait: 15 * time.Minute, pause: 15 * time.Minute}},
		"too many, nonsense":  {429, ``, "soon", outcome{wait: time.Minute, pause: time.Minute}},

		"unavailable":       {503, ``, "", outcome{outage: true}},
		"unavailable, wait": {503, ``, "20", outcome{wait: 20 * time.Second}},
		"broken":            {500, ``, "20", outcome{}},
		"bad gateway":       {502, `<html>`, "", outcome{outage: true}},
		"request timeout":   {408, ``, "", outcome{}},
		"other success":     {204, ``, "", outcome{}},
		"unauthorized":      {401, ``, "", outcome{wait: 10 * time.Minute}},
		"forbidden":         {403, ``, "", outcome{wait: 10 * time.Minute}},
		"redirect":          {307, ``, "", outcome{wait: 10 * time.Minute}},
		"bad request":       {400, ``, "", outcome{permanent: true}},
		"not found":         {404, ``, "", outcome{wait: 10 * time.Minute}},
		"conflict":          {409, ``, "", outcome{permanent: true}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := setup(t, omnichannel.Options{Now: func() time.Time { return day }})
			w.hook.Answer(1, c.status, c.body, c.retryAfter)
			err := w.sync()
			permanent, wait, _ := retry(err)
			got := outcome{saved: w.records.found, id: w.records.record.ChatwootID, permanent: permanent, wait: wait}
			if c.want.outage {
				require.GreaterOrEqual(t, wait, 15*time.Second)
				require.LessOrEqual(t, wait, 45*time.Second)
				got.outage, got.wait = true, 0
			}
			if len(w.pacer.pauses) == 1 {
				got.pause = w.pacer.pauses[0]
			}
			require.Equal(t, c.want, got, "%v", err)
			require.Equal(t, c.want.saved, err == nil)
			require.Equal(t, 1, w.hook.Calls())
			if err != nil {
				var e *contact.Error
				require.ErrorAs(t, err, &e)
				require.Equal(t, c.status, e.Status)
			}
		})
	}
}

// TestRefusalSaysWhatToCheck promises an operator the kind of proof that was refused, and the gateway's rule about keys.
func TestRefusalSaysWhatToCheck(t *testing.T) {
	t.Parallel()
	w := setup(t, omnichannel.Options{}, func(c *contact.Config) {
		c.Auth = contact.Auth{Kind: contact.APIKey, APIKey: "key-of-the-gateway"}
	})
	err := w.sync()
	require.ErrorContains(t, err, "contact.auth is api_key")
	require.ErrorContains(t, err, "Superadmin")
	require.NotContains(t, err.Error(), "key-of-the-gateway")
	_, wait, later := retry(err)
	require.True(t, later)
	require.Equal(t, 10*time.Minute, wait)
	require.Empty(t, w.hook.Contacts())
}

// TestAnOutageIsNoFailedAttempt promises that no call hangs, and that nobody's contact is given up because the service is
// away for a night.
func TestAnOutageIsNoFailedAttempt(t *testing.T) {
	t.Parallel()
	w := setup(t, omnichannel.Options{}, func(c *contact.Config) { c.Timeout = 50 * time.Millisecond })
	w.hook.Slow(time.Minute)
	waits := func() {
		err := w.sync()
		require.ErrorContains(t, err, "no answer")
		permanent, wait, later := retry(err)
		require.False(t, permanent)
		require.True(t, later)
		require.GreaterOrEqual(t, wait, 15*time.Second)
	}
	waits()
	w.hook.Slow(0)
	w.hook.Down(true)
	waits()
	require.False(t, w.records.found)
}

// TestAcceptedIsRememberedAlthoughTheCallerLeft: a second call would rename the contact.
func TestAcceptedIsRememberedAlthoughTheCallerLeft(t *testing.T) {
	t.Parallel()
	w := setup(t, omnichannel.Options{NoIdempotency: true})
	ctx, leave := context.WithCancel(t.Context())
	w.records.saving = leave
	_ = w.service.Sync(ctx, w.user)
	require.Error(t, ctx.Err())
	require.True(t, w.records.found)
	require.NoError(t, w.sync())
	require.Equal(t, 1, w.hook.Calls())
}
