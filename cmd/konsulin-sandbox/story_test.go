package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"net/url"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// told is an event as the page's script reads it.
type told struct {
	Kind, User, ID, Title, Detail, State string
	Bot, On                              bool
	Parts                                []struct{ Href string }
	Rows                                 []struct{ Name, Value string }
}

// row is a value of a card.
func (e told) row(name string) string {
	for _, r := range e.Rows {
		if r.Name == name {
			return r.Value
		}
	}
	return ""
}

// viewer is somebody in front of the page.
type viewer struct {
	t     *testing.T
	stage *stage
	f     demoFlags
	asked map[string]time.Time // when each user sent the phrase

	mu  sync.Mutex
	all []told
}

// watch runs a demo and opens its page.
func watch(t *testing.T, change ...func(*demoFlags)) *viewer {
	t.Helper()
	v := &viewer{t: t, f: flags(t), asked: map[string]time.Time{}}
	for _, f := range change {
		f(&v.f)
	}
	ctx, stop := context.WithCancel(context.WithoutCancel(t.Context()))
	var err error
	v.stage, err = newStage(ctx, v.f, v.f.data, t.Output())
	require.NoError(t, err)
	done := make(chan error, 2)
	go func() { done <- v.stage.run(ctx) }()
	require.Eventually(t, func() bool { return status(t, "http://"+v.f.site+"/readyz") == http.StatusOK }, time.Minute, 20*time.Millisecond)
	go func() { done <- v.read(ctx) }()
	t.Cleanup(func() {
		stop()
		require.NoError(t, <-done)
		require.NoError(t, <-done)
		require.Empty(t, v.stage.fhir.Unknown())
		require.Empty(t, v.stage.omni.Unknown())
		require.NoError(t, v.stage.close())
	})
	return v
}

// read keeps what the page is told until the demo ends.
func (v *viewer) read(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+v.f.page+"/events", http.NoBody)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if ctx.Err() != nil {
		return nil // the demo has ended
	}
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	for lines := bufio.NewScanner(resp.Body); lines.Scan(); {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok || data == "{}" {
			continue
		}
		var e told
		if err := json.Unmarshal([]byte(data), &e); err != nil {
			return err
		}
		v.mu.Lock()
		v.all = append(v.all, e)
		v.mu.Unlock()
	}
	return nil
}

// last is the newest event of a kind and id about somebody, or about nobody.
func (v *viewer) last(kind, user, id string) told {
	v.mu.Lock()
	defer v.mu.Unlock()
	for i := len(v.all) - 1; i >= 0; i-- {
		if e := v.all[i]; e.Kind == kind && e.User == user && e.ID == id {
			return e
		}
	}
	return told{}
}

func (v *viewer) sees(what string, ok func() bool) {
	v.t.Helper()
	require.Eventually(v.t, ok, time.Minute, 10*time.Millisecond, what)
}

func (v *viewer) seesStep(user, id, title string) {
	v.t.Helper()
	v.sees(title, func() bool { return v.last("step", user, id).Title == title })
}

func (v *viewer) seesStatus(user, id, detail string) {
	v.t.Helper()
	v.sees(id+" "+detail, func() bool { return v.last("status", user, id).Detail == detail })
}

func (v *viewer) links(user string) (all []string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, e := range v.all {
		for _, p := range e.Parts {
			if e.Kind == "message" && e.User == user && e.Bot && p.Href != "" {
				all = append(all, p.Href)
			}
		}
	}
	return all
}

func (v *viewer) press(path string, body any) {
	v.t.Helper()
	raw, err := json.Marshal(body)
	require.NoError(v.t, err)
	resp, err := http.Post("http://"+v.f.page+path, "application/json", bytes.NewReader(raw))
	require.NoError(v.t, err)
	defer func() { require.NoError(v.t, resp.Body.Close()) }()
	require.Equal(v.t, http.StatusOK, resp.StatusCode)
}

func (v *viewer) fault(id string, on bool) {
	v.t.Helper()
	v.press("/fault", map[string]any{"id": id, "on": on})
}

// apart is how far apart two requests of one person are that get an answer each.
const apart = 7 * time.Second

// signIn sends the phrase as a person and confirms the link that comes. It answers what the session says.
func (v *viewer) signIn(user string) (session map[string]any) {
	v.t.Helper()
	time.Sleep(time.Until(v.asked[user].Add(apart)))
	v.asked[user] = time.Now()
	before := len(v.links(user))
	v.press("/send", map[string]any{"user": user, "text": phrase})
	v.sees("a link", func() bool { return len(v.links(user)) > before })
	link, err := url.Parse(v.links(user)[before])
	require.NoError(v.t, err)
	jar, err := cookiejar.New(nil)
	require.NoError(v.t, err)
	browser := &http.Client{Jar: jar, Timeout: 30 * time.Second}
	require.Equal(v.t, "OK", v.call(browser, http.MethodPost, "/auth/login/start", "{}", "")["status"])
	body := fmt.Sprintf(`{"preAuthSessionId":%q,"linkCode":%q}`, link.Query().Get("preAuthSessionId"), link.Fragment)
	answer := v.call(browser, http.MethodPost, "/auth/signinup/code/consume", body, "passwordless")
	require.Equal(v.t, "OK", answer["status"], answer)
	return v.call(browser, http.MethodGet, "/auth/session", "", "session")
}

func (v *viewer) call(browser *http.Client, method, path, body, rid string) (answer map[string]any) {
	v.t.Helper()
	req, err := http.NewRequestWithContext(v.t.Context(), method, "http://"+v.f.site+path, strings.NewReader(body))
	require.NoError(v.t, err)
	for name, value := range map[string]string{
		"Content-Type": "application/json", "rid": rid, "st-auth-mode": "cookie", "Origin": "http://" + v.f.site, "Sec-Fetch-Site": "same-origin",
	} {
		req.Header.Set(name, value)
	}
	resp, err := browser.Do(req)
	require.NoError(v.t, err)
	defer func() { require.NoError(v.t, resp.Body.Close()) }()
	raw, err := io.ReadAll(resp.Body)
	require.NoError(v.t, err)
	require.NoError(v.t, json.Unmarshal(raw, &answer), string(raw))
	return answer
}

// TestDemoTellsTheWholeStory goes through the demo as somebody at the page does. One after the other: the page shows
// the core's work as work for whoever asked last.
func TestDemoTellsTheWholeStory(t *testing.T) {
	v := watch(t)
	newcomer(v)
	adopted(v)
	quarantined(v)
	outages(v)
	returning(v)
	v.press("/send", map[string]any{"user": "ayu", "text": phrase})
	v.seesStep("ayu", "reply", "The bot's answer arrives")
	require.Empty(t, v.links("ayu"), "a hidden number gets no link")
	require.Equal(t, "No Patient has this number.", v.last("card", "ayu", "fhir").Detail)
}

func newcomer(v *viewer) {
	t := v.t
	v.sees("the page is told what is there", func() bool { return v.last("card", "ayu", "omnichannel").Title != "" })
	require.Equal(t, "No Patient has this number.", v.last("card", "siti", "fhir").Detail)
	require.Equal(t, "linked", v.signIn("siti")["patient"])
	v.seesStep("siti", "session", "A session is made")
	v.seesStep("siti", "patient", "The Patient is created")
	v.seesStep("siti", "contact", "The contact is made")
	v.seesStep("siti", "chatwoot", "Its id goes to the Patient")
	v.seesStatus("siti", "patient", "linked")
	card, contact := v.last("card", "siti", "fhir"), v.last("card", "siti", "omnichannel")
	require.Equal(t, "6281234567001", card.row("whatsapp"))
	require.Equal(t, "6281234567001", card.row("telecom"))
	require.Regexp(t, `^[0-9a-f]{8}…$`, card.row("userid"))
	require.Equal(t, "Siti", contact.row("name"))
	require.Equal(t, "+6281234567001", contact.row("phone"))
	require.Equal(t, contact.Detail, "Contact "+card.row("chatwoot-id"))
}

func returning(v *viewer) {
	before := v.last("card", "siti", "fhir")
	require.Equal(v.t, "linked", v.signIn("siti")["patient"])
	v.seesStep("siti", "patient", "The Patient is there already")
	require.Equal(v.t, before, v.last("card", "siti", "fhir"), "nothing is written twice")
}

func adopted(v *viewer) {
	t := v.t
	before := v.last("card", "budi", "fhir")
	require.Contains(t, before.Detail, "without a user")
	v.signIn("budi")
	v.seesStep("budi", "patient", "The Patient is adopted")
	v.seesStep("budi", "chatwoot", "Its id goes to the Patient")
	after := v.last("card", "budi", "fhir")
	require.Equal(t, regexp.MustCompile(`^Patient/\w+`).FindString(before.Detail), regexp.MustCompile(`^Patient/\w+`).FindString(after.Detail))
	require.Equal(t, "6281234567002", after.row("whatsapp"))
	require.Equal(t, before.row("telecom"), after.row("telecom"), "what was there stays")
	require.Equal(t, "Budi Santoso", v.last("card", "budi", "omnichannel").row("name"), "the Patient's name, not WhatsApp's")
}

func quarantined(v *viewer) {
	t := v.t
	before := v.last("card", "dewi", "fhir")
	require.Contains(t, before.Detail, "of somebody else")
	require.Equal(t, "review", v.signIn("dewi")["patient"])
	v.seesStep("dewi", "patient", "The Patient waits for a person")
	v.seesStatus("dewi", "patient", "in review")
	require.Contains(t, v.last("step", "dewi", "patient").Detail, "jobs cases")
	require.Equal(t, before, v.last("card", "dewi", "fhir"), "nothing is overwritten")

	v.fault("fhir", true)
	require.Equal(t, "review", v.signIn("dewi")["patient"], "the question is still open")
	v.seesStep("dewi", "patient", "The Patient has to wait")
	v.fault("fhir", false)
	v.seesStep("dewi", "patient", "The Patient waits for a person")

	open, err := v.stage.cases(t.Context())
	require.NoError(t, err)
	require.Len(t, open, 1)
	require.NoError(t, v.stage.operator.Separate(t.Context(), open[0].ID))
	v.seesStep("dewi", "patient", "A Patient of their own is created")
	v.seesStatus("dewi", "patient", "linked")
	v.seesStep("dewi", "chatwoot", "Its id goes to the Patient")
	require.Equal(t, "Dewi", v.last("card", "dewi", "omnichannel").row("name"))
}

func outages(v *viewer) {
	t := v.t
	v.fault("fhir", true)
	v.fault("omnichannel", true)
	v.seesStatus("", "fhir", "is down")
	v.seesStatus("", "omnichannel", "is down")
	require.Equal(t, "pending", v.signIn("anna")["patient"], "the sign-in works all the same")
	v.seesStep("anna", "patient", "The Patient has to wait")
	v.seesStatus("anna", "patient", "pending")

	v.fault("fhir", false)
	v.seesStep("anna", "patient", "The Patient is created")
	v.seesStep("anna", "contact", "The contact has to wait")
	v.seesStatus("anna", "patient", "linked")
	v.fault("omnichannel", false)
	v.seesStep("anna", "contact", "The contact is made")
	v.seesStep("anna", "chatwoot", "Its id goes to the Patient")

	v.fault("fhir", true)
	require.Equal(t, "pending", v.signIn("anna")["patient"])
	v.seesStatus("anna", "patient", "pending")
	v.fault("fhir", false)
	v.seesStep("anna", "patient", "The Patient is found again")
	v.seesStatus("anna", "patient", "linked")
}
