package browser_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/page"
	"github.com/chromedp/cdproto/target"
	"github.com/chromedp/chromedp"
	"github.com/stretchr/testify/require"
)

// patience bounds every single thing that a test does or waits for.
const patience = 60 * time.Second

// look is how a browser shows pages.
type look struct {
	name   string
	width  int64
	height int64
	phone  bool
	dark   bool
}

// The looks in which pages are kept.
func looks() []look {
	return []look{
		{name: "desktop", width: 1200, height: 860}, {name: "desktop-dark", width: 1200, height: 860, dark: true},
		{name: "phone", width: 390, height: 844, phone: true}, {name: "phone-dark", width: 390, height: 844, phone: true, dark: true},
	}
}

// A phone's browser says so.
const phoneAgent = "Mozilla/5.0 (Linux; Android 15; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Mobile Safari/537.36"

// tab is a tab of a browser. Tabs that are opened from it share its cookies.
type tab struct {
	t   *testing.T
	ctx context.Context
}

// newBrowser is a browser that nobody has used: without cookies, with one empty tab.
func newBrowser(t *testing.T) *tab {
	t.Helper()
	ctx, end := chromedp.NewContext(all.chromium, chromedp.WithNewBrowserContext())
	t.Cleanup(end)
	b := &tab{t: t, ctx: ctx}
	require.NoError(t, chromedp.Do(ctx, chromedp.Navigate("about:blank"))) // attaches for as long as ctx lives
	b.wear(looks()[0])
	return b
}

// open opens an address in a new tab of the same browser.
func (b *tab) open(address string) *tab {
	b.t.Helper()
	ctx, end := chromedp.NewContext(b.ctx)
	b.t.Cleanup(end)
	n := &tab{t: b.t, ctx: ctx}
	require.NoError(b.t, chromedp.Do(ctx, chromedp.Navigate("about:blank"))) // as above
	n.wear(looks()[0])
	n.visit(address)
	return n
}

// do runs actions one after the other, each within the patience.
func (b *tab) do(what string, steps ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	for _, step := range steps {
		ctx, cancel := context.WithTimeout(b.ctx, patience)
		err := chromedp.Do(ctx, step)
		cancel()
		if err != nil {
			require.NoError(b.t, err, "%s\n%s", what, b.state())
		}
	}
}

// state is what a failure tells about the page.
func (b *tab) state() string {
	ctx, cancel := context.WithTimeout(b.ctx, 5*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Evaluate[string](`location.href.split("#")[0] + "\n" + (document.body ? document.body.innerText : "")`))
	if err != nil {
		return "the page does not answer: " + err.Error()
	}
	return "the page: " + text
}

// eval asks the page.
func eval[T any](b *tab, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	require.NoError(b.t, err, "%s\n%s", expression, b.state())
	return v
}

// holds says whether it is so now; a page that is just changing answers false.
func (b *tab) holds(expression string) bool {
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, chromedp.Evaluate[bool](expression, chromedp.EvalAwaitPromise))
	return err == nil && v
}

// until waits until it is so. Asked from outside, so that it works across pages and without scripts.
func (b *tab) until(expression string) {
	b.t.Helper()
	deadline := time.Now().Add(patience)
	for !b.holds(expression) {
		if time.Now().After(deadline) {
			require.Fail(b.t, "it does not come to pass", "%s\n%s", expression, b.state())
		}
		time.Sleep(50 * time.Millisecond)
	}
}

// sees waits for words that a person can read.
func (b *tab) sees(words string) {
	b.t.Helper()
	quoted, err := json.Marshal(words)
	require.NoError(b.t, err)
	b.until(`!!document.body && document.body.innerText.includes(` + string(quoted) + `)`)
}

// misses says that there are no such words now.
func (b *tab) misses(words string) {
	b.t.Helper()
	require.NotContains(b.t, eval[string](b, `document.body.innerText`), words)
}

func (b *tab) visit(address string) {
	b.t.Helper()
	b.do("open "+strings.Split(address, "#")[0], chromedp.Navigate(address))
}

// at waits until the tab shows an address.
func (b *tab) at(address string) {
	b.t.Helper()
	b.until(fmt.Sprintf(`location.href === %q`, address))
}

// click presses the mouse button where the element is, once the page is there and it can be seen.
func (b *tab) click(selector string) {
	b.t.Helper()
	b.until(fmt.Sprintf(`document.readyState === "complete" && !!document.querySelector(%q)`, selector))
	b.do("click "+selector, chromedp.Click(chromedp.CSS(selector), chromedp.NodeVisible))
}

// write types into a field, key by key.
func (b *tab) write(selector, text string) {
	b.t.Helper()
	b.do("write into "+selector, chromedp.SendKeys(chromedp.CSS(selector), text, chromedp.NodeVisible))
}

// front brings the tab before the others: a page knows whether somebody sees it.
func (b *tab) front() {
	b.t.Helper()
	b.do("bring to the front", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, page.BringToFront, cdp.Empty{})
		return err
	}))
}

// clickAway clicks what opens a new tab, and answers that tab.
func (b *tab) clickAway(selector string) *tab {
	b.t.Helper()
	return b.opens(selector, func() { b.click(selector) })
}

// opens does what opens a new tab, and answers that tab.
func (b *tab) opens(what string, do func()) *tab {
	b.t.Helper()
	before := b.tabs()
	do()
	deadline := time.Now().Add(patience)
	for {
		for id := range b.tabs() {
			if !before[id] {
				ctx, end := chromedp.NewContext(b.ctx, chromedp.WithTargetID(id))
				b.t.Cleanup(end)
				n := &tab{t: b.t, ctx: ctx}
				require.NoError(b.t, chromedp.Do(ctx)) // as above
				n.wear(looks()[0])
				n.until(`document.readyState === "complete" && location.href !== "about:blank"`)
				return n
			}
		}
		if time.Now().After(deadline) {
			require.Fail(b.t, "no tab opens", "%s\n%s", what, b.state())
		}
		time.Sleep(20 * time.Millisecond)
	}
}

// tabs are the open tabs of all browsers.
func (b *tab) tabs() map[target.ID]bool {
	b.t.Helper()
	targets, err := chromedp.Targets(b.ctx)
	require.NoError(b.t, err)
	ids := map[target.ID]bool{}
	for _, t := range targets {
		if t.Type == "page" {
			ids[t.TargetID] = true
		}
	}
	return ids
}

// wear gives the tab a look. The next page that is loaded is served for it, too.
func (b *tab) wear(l look) {
	b.t.Helper()
	scheme, agent := "light", ""
	if l.dark {
		scheme = "dark"
	}
	options := []chromedp.EmulateViewportOption{}
	if l.phone {
		agent = phoneAgent
		options = append(options, chromedp.EmulateScale(1.5), chromedp.EmulateMobile)
	}
	b.do("wear "+l.name, chromedp.EmulateViewport(l.width, l.height, options...),
		chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			_, err := cdp.Call(ctx, t, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{
				Features: []*emulation.MediaFeature{
					{Name: "prefers-color-scheme", Value: scheme}, {Name: "prefers-reduced-motion", Value: "reduce"},
				},
			})
			return err
		}),
		chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
			_, err := cdp.Call(ctx, t, emulation.SetUserAgentOverride, emulation.SetUserAgentOverrideParams{UserAgent: agent})
			return err
		}))
}

// withoutScripts switches JavaScript off for the pages that follow.
func (b *tab) withoutScripts() {
	b.t.Helper()
	b.do("switch scripts off", chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := cdp.Call(ctx, t, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
		return err
	}))
}

// picture keeps a picture of the whole page, where pictures are kept. Only what is in front is drawn.
func (b *tab) picture(name string) {
	b.t.Helper()
	if all.shots == "" {
		return
	}
	b.front()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	require.NoError(b.t, chromedp.Do(ctx, chromedp.Func(func(ctx context.Context, t *chromedp.Target) error {
		_, err := chromedp.Evaluate[bool](`scrollTo(0, 0); true`)(ctx, t)
		return err
	})))
	png, err := chromedp.Run(ctx, chromedp.FullScreenshot(100))
	require.NoError(b.t, err)
	require.NotEmpty(b.t, png)
	require.NoError(b.t, os.WriteFile(filepath.Join(all.shots, name+".png"), png, 0o600))
}
