package auth_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/big"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/konsulin-care/konsulin-bot/sandbox/supertokens"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

// The tests run against the stand-in, or against the core at SUPERTOKENS_URI (with SUPERTOKENS_API_KEY). They do not run
// in parallel: a process has one Service.

const coreTimeout = 6 * time.Second

// world is a Service with everything around it.
type world struct {
	t       *testing.T
	proxy   *proxy
	core    coreClient // past the proxy
	store   *memory
	cfg     auth.Config
	service *auth.Service
	web     *httptest.Server
	clock   *clock
	logs    *safeBuffer
	wakes   chan struct{}
}

type clock struct {
	mu    sync.Mutex
	ahead time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return time.Now().Add(c.ahead)
}

func (c *clock) advance(d time.Duration) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ahead += d
}

type safeBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *safeBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *safeBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// setup starts a core, the proxy in front of it, a Service and its routes.
func setup(t *testing.T, change ...func(*auth.Config)) *world {
	t.Helper()
	w := &world{t: t, store: newMemory(), clock: &clock{}, logs: &safeBuffer{}, wakes: make(chan struct{}, 1000)}
	uri, key := os.Getenv("SUPERTOKENS_URI"), os.Getenv("SUPERTOKENS_API_KEY")
	if uri == "" {
		key = "a-key-for-tests-0123456789"
		core, err := supertokens.New(supertokens.Options{APIKey: key})
		require.NoError(t, err)
		t.Cleanup(func() {
			require.NoError(t, core.Close())
			require.Empty(t, core.Unknown(), "the stand-in got what no core would know")
		})
		uri = core.URL()
	}
	w.core = coreClient{t, uri, key}
	w.proxy = newProxy(t, uri, key)
	w.cfg = auth.Config{
		CoreURI: w.proxy.URL(), APIKey: key, Tenant: "public", AppName: "Konsulin",
		APIDomain: "http://127.0.0.1:8080", WebsiteDomain: "https://konsulin.example", APIBasePath: "/api/v1/auth", WebsiteBasePath: "/auth",
		CookieSameSite: "lax", Links: w.store, SignIns: w.store, Guests: w.store, Attempts: w.store,
		GuestLifetime: 720 * time.Hour, GuestKeys: 720 * time.Hour, ClaimWait: 2 * time.Second,
		BotNumber: botNumber(t), Phrase: "Request login, authenticate me.", ChatURL: "https://wa.me", SealKey: bytes.Repeat([]byte{7}, 32),
		CoreTimeout: coreTimeout, DefaultRole: "Patient", Now: w.clock.Now,
		Log:  zerolog.New(w.logs).Level(zerolog.TraceLevel),
		Wake: func() { w.wakes <- struct{}{} },
	}
	for _, f := range change {
		f(&w.cfg)
	}
	w.start()
	t.Cleanup(w.stop)
	return w
}

// start makes the Service, also a second time after stop: what a restart of the process is.
func (w *world) start() {
	w.t.Helper()
	var err error
	w.service, err = auth.New(context.Background(), w.cfg)
	require.NoError(w.t, err)
	w.web = httptest.NewServer(w.service.Routes(http.HandlerFunc(w.page)))
}

func (w *world) stop() {
	if w.service == nil {
		return
	}
	w.web.Close()
	require.NoError(w.t, w.service.Close())
	w.service = nil
}

// down stops the core, as far as the Service can see, and waits until it does see that.
func (w *world) down() {
	w.t.Helper()
	w.proxy.down()
	require.Eventually(w.t, func() bool {
		err := w.service.Ping(context.Background())
		return err != nil && strings.Contains(err.Error(), "cannot be reached")
	}, 10*time.Second, 10*time.Millisecond)
}

// page is what stands behind the routes: who am I.
func (w *world) page(rw http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/whoami" {
		http.Error(rw, "behind the routes", http.StatusTeapot)
		return
	}
	s, ok, written := w.service.Session(rw, r)
	if written {
		return
	}
	_ = json.NewEncoder(rw).Encode(map[string]any{
		"ok": ok, "user": s.UserID, "roles": s.Roles, "handle": s.Handle, "created": s.CreatedAt.UnixMilli(),
		"unknown": s.CreatedAt.IsZero(), "stepUp": s.StepUp,
	})
}

// magic is a link taken apart as a front end does.
type magic struct {
	url, preAuth, code string
	expires            time.Time
	number             phone.Number
	reply              string
	typed              string // the code for another device; empty: none
}

func (w *world) link(n phone.Number, reply string) magic {
	w.t.Helper()
	return w.linkFor(asked(n, reply))
}

// asked is a request for a link that names no login.
func asked(n phone.Number, reply string) auth.LinkRequest {
	return auth.LinkRequest{Number: n, ReplyID: reply, Requested: time.Now()}
}

func (w *world) linkFor(r auth.LinkRequest) magic {
	w.t.Helper()
	link, err := w.service.CreateLink(context.Background(), r)
	require.NoError(w.t, err)
	m := withNumber(taken(link.URL), r.Number)
	m.expires, m.reply, m.typed = link.Expires, r.ReplyID, link.Code
	return m
}

// taken is a link taken apart.
func taken(link string) magic {
	u, err := url.Parse(link)
	if err != nil {
		return magic{url: link}
	}
	return magic{url: link, preAuth: u.Query().Get("preAuthSessionId"), code: u.Fragment}
}

func withNumber(m magic, n phone.Number) magic {
	m.number = n
	return m
}

// fresh is a link of a new number.
func (w *world) fresh() magic {
	w.t.Helper()
	return w.link(newNumber(w.t), newReply(w.t))
}

// browser keeps cookies.
type browser struct {
	*http.Client
	w *world
}

func (w *world) browser() browser {
	jar, err := cookiejar.New(nil)
	require.NoError(w.t, err)
	return browser{&http.Client{Jar: jar}, w}
}

type answer struct {
	status int
	header http.Header
	body   map[string]any
	raw    string
}

func (a answer) says(key string) string {
	s, _ := a.body[key].(string)
	return s
}

func (b browser) do(method, path string, body any, header ...string) answer {
	b.w.t.Helper()
	var in io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		require.NoError(b.w.t, err)
		in = bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(context.Background(), method, b.w.web.URL+path, in)
	require.NoError(b.w.t, err)
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	resp, err := b.Do(r)
	require.NoError(b.w.t, err)
	defer func() { _ = resp.Body.Close() }()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(b.w.t, err)
	a := answer{status: resp.StatusCode, header: resp.Header, raw: string(raw)}
	_ = json.Unmarshal(raw, &a.body)
	return a
}

// consume presents a link with the last digits of its number, as a browser must in which no login began.
func (b browser) consume(m magic, header ...string) answer {
	b.w.t.Helper()
	if m.number.IsZero() {
		return b.present(m, nil, header...)
	}
	return b.present(m, map[string]any{"digits": lastOf(m.number)}, header...)
}

// consumeAlone does so and brings nobody along.
func (b browser) consumeAlone(m magic) answer {
	b.w.t.Helper()
	return b.present(m, map[string]any{"digits": lastOf(m.number), "bringGuest": false})
}

// begun is the reference of a login that a guest began in a browser of its own.
func (w *world) begun() string {
	w.t.Helper()
	b := w.browser()
	b.guest()
	return b.begin("")
}

func lastOf(n phone.Number) string {
	all := n.Digits()
	return all[len(all)-4:]
}

// present presents a link with whatever else is said.
func (b browser) present(m magic, more map[string]any, header ...string) answer {
	b.w.t.Helper()
	body := map[string]any{"preAuthSessionId": m.preAuth, "linkCode": m.code}
	maps.Copy(body, more)
	if len(header) == 0 {
		header = []string{"st-auth-mode", "cookie", "rid", "passwordless"}
	}
	return b.do(http.MethodPost, "/api/v1/auth/signinup/code/consume", body, header...)
}

// whoami answers the user's id, empty when nobody is signed in.
func (b browser) whoami(header ...string) string {
	b.w.t.Helper()
	return b.do(http.MethodGet, "/whoami", nil, header...).says("user")
}

func botNumber(t *testing.T) phone.Number {
	t.Helper()
	n, err := phone.FromDigits("628001234567")
	require.NoError(t, err)
	return n
}

func newNumber(t *testing.T) phone.Number {
	t.Helper()
	n, err := phone.FromDigits("62812" + digits(t, 8))
	require.NoError(t, err)
	return n
}

func newReply(t *testing.T) string {
	t.Helper()
	return "3EB0" + digits(t, 18)
}

func digits(t *testing.T, n int) string {
	t.Helper()
	var b strings.Builder
	for range n {
		d, err := rand.Int(rand.Reader, big.NewInt(10))
		require.NoError(t, err)
		fmt.Fprint(&b, d)
	}
	return b.String()
}

// coreClient asks the core itself, to see what became of things there.
type coreClient struct {
	t        *testing.T
	uri, key string
}

func (c coreClient) do(method, path, rid string, query url.Values, body any) map[string]any {
	c.t.Helper()
	raw, err := json.Marshal(body)
	require.NoError(c.t, err)
	var in io.Reader
	if body != nil {
		in = bytes.NewReader(raw)
	}
	r, err := http.NewRequestWithContext(context.Background(), method, c.uri+path+"?"+query.Encode(), in)
	require.NoError(c.t, err)
	r.Header.Set("cdi-version", "3.1")
	r.Header.Set("rid", rid)
	r.Header.Set("content-type", "application/json; charset=utf-8")
	if c.key != "" {
		r.Header.Set("api-key", c.key)
	}
	resp, err := http.DefaultClient.Do(r)
	require.NoError(c.t, err)
	defer func() { _ = resp.Body.Close() }()
	raw, err = io.ReadAll(resp.Body)
	require.NoError(c.t, err)
	require.Equal(c.t, http.StatusOK, resp.StatusCode, "%s %s", method, path)
	var out map[string]any
	require.NoError(c.t, json.Unmarshal(raw, &out))
	return out
}

func (c coreClient) createCode(n phone.Number) magic {
	c.t.Helper()
	got := c.do(http.MethodPost, "/public/recipe/signinup/code", "passwordless", nil, map[string]any{"phoneNumber": n.Digits()})
	return magic{preAuth: got["preAuthSessionId"].(string), code: got["linkCode"].(string), number: n}
}

func (c coreClient) codes(n phone.Number) (ids []string) {
	c.t.Helper()
	got := c.do(http.MethodGet, "/public/recipe/signinup/codes", "passwordless", url.Values{"phoneNumber": {n.Digits()}}, nil)
	for _, d := range got["devices"].([]any) {
		for _, code := range d.(map[string]any)["codes"].([]any) {
			ids = append(ids, code.(map[string]any)["codeId"].(string))
		}
	}
	return ids
}

func (c coreClient) revokeAll(n phone.Number) {
	c.t.Helper()
	c.do(http.MethodPost, "/public/recipe/signinup/codes/remove", "passwordless", nil, map[string]any{"phoneNumber": n.Digits()})
}

// consumeDirectly is a sign-in around the bot.
func (c coreClient) consumeDirectly(m magic) string {
	c.t.Helper()
	got := c.do(http.MethodPost, "/public/recipe/signinup/code/consume", "passwordless", nil,
		map[string]any{"preAuthSessionId": m.preAuth, "linkCode": m.code})
	return got["status"].(string)
}

// user is the id of the number's user, empty for none.
func (c coreClient) user(n phone.Number) string {
	c.t.Helper()
	got := c.do(http.MethodGet, "/public/recipe/user", "passwordless", url.Values{"phoneNumber": {n.Digits()}}, nil)
	if got["status"] != "OK" {
		return ""
	}
	return got["user"].(map[string]any)["id"].(string)
}

func (c coreClient) sessions(userID string) int {
	c.t.Helper()
	got := c.do(http.MethodGet, "/public/recipe/session/user", "session", url.Values{"userId": {userID}}, nil)
	return len(got["sessionHandles"].([]any))
}

func (c coreClient) roles(userID string) (roles []string) {
	c.t.Helper()
	got := c.do(http.MethodGet, "/public/recipe/user/roles", "userroles", url.Values{"userId": {userID}}, nil)
	for _, r := range got["roles"].([]any) {
		roles = append(roles, r.(string))
	}
	return roles
}

// opener is the request with which a browser without cookies opens a page.
func opener(t *testing.T) *http.Request {
	t.Helper()
	return httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/auth/verify", nil)
}

// guest makes this browser a guest, as the front end's first page does, and answers the guest's id.
func (b browser) guest(query ...string) string {
	b.w.t.Helper()
	a := b.do(http.MethodPost, "/api/v1/auth/anonymous-session"+strings.Join(query, ""), nil)
	require.Equal(b.w.t, http.StatusOK, a.status, a.raw)
	return a.body["data"].(map[string]any)["guest_id"].(string)
}

// begin starts a login, as the button on the login page does, and answers what the message carries.
func (b browser) begin(returnPath string) (reference string) {
	b.w.t.Helper()
	a := b.do(http.MethodPost, "/api/v1/auth/login/start", map[string]string{"returnPath": returnPath})
	require.Equal(b.w.t, http.StatusOK, a.status, a.raw)
	require.Equal(b.w.t, "OK", a.says("status"))
	return a.says("reference")
}

// claim is what the front end does after the sign-in.
func (b browser) claim() answer {
	b.w.t.Helper()
	return b.do(http.MethodPatch, "/api/v1/auth/anonymous/claim", nil, "rid", "session", "st-auth-mode", "cookie")
}
