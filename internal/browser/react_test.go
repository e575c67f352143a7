//go:build react

package browser_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path"
	"path/filepath"
	"sync/atomic"
	"testing"

	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// example is the application of web/react/example, beside a demo whose links lead to it.
type example struct {
	demo
	origin string
}

// startExample serves the example as `make react-browser` built it. It knows the API from config.json alone, as any application
// that runs on another origin than the bot.
func startExample(t *testing.T, flags ...string) example {
	t.Helper()
	const built = "../../web/react/dist-example"
	require.FileExists(t, filepath.Join(built, "index.html"), "make react-browser builds the example and runs this test")
	var api atomic.Pointer[string]
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Cache-Control", "no-store")
		if r.URL.Path == "/config.json" {
			w.Header().Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(map[string]string{"apiDomain": *api.Load(), "apiBasePath": "/auth"})
			return
		}
		file := filepath.Join(built, filepath.FromSlash(path.Clean("/"+r.URL.Path)))
		if info, err := os.Stat(file); err != nil || info.IsDir() {
			file = filepath.Join(built, "index.html") // the application draws its paths itself
		}
		http.ServeFile(w, r, file)
	}))
	t.Cleanup(server.Close)
	d := startDemo(t, append([]string{"--app", server.URL}, flags...)...)
	api.Store(&d.site)
	return example{demo: d, origin: server.URL}
}

// inside is an expression that finds what a person can see in SuperTokens' prebuilt UI, which lives in a shadow DOM.
func inside(selector string) string {
	return fmt.Sprintf(`(document.querySelector("#supertokens-root")?.shadowRoot?.querySelector(%q))`, selector)
}

// seesInside waits for words in the prebuilt UI.
func (b *tab) seesInside(words string) {
	b.t.Helper()
	b.until(fmt.Sprintf(`(%s?.innerText ?? "").includes(%q)`, inside("[data-konsulin~=block]"), words))
}

// clickInside presses the mouse button on something in the prebuilt UI.
func (b *tab) clickInside(selector string) {
	b.t.Helper()
	b.until(inside(selector) + ` !== null && !!` + inside(selector))
	type point struct{ X, Y float64 }
	at := eval[point](b, `(() => { const r = `+inside(selector)+`.getBoundingClientRect();
		return { X: r.x + r.width / 2, Y: r.y + r.height / 2 } })()`)
	b.do("click "+selector, chromedp.MouseClickXY(at.X, at.Y))
}

// writeInside types into a field of the prebuilt UI.
func (b *tab) writeInside(selector, text string) {
	b.t.Helper()
	b.clickInside(selector)
	b.do("write into "+selector, chromedp.KeyEvent(text))
}

// noBarriersInside insists that axe-core finds nothing wrong in our part of the prebuilt UI; the rest is SuperTokens'.
func (b *tab) noBarriersInside(name string) {
	b.t.Helper()
	if !b.holds(`typeof axe === "object"`) {
		eval[bool](b, all.axe+"\n;true")
	}
	found := eval[[]violation](b, `axe.run({ fromShadowDom: ["#supertokens-root", "[data-konsulin~=block]"] }, { resultTypes: ["violations"] })
		.then(r => r.violations.map(v => ({ ID: v.id, Help: v.help,
			Nodes: v.nodes.map(n => ({ HTML: n.html, FailureSummary: n.failureSummary })) })))`)
	require.Empty(b.t, found, name)
}

func (b *tab) keepInside(name string) {
	b.t.Helper()
	b.noBarriersInside(name)
	b.picture("react-" + name)
}

// TestReactPath: with SuperTokens' prebuilt UI on an origin of its own, a guest presses the button, sends the message, opens
// the link, and is signed in where they were, with what they wrote.
func TestReactPath(t *testing.T) {
	e := startExample(t)
	b := newBrowser(t)
	b.wear(looks()[0])
	b.visit(e.site + "/")
	writeDown(b, "Good", "before the sign-in")
	b.visit(e.origin + "/journal")
	b.sees("You are a guest")
	b.until(`/^[0-9a-f-]{32,36}$/.test(document.querySelector("#guest").innerText)`)
	b.click("main button")
	b.seesInside("Login with WhatsApp")
	b.keepInside("login")

	phone := b.opens("the button", func() { b.clickInside("a[data-konsulin~=primary]") })
	phone.sees("The message is typed in")
	require.NotEmpty(t, phone.send())
	b.front()
	b.seesInside("Message received")
	b.misses("+62")
	b.keepInside("received")

	phone.front()
	landed := phone.clickAway(".bubble.bot a")
	landed.at(e.origin + "/journal")
	landed.sees("You are signed in")
	landed.sees("your Patient is")
	require.Equal(t, "1", eval[string](landed, `document.querySelector("#brought").innerText`))
	landed.picture("react-signed-in")

	b.front()
	b.at(e.origin + "/journal")
	b.sees("You are signed in")

	landed.front()
	landed.click("main button")
	landed.sees("You are a guest")
}

// TestReactDoors: in a browser where no login began the digits come first; a used link is told; who is signed in as
// somebody else stays so until they say otherwise.
func TestReactDoors(t *testing.T) {
	e := startExample(t)
	phone := e.hold(newBrowser(t), "siti")
	link := phone.ask()
	b := newBrowser(t)
	b.wear(looks()[2])
	b.visit(link)
	b.seesInside("Is this your number?")
	b.seesInside("Tries left: 3")
	b.keepInside("digits")
	b.writeInside("input", "0000")
	b.clickInside("form button")
	b.seesInside("Those are not the last four digits.")
	b.seesInside("Tries left: 2")
	b.keepInside("digits-wrong")
	b.writeInside("input", "7001")
	b.clickInside("form button")
	b.at(e.origin + "/")
	b.sees("You are signed in")
	siti := eval[string](b, `document.querySelector("#user").innerText`)

	late := newBrowser(t)
	late.visit(link)
	late.seesInside("This link cannot be used")
	late.keepInside("gone")
	late.clickInside("button")
	late.seesInside("Login with WhatsApp")

	phone.front()
	phone.take("budi")
	link = phone.ask()
	b.front()
	b.visit(link)
	b.seesInside("Is this your number?") // whom else it concerns is told for the digits
	b.writeInside("input", "7002")
	b.clickInside("form button")
	b.seesInside("Somebody else is signed in here")
	b.keepInside("other")
	b.clickInside("button[data-konsulin~=secondary]")
	b.at(e.origin + "/")
	b.sees("You are signed in")
	require.Equal(t, siti, eval[string](b, `document.querySelector("#user").innerText`))

	b.visit(link)
	b.seesInside("Is this your number?")
	b.writeInside("input", "7002")
	b.clickInside("form button")
	b.seesInside("Somebody else is signed in here")
	b.clickInside("button[data-konsulin~=primary]")
	b.at(e.origin + "/")
	b.sees("You are signed in")
	require.NotEqual(t, siti, eval[string](b, `document.querySelector("#user").innerText`))
}
