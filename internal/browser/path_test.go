package browser_test

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestDemoPath clicks through the whole demo: a guest writes something down, presses the button, sends the message, opens
// the link, and is signed in where they were, with what they wrote.
func TestDemoPath(t *testing.T) {
	d := startDemo(t)
	b := newBrowser(t)
	b.visit(d.login())
	b.sees("Log in to Konsulin")
	b.click(`a[href="/"]:not(.primary)`)
	writeDown(b, "So-so", "slept badly")
	b.keep("application-guest")
	b.click("[data-login]")
	b.at(d.login())

	phone := b.clickAway("a.primary")
	phone.sees("The message is typed in")
	typed := eval[string](phone, `document.querySelector("[data-text]").value`)
	require.Regexp(t, `^Request login, authenticate me\. #[0-9A-Z]{6}$`, typed)
	phone.keep("phone-typed")
	require.NotEmpty(t, phone.send())

	b.front()
	b.sees("Your message has arrived")
	b.misses("+62")
	b.keep("login-received")

	phone.front()
	landed := phone.clickAway(".bubble.bot a")
	landed.at(d.site + "/")
	landed.sees("In your health record")
	landed.sees("slept badly")
	landed.keep("application-signed-in")

	b.front()
	b.sees("This browser is signed in")
	b.keep("login-done")
	b.click(`[data-state="in"] a.primary`)
	b.at(d.site + "/")
	b.sees("slept badly")

	phone.front()
	phone.sees("The guest's record is claimed")
	phone.sees("1 filled-in form")
	phone.sees("Its id goes to the Patient")
	phone.keep("phone")

	landed.front()
	landed.click("[data-account]")
	landed.sees("Your health record is ready.")
	landed.keep("signed-in")
	landed.click("[data-leave]")
	landed.sees("You are not signed in")
	landed.keep("signed-out")
}

// TestOneTap is the same where messages carry no reference: the browser knows that it began a login, not which.
func TestOneTap(t *testing.T) {
	d := startDemo(t, "--reference=false")
	b := newBrowser(t)
	b.visit(d.site + "/")
	writeDown(b, "Good", "one tap")
	b.click("[data-login]")
	b.at(d.login())
	phone := b.clickAway("a.primary")
	require.Equal(t, phrase, eval[string](phone, `document.querySelector("[data-text]").value`))
	link := phone.send()
	page := phone.clickAway(".bubble.bot a")
	page.sees("+62 812-3456-••••")
	page.sees("comes along")
	page.misses("Last four digits")
	require.NotContains(t, eval[string](page, "location.href"), "#", "the secret is not in the address bar")
	page.keep("verify-tap")
	page.click("[data-confirm]")
	page.at(d.site + "/")
	page.sees("one tap")

	again := b.open(link)
	again.sees("It has been used already")
	again.keep("gone-used")
	again.click("main a.primary")
	again.sees("Log in to Konsulin")
}

// TestExpiredLink: a link that is too old leads to the way to a new one, also on a page that was opened in time.
func TestExpiredLink(t *testing.T) {
	d := startDemo(t, "--lifetime", "20s")
	b := newBrowser(t)
	phone := d.hold(b, "anna")
	link := phone.ask()
	open := b.open(link)
	open.sees("Last four digits")
	open.until(`fetch(location.href).then(r => r.status === 410)`)
	fresh := newBrowser(t)
	fresh.visit(link)
	fresh.sees("It has expired")
	fresh.keep("gone-expired")
	open.front()
	open.write("#digits", "6703")
	open.click("[data-confirm]")
	open.sees("This link does not work any more")
	open.keep("verify-gone")
}

// TestWithoutJavaScript: the login page is whole, the link page says why it is not.
func TestWithoutJavaScript(t *testing.T) {
	d := startDemo(t)
	b := newBrowser(t)
	b.withoutScripts()
	for _, l := range looks() {
		b.wear(l)
		b.visit(d.login())
		b.sees("Login with WhatsApp")
		b.sees("What happens next")
		href, err := url.Parse(eval[string](b, `document.querySelector("a.primary").href`))
		require.NoError(t, err)
		require.Contains(t, href.Query().Get("text"), phrase)
		b.picture("login-without-scripts." + l.name)
	}
	b.click("summary")
	b.sees("In the browser that your device uses for links")

	link := d.hold(newBrowser(t), "siti").ask()
	b.visit(link)
	b.sees("This page needs JavaScript to sign you in")
	b.picture("verify-without-scripts")

	other := newBrowser(t)
	other.visit(link)
	other.write("#digits", "7001")
	other.click("[data-confirm]")
	other.at(d.site + "/auth/signed-in")
	other.sees("You are signed in")
}

// TestPagesOfErrors: what is not there, and what does not answer just now.
func TestPagesOfErrors(t *testing.T) {
	d := startDemo(t)
	b := newBrowser(t)
	b.visit(d.site + "/auth/nothing")
	b.sees("There is nothing here")
	b.keep("not-found")
	for _, lang := range []string{"id", "en"} {
		b.keepLoaded("login-"+lang, d.login()+"&lang="+lang)
	}

	phone := d.hold(b, "siti")
	page := newBrowser(t)
	link := phone.ask()
	page.visit(strings.Split(link, "#")[0])
	page.sees("Please open the link once more")
	page.keep("verify-incomplete")
	page.visit("about:blank") // or the same page would only be told the rest of the address
	page.visit(link)
	phone.click(`[data-fault="core"]`)
	phone.sees("SuperTokens")
	phone.until(`document.querySelector('[data-fault="core"]').getAttribute("aria-pressed") === "true"`)
	page.write("#digits", "7001")
	page.click("[data-confirm]")
	page.sees("That did not work yet")
	page.keep("verify-error")
	phone.click(`[data-fault="core"]`)
	phone.until(`document.querySelector('[data-fault="core"]').getAttribute("aria-pressed") === "false"`)
	page.click("[data-confirm]")
	page.at(d.site + "/auth/signed-in")
	page.sees("You are signed in")
}

// writeDown is a guest at the application.
func writeDown(b *tab, mood, note string) {
	b.t.Helper()
	b.sees("You are a guest")
	b.click(`label:has([value="` + mood + `"])`)
	b.write("#note", note)
	b.click("form button")
	b.until(`document.querySelector("[data-list]").innerText.includes("` + note + `")`)
}
