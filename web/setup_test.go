package web_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/konsulin-care/konsulin-bot/web"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

// The links that the fake sign-in knows, and the code of the open one.
const (
	openLink    = "b3Blbi1saW5r-_="
	usedLink    = "dXNlZA"
	expiredLink = "ZXhwaXJlZA"
	selfLink    = "c2VsZg" // this browser asked for it, as a guest
	digitsLink  = "ZGlnaXRz"
	otherLink   = "b3RoZXI" // somebody else is signed in here
	lastLink    = "bGFzdA"  // its digits were wrong twice
	brokenLink  = "YnJva2Vu"
	goodCode    = "c2VjcmV0LWNvZGU"
)

// sessions is a sign-in in memory: what a POST changed can be counted.
type sessions struct {
	mu       sync.Mutex
	used     bool
	consumed int          // POSTs that reached consume
	looked   int          // calls of Link
	started  int          // calls of StartAttempt
	attempt  auth.Attempt // what StartAttempt answers; without a text: a plain one
	startErr error
	code     http.HandlerFunc // answers the desktop code; nil: the route is not there
	who      *auth.Session    // nil: nobody
	unusual  http.HandlerFunc // answers {api}/session in place of who
	sdk      http.HandlerFunc // answers the consume route in place of the fake
}

func (f *sessions) Routes(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, "/login/code") && f.code != nil {
			f.code(w, r)
			return
		}
		if r.Method != http.MethodPost || !strings.HasSuffix(r.URL.Path, "/signinup/code/consume") {
			next.ServeHTTP(w, r)
			return
		}
		if f.sdk != nil {
			f.sdk(w, r)
			return
		}
		var in struct{ PreAuthSessionID, LinkCode string }
		if json.NewDecoder(r.Body).Decode(&in) != nil {
			http.Error(w, `{"message":"bad"}`, http.StatusBadRequest)
			return
		}
		f.mu.Lock()
		defer f.mu.Unlock()
		f.consumed++
		status := "RESTART_FLOW_ERROR"
		if in.PreAuthSessionID == openLink && in.LinkCode == goodCode && !f.used {
			f.used, status = true, "OK"
		}
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = io.WriteString(w, `{"status":"`+status+`"}`)
	})
}

func (f *sessions) Session(w http.ResponseWriter, r *http.Request) (auth.Session, bool, bool) {
	if f.unusual != nil {
		f.unusual(w, r)
		return auth.Session{}, false, true
	}
	if f.who == nil {
		return auth.Session{}, false, false
	}
	return *f.who, true, false
}

func (f *sessions) Link(_ context.Context, _ *http.Request, id string) (auth.LinkView, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.looked++
	open := auth.LinkView{
		State: auth.ViewOpen, Masked: "+62 812-3456-••••", Expires: 14*time.Minute + time.Second, Door: auth.DoorTap,
	}
	switch {
	case id == openLink && !f.used:
		return open, nil
	case id == openLink, id == usedLink:
		return auth.LinkView{State: auth.ViewUsed}, nil
	case id == brokenLink:
		return auth.LinkView{}, errAway
	case id == selfLink:
		open.Door, open.ReturnPath, open.Comes = auth.DoorSelf, "/journal?day=2", true
		return open, nil
	case id == digitsLink:
		open.Door, open.TriesLeft = auth.DoorDigits, 3
		return open, nil
	case id == otherLink:
		open.Other = true
		return open, nil
	case id == lastLink:
		open.Door, open.TriesLeft = auth.DoorDigits, 1
		return open, nil
	}
	return auth.LinkView{State: auth.ViewExpired}, nil
}

func (f *sessions) StartAttempt(w http.ResponseWriter, _ *http.Request, returnPath string) (auth.Attempt, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.started++
	if f.startErr != nil {
		return auth.Attempt{}, f.startErr
	}
	http.SetCookie(w, &http.Cookie{Name: "__Host-login", Value: "secret", Path: "/", HttpOnly: true, Secure: true})
	a := f.attempt
	if a.Text == "" {
		a = auth.Attempt{Text: web.DefaultPhrase, State: "waiting", Expires: 30 * time.Minute}
	}
	if a.ReturnPath == "" {
		a.ReturnPath = returnPath
	}
	return a, nil
}

// referenced is an attempt whose message can be recognised.
func referenced(state string) auth.Attempt {
	return auth.Attempt{
		Reference: "K7QM2X", Text: web.DefaultPhrase + " #K7QM2X", State: state, Expires: 30 * time.Minute, DesktopCode: true,
	}
}

type patients struct {
	state string
	err   error
}

func (p *patients) PatientState(context.Context, string) (string, error) { return p.state, p.err }

// bundle is a server under test and what stands behind it.
type bundle struct {
	sessions *sessions
	patients *patients
	log      *bytes.Buffer
	handler  http.Handler
}

func setup(t *testing.T, change ...func(*web.Config)) *bundle {
	t.Helper()
	b := &bundle{sessions: &sessions{}, patients: &patients{state: "linked"}, log: &bytes.Buffer{}}
	number, err := phone.Parse("+6281299990000")
	require.NoError(t, err)
	cfg := web.Config{
		Sessions: b.sessions, Patients: b.patients, APIBasePath: "/api/v1/auth", WebsiteBasePath: "/auth",
		BotNumber: number, SupportURL: "https://help.example/", HomeURL: "https://app.example/", HTTPS: true,
		Log: zerolog.New(zerolog.SyncWriter(b.log)), Version: "v1",
	}
	for _, c := range change {
		c(&cfg)
	}
	s, err := web.New(cfg)
	require.NoError(t, err)
	b.handler = s.Handler()
	return b
}

// do sends one request; header pairs follow the target.
func (b *bundle) do(t *testing.T, method, target, body string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	var in io.Reader
	if body != "" {
		in = strings.NewReader(body)
	}
	r := httptest.NewRequestWithContext(t.Context(), method, target, in)
	for i := 0; i+1 < len(header); i += 2 {
		if header[i] == "Host" {
			r.Host = header[i+1]
			continue
		}
		r.Header.Set(header[i], header[i+1])
	}
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, r)
	return w
}

func (b *bundle) get(t *testing.T, target string, header ...string) *httptest.ResponseRecorder {
	t.Helper()
	return b.do(t, http.MethodGet, target, "", header...)
}

func (b *bundle) doContext(ctx context.Context, target string) *httptest.ResponseRecorder {
	w := httptest.NewRecorder()
	b.handler.ServeHTTP(w, httptest.NewRequestWithContext(ctx, http.MethodGet, target, nil))
	return w
}
