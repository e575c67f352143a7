package browser_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// user is who is signed in in this browser; empty: nobody.
func (b *tab) user() string {
	b.t.Helper()
	return eval[string](b, `fetch("/auth/session", { headers: { rid: "session", "st-auth-mode": "cookie" } })
		.then(r => r.ok ? r.json() : {}).then(s => s.userId || "")`)
}

// began is a browser in which a guest wrote something down and began a login, and the link that came for it.
func began(t *testing.T, d demo, note string) (b *tab, link string) {
	t.Helper()
	b = newBrowser(t)
	b.visit(d.site + "/")
	writeDown(b, "Good", note)
	b.click("[data-login]")
	b.at(d.login())
	return b, b.clickAway("a.primary").send()
}

// TestForeignBrowserNeedsDigits: in a browser where the login did not begin, the number's last four digits come first, and
// nothing but the masked number is told before them.
func TestForeignBrowserNeedsDigits(t *testing.T) {
	d := startDemo(t)
	a, link := began(t, d, "stays where it is")
	b := newBrowser(t)
	b.visit(link)
	b.sees("Last four digits of your number")
	b.sees("You have 3 tries.")
	b.sees("+62 812-3456-••••")
	told := eval[string](b, `fetch("/auth/login/link" + location.search).then(r => r.text())`)
	for _, word := range []string{"filled-in form", "stays where it is", "Bring along what", "Somebody else"} {
		b.misses(word)
		require.NotContains(t, told, word)
	}
	require.NotContains(t, told, "Questionnaire")
	require.Equal(t, d.site+"/auth/signed-in", eval[string](b, `new URL(document.querySelector("[data-verify]").dataset.next, location).href`),
		"nor where the login wanted to go")
	b.keep("verify-digits")

	b.click("[data-confirm]")
	b.sees("Please type the last four digits")
	b.write("#digits", "0000")
	b.click("[data-confirm]")
	b.sees("Those are not the last four digits")
	b.sees("You have 2 tries.")
	b.keep("verify-digits-wrong")
	require.Empty(t, b.user())
	b.misses("filled-in form")
	b.write("#digits", "7001")
	b.click("[data-confirm]")
	b.sees("one filled-in form")
	b.misses("Last four digits of your number")
	require.False(t, eval[bool](b, `document.querySelector("[data-bring]").checked`), "default: no")
	require.Empty(t, b.user(), "an offer signs nobody in")
	b.keep("verify-offer")
	b.click("[data-confirm]")
	b.at(d.site + "/")
	b.sees("Signed in")
	b.sees("Nothing yet.")
	a.front()
	a.visit(d.site + "/")
	a.sees("You are a guest")
	a.sees("stays where it is")

	_, link = began(t, d, "comes along")
	c := newBrowser(t)
	c.visit(link)
	c.write("#digits", "7001")
	c.click("[data-confirm]")
	c.sees("one filled-in form")
	c.click("[data-bring]")
	c.click("[data-confirm]")
	c.at(d.site + "/")
	c.sees("comes along")
}

// TestForeignGuestNotClaimed: a yes is to the guest that was shown. When that one is gone meanwhile, nobody comes instead.
func TestForeignGuestNotClaimed(t *testing.T) {
	d := startDemo(t)
	a, link := began(t, d, "mine before")
	b := newBrowser(t)
	b.visit(d.site + "/")
	writeDown(b, "Good", "of whoever used this computer")
	b.visit(link)
	b.write("#digits", "7001")
	b.click("[data-confirm]")
	b.sees("In the browser where this login began")
	b.click("[data-bring]")

	a.front()
	a.visit(link) // where it began is faster
	a.at(d.site + "/")
	b.front()
	b.click("[data-confirm]")
	b.sees("This link does not work any more")
	require.Empty(t, b.user())
	b.visit(d.site + "/")
	b.sees("You are a guest")
	b.sees("of whoever used this computer")
	a.front()
	a.misses("of whoever used this computer")
	a.sees("mine before")

	// Of this browser's own, and in Indonesian.
	phone := d.hold(newBrowser(t), "budi")
	own := phone.ask()
	b.front()
	b.visit(strings.Replace(own, "?", "?lang=id&", 1))
	b.write("#digits", "7002")
	b.click("[data-confirm]")
	b.sees("di peramban ini tanpa masuk")
	b.sees("satu formulir yang sudah diisi")
	b.keep("verify-offer-here-id")
	b.click("[data-confirm]")
	b.at(d.site + "/auth/signed-in?lang=id")
	b.visit(d.site + "/")
	b.misses("of whoever used this computer")
}

// TestThreeWrongGuesses end a link, also for whoever knows better afterwards.
func TestThreeWrongGuesses(t *testing.T) {
	d := startDemo(t)
	b := newBrowser(t)
	link := d.hold(b, "siti").ask()
	thief, owner := newBrowser(t), newBrowser(t)
	thief.visit(link)
	owner.visit(link)
	for _, left := range []string{"You have 2 tries.", "You have one try left."} {
		thief.write("#digits", "1234")
		thief.click("[data-confirm]")
		thief.sees(left)
	}
	thief.keep("verify-digits-last")
	thief.write("#digits", "1234")
	thief.click("[data-confirm]")
	thief.sees("This link does not work any more")
	owner.write("#digits", "7001")
	owner.click("[data-confirm]")
	owner.sees("This link does not work any more")
	require.Empty(t, owner.user())
}

// TestVictimKeepsOwnSession: a link of somebody else does not end a session by itself.
func TestVictimKeepsOwnSession(t *testing.T) {
	d := startDemo(t)
	b := newBrowser(t)
	phone := d.hold(b, "budi")
	victim := newBrowser(t)
	victim.visit(phone.ask())
	victim.write("#digits", "7002")
	victim.click("[data-confirm]")
	victim.at(d.site + "/auth/signed-in")
	before := victim.user()
	require.NotEmpty(t, before)

	phone.take("siti")
	link := phone.ask()
	victim.visit(link)
	victim.sees("Last four digits of your number")
	victim.misses("Somebody else is signed in here")
	victim.write("#digits", "7001")
	victim.click("[data-confirm]")
	victim.sees("Somebody else is signed in here")
	require.Equal(t, before, victim.user(), "also after the right digits")
	victim.keep("verify-other")
	victim.click("a.quiet")
	victim.at(d.site + "/auth/signed-in")
	require.Equal(t, before, victim.user())

	victim.visit(link)
	victim.write("#digits", "7001")
	victim.click("[data-confirm]")
	victim.sees("Somebody else is signed in here")
	require.Equal(t, "End it and sign in", eval[string](victim, `document.querySelector("[data-confirm]").innerText`))
	victim.click("[data-confirm]")
	victim.at(d.site + "/auth/signed-in")
	require.NotEqual(t, before, victim.user(), "who says so is signed in anew")
	require.NotEmpty(t, victim.user())
}

// TestForeignAttemptNeverSignsIn: whoever sends the message, the browser that waits for it learns that it came and nothing
// else.
func TestForeignAttemptNeverSignsIn(t *testing.T) {
	d := startDemo(t)
	attacker := newBrowser(t)
	attacker.visit(d.login())
	phone := attacker.clickAway("a.primary")
	link := phone.send() // the victim's phone, with the attacker's reference
	victim := newBrowser(t)
	victim.visit(link)
	victim.write("#digits", "7001")
	victim.click("[data-confirm]")
	victim.at(d.site + "/") // the attacker's guest did nothing, so there is nothing to ask
	require.NotEmpty(t, victim.user())
	attacker.front()
	attacker.sees("Your message has arrived")
	attacker.misses("+62")
	require.Empty(t, attacker.user())
}

// TestDesktopCode: with the code from the chat a computer is signed in although the link is on the phone. No script is
// needed for it.
func TestDesktopCode(t *testing.T) {
	d := startDemo(t, "--code")
	b := newBrowser(t)
	b.withoutScripts()
	b.visit(d.login())
	b.sees("Type the code from the chat")
	phone := b.clickAway("a.primary")
	phone.sees("The message is typed in")
	phone.send()
	code := regexp.MustCompile(`\b\d{6}\b`).FindString(eval[string](phone, `[...document.querySelectorAll(".bubble.bot p")].at(-1).innerText`))
	require.NotEmpty(t, code, "the reply carries a code")
	phone.keep("phone-code")
	wrong := map[bool]string{true: "111111", false: "222222"}[code != "111111"]
	b.write("#code", wrong)
	b.click(".code button")
	b.sees("That is not the code. You have 4 tries left.")
	b.picture("login-code-wrong")
	b.write("#code", code)
	b.click(".code button")
	b.at(d.site + "/")
	foreign := newBrowser(t)
	foreign.visit(d.login())
	foreign.write("#code", code)
	foreign.click(".code button")
	foreign.sees("This code does not work any more")
	foreign.keep("login-code")
}
