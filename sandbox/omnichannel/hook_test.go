package omnichannel_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/konsulin-care/konsulin-bot/sandbox/omnichannel"
)

// TestModifyProfileMakesThenRenames promises what makes the real hook dangerous: a second call renames.
func TestModifyProfileMakesThenRenames(t *testing.T) {
	t.Parallel()
	b := setup(t, omnichannel.Options{})
	got := b.must(synchronous, plain)
	require.Equal(t, http.StatusOK, got.status)
	require.JSONEq(t, `[{"chatwoot_id":1,"email":null,"phone_number":"+6281234567890"}]`, got.body)
	got = b.must(synchronous, `{"email":"s@example.org","name":"Dewi","phoneNumber":"+6281234567890"}`)
	require.JSONEq(t, `[{"chatwoot_id":1,"email":"s@example.org","phone_number":"+6281234567890"}]`, got.body)
	b.must(synchronous, `{"name":"Budi","phoneNumber":"+6289876543210"}`)
	require.Equal(t, []omnichannel.Contact{
		{ID: 1, Phone: "+6281234567890", Name: "Dewi", Renames: []string{"Sari"}},
		{ID: 2, Phone: "+6289876543210", Name: "Budi"},
	}, b.Contacts())
	require.Equal(t, 3, b.Calls())
	require.Len(t, b.CallTimes(), 3)
	require.Empty(t, b.Unknown())
}

// TestIDsAsString promises the other form of an id.
func TestIDsAsString(t *testing.T) {
	t.Parallel()
	b := setup(t, omnichannel.Options{IDsAsString: true})
	require.Contains(t, b.must(synchronous, plain).body, `"chatwoot_id":"1"`)
}

// TestAsynchronousHookTellsNoID promises the other path.
func TestAsynchronousHookTellsNoID(t *testing.T) {
	t.Parallel()
	b := setup(t, omnichannel.Options{})
	require.Equal(t, reply{202, `{"status":"enqueued"}`, ""}, b.must(asynchronous, plain))
	require.Len(t, b.Contacts(), 1)
}

// TestIdempotencyKeyDoesTheWorkOnce promises the first answer again, unless that is switched off, by either header.
func TestIdempotencyKeyDoesTheWorkOnce(t *testing.T) {
	t.Parallel()
	renaming := strings.Replace(plain, "Sari", "Dewi", 1)
	b := setup(t, omnichannel.Options{})
	require.Equal(t, b.must(synchronous, plain, "Idempotency-Key", "a"), b.must(synchronous, renaming, "Idempotency-Key", "a"))
	require.Equal(t, "Sari", b.Contacts()[0].Name)
	b.must(synchronous, renaming, "Idempotency-Key", "b")
	require.Equal(t, "Dewi", b.Contacts()[0].Name)

	ignorant := setup(t, omnichannel.Options{NoIdempotency: true})
	ignorant.must(synchronous, plain, "Idempotency-Key", "a")
	ignorant.must(synchronous, renaming, "Idempotency-Key", "a")
	require.Equal(t, "Dewi", ignorant.Contacts()[0].Name)
}

// TestRefusalIsNotRemembered promises that a key whose call was refused may be used again.
func TestRefusalIsNotRemembered(t *testing.T) {
	t.Parallel()
	b := setup(t, omnichannel.Options{})
	require.Equal(t, 400, b.must(synchronous, `{}`, "Idempotency-Key", "a").status)
	require.Equal(t, 200, b.must(synchronous, plain, "Idempotency-Key", "a").status)
}

// TestStrict promises an error for everything that no caller should send, and a line for what is not known.
func TestStrict(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		method, path, body string
		headers            []string
		status             int
		unknown            string
	}{
		"path":           {"POST", "/api/v1/hook/other", plain, nil, 404, `path "/api/v1/hook/other"`},
		"final slash":    {"POST", synchronous + "/", plain, nil, 404, `path`},
		"method":         {"GET", synchronous, "", nil, 405, `method "GET"`},
		"query":          {"POST", synchronous + "?a=b", plain, nil, 400, "query"},
		"header":         {"POST", synchronous, plain, []string{"X-Trace", "1"}, 400, `header "X-Trace"`},
		"content type":   {"POST", synchronous, plain, []string{"Content-Type", "text/plain"}, 415, "content type"},
		"field":          {"POST", synchronous, `{"name":"a","phoneNumber":"+6281234567890","role":"x"}`, nil, 400, `field "role"`},
		"case of field":  {"POST", synchronous, `{"Name":"a","phoneNumber":"+6281234567890"}`, nil, 400, `field "Name"`},
		"no plus":        {"POST", synchronous, `{"name":"a","phoneNumber":"6281234567890"}`, nil, 400, ""},
		"no number":      {"POST", synchronous, `{"name":"a"}`, nil, 400, ""},
		"blank name":     {"POST", synchronous, `{"name":" ","phoneNumber":"+6281234567890"}`, nil, 400, ""},
		"name as number": {"POST", synchronous, `{"name":1,"phoneNumber":"+6281234567890"}`, nil, 400, ""},
		"null name":      {"POST", synchronous, `{"name":null,"phoneNumber":"+6281234567890"}`, nil, 400, ""},
		"empty email":    {"POST", synchronous, `{"email":"","name":"a","phoneNumber":"+6281234567890"}`, nil, 400, ""},
		"array":          {"POST", synchronous, `[]`, nil, 400, ""},
		"null":           {"POST", synchronous, `null`, nil, 400, ""},
		"more than one":  {"POST", synchronous, plain + plain, nil, 400, ""},
		"too long":       {"POST", synchronous, strings.Repeat(" ", 65<<10), nil, 413, ""},
		"two keys":       {"POST", synchronous, plain, []string{"Idempotency-Key", "a", "Webhook-Id", "b"}, 401, `header "Webhook-Id"`},
		"token":          {"POST", synchronous, plain, []string{"Authorization", "Bearer x"}, 401, `header "Authorization"`},
		"api key":        {"POST", synchronous, plain, []string{"X-Api-Key", "x"}, 403, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			b := setup(t, omnichannel.Options{})
			got, err := b.send(c.method, c.path, c.body, c.headers...)
			require.NoError(t, err)
			require.Equal(t, c.status, got.status, got.body)
			require.Empty(t, b.Contacts())
			if c.unknown == "" {
				require.Empty(t, b.Unknown())
				return
			}
			require.Len(t, b.Unknown(), 1)
			require.Contains(t, b.Unknown()[0], c.unknown)
		})
	}
}

// TestPerMinute promises the gateway's budget, and a Retry-After after which a call is let in again.
func TestPerMinute(t *testing.T) {
	t.Parallel()
	b := setup(t, omnichannel.Options{PerMinute: 2})
	require.Equal(t, 200, b.must(synchronous, plain).status)
	b.clock.move(20 * time.Second)
	require.Equal(t, 200, b.must(synchronous, plain).status)
	b.clock.move(500 * time.Millisecond)
	got := b.must(synchronous, plain)
	require.Equal(t, 429, got.status)
	require.Equal(t, "40", got.retryAfter)
	b.clock.move(39 * time.Second)
	require.Equal(t, 429, b.must(synchronous, plain).status)
	b.clock.move(time.Second)
	require.Equal(t, 200, b.must(synchronous, plain).status)
	require.Equal(t, 429, b.must(synchronous, plain).status)
}

// TestPutIsNoRequest promises what tests use as another person's change.
func TestPutIsNoRequest(t *testing.T) {
	t.Parallel()
	b := setup(t, omnichannel.Options{})
	require.Equal(t, omnichannel.Contact{ID: 1, Phone: "+6281234567890", Name: "A"}, b.Put("+6281234567890", "A"))
	require.Equal(t, []string{"A"}, b.Put("+6281234567890", "B").Renames)
	require.Zero(t, b.Calls())
}

// TestNewRefusesOtherAddresses promises that the stand-in is reachable from this machine only.
func TestNewRefusesOtherAddresses(t *testing.T) {
	t.Parallel()
	for _, o := range []omnichannel.Options{{Addr: "0.0.0.0:0"}, {Addr: "nonsense"}, {Secret: "whsec_!"}} {
		_, err := omnichannel.New(o)
		require.Error(t, err)
	}
}
