package phone

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestPageHeadersOnEveryRoute(t *testing.T) {
	t.Parallel()
	b := setup(t)
	paths := regexp.MustCompile(`/assets/[a-z]+\.[0-9a-f]{12}\.[a-z]+`).FindAllString(text(t, b.do(t, "GET", "/", "")), -1)
	require.GreaterOrEqual(t, len(paths), 3)
	for _, path := range append(paths, "/", "/events", "/send", "/fault", "/nothing", "/assets/none.css") {
		for _, method := range []string{"GET", "POST", "PUT"} {
			res := b.do(t, method, path, "{}")
			policy := res.Header.Get("Content-Security-Policy")
			for _, part := range []string{"default-src 'none'", "script-src 'self'", "frame-ancestors 'none'", "base-uri 'none'"} {
				require.Contains(t, policy, part, path)
			}
			require.NotContains(t, policy, "unsafe")
			require.Equal(t, "nosniff", res.Header.Get("X-Content-Type-Options"), path)
			require.Equal(t, "no-referrer", res.Header.Get("Referrer-Policy"), path)
			require.Equal(t, "same-origin", res.Header.Get("Cross-Origin-Opener-Policy"), path)
			require.NotEmpty(t, res.Header.Get("Cache-Control"), path)
		}
	}
}

func TestPageShowsUsersFaultsAndThePhraseAsText(t *testing.T) {
	t.Parallel()
	body := text(t, setup(t, func(c *Config) { c.Phrase = `Say "hi" <b>now</b>` }).do(t, "GET", "/", ""))
	require.NotContains(t, body, "<script>alert")
	require.NotContains(t, body, "<b>now")
	require.Contains(t, body, "Budi &lt;script&gt;")
	require.Contains(t, body, `data-fault="drop"`)
	require.Contains(t, body, `data-phrase="Say &#34;hi&#34; &lt;b&gt;now&lt;/b&gt;"`)
	require.NotRegexp(t, `<style|\sstyle=|\son[a-z]+=|<script[^>]*>[^<]|https?://`, body)
	script, err := files.ReadFile("static/phone.js")
	require.NoError(t, err)
	require.NotRegexp(t, `innerHTML|outerHTML|eval\(|document\.write|insertAdjacent`, string(script))
}

func TestOnlyLinksToTheBotCanBeClicked(t *testing.T) {
	t.Parallel()
	origin, err := url.Parse("http://127.0.0.1:8080")
	require.NoError(t, err)
	const link = "http://127.0.0.1:8080/auth/verify?preAuthSessionId=a-_b%3D&tenantId=public#c0-De_"
	for message, links := range map[string][]string{
		"": nil, "no link": nil, link: {link}, "Open " + link + " now": {link}, "(" + link + ").": {link},
		link + "\n" + link: {link, link}, "HTTP://127.0.0.1:8080/x": nil,
		"http://127.0.0.1:8081/x": nil, "http://127.0.0.1:80800/x": nil, "https://127.0.0.1:8080/x": nil,
		"http://127.0.0.1:8080.evil.example/x": nil, "http://127.0.0.1:8080@evil.example/x": nil,
		"http://user@127.0.0.1:8080/x": nil, `http://127.0.0.1:8080\@evil.example`: nil, `http://127.0.0.1:8080/\x`: nil,
		"javascript:alert(1)": nil, "javascript:http://127.0.0.1:8080/": {"http://127.0.0.1:8080/"},
		"http://127.0.0.1:8080/%zz": nil, "http://evil.example/http://127.0.0.1:8080/": nil,
		`http://127.0.0.1:8080/"><script>alert(1)</script>`: {"http://127.0.0.1:8080/"},
		"http://127.0.0.1:8080/é":                           {"http://127.0.0.1:8080/é"}, "http://": nil,
	} {
		var found []string
		var all strings.Builder
		for _, p := range split(message, origin) {
			all.WriteString(p.Text)
			if p.Href != "" {
				require.Equal(t, p.Text, p.Href)
				found = append(found, p.Href)
			}
		}
		require.Equal(t, links, found, message)
		require.Equal(t, message, all.String(), "nothing of a message is lost")
	}
}

func FuzzSplit(f *testing.F) {
	for _, s := range []string{"a http://127.0.0.1:8080/x b", "http://127.0.0.1:8080@x", "http://http://127.0.0.1:8080", "\x00\xff"} {
		f.Add(s)
	}
	origin := &url.URL{Scheme: "http", Host: "127.0.0.1:8080"}
	f.Fuzz(func(t *testing.T, s string) {
		var all strings.Builder
		for _, p := range split(s, origin) {
			require.NotEmpty(t, p.Text)
			all.WriteString(p.Text)
			if p.Href != "" {
				require.Regexp(t, `^http://127\.0\.0\.1:8080($|[/?#])`, p.Href)
			}
		}
		require.Equal(t, s, all.String())
	})
}

func TestSendPassesTheTextOnAndRefusesTheRest(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, c := range []struct {
		body, kind string
		status     int
	}{
		{`{"user":"ayu","text":" Request login, authenticate me. "}`, "application/json; charset=utf-8", http.StatusOK},
		{`{"user":"budi","text":"` + strings.Repeat("é", 4096) + `"}`, "application/json", http.StatusOK},
		{`{"user":"ayu","text":"` + strings.Repeat("é", 4097) + `"}`, "application/json", http.StatusBadRequest},
		{`{"user":"ayu","text":"` + strings.Repeat("x", 20000) + `"}`, "application/json", http.StatusBadRequest},
		{`{"user":"ayu","text":"  "}`, "application/json", http.StatusBadRequest},
		{`{"user":"nobody","text":"x"}`, "application/json", http.StatusBadRequest},
		{`{"user":"ayu","text":"x","more":1}`, "application/json", http.StatusBadRequest},
		{`{"user":"ayu","text":"x"}{}`, "application/json", http.StatusBadRequest},
		{`[]`, "application/json", http.StatusBadRequest},
		{`{"user":"ayu","text":"x"}`, "text/plain", http.StatusUnsupportedMediaType},
		{`user=ayu&text=x`, "application/x-www-form-urlencoded", http.StatusUnsupportedMediaType},
	} {
		res := b.do(t, "POST", "/send", c.body, "Content-Type", c.kind)
		require.Equal(t, c.status, res.StatusCode, c.body)
		require.Contains(t, text(t, res), `"message"`)
	}
	require.Equal(t, []string{"ayu: Request login, authenticate me.", "budi: " + strings.Repeat("é", 4096)}, b.world.done())
}

func TestSendShowsWhyItDidNotWork(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.world.err = errors.New("the stand-in server is stopped")
	res := b.do(t, "POST", "/send", `{"user":"ayu","text":"x"}`)
	require.Equal(t, http.StatusBadGateway, res.StatusCode)
	require.Contains(t, text(t, res), "the stand-in server is stopped")
}

func TestFaultsAreSwitched(t *testing.T) {
	t.Parallel()
	b := setup(t)
	require.Equal(t, http.StatusOK, b.do(t, "POST", "/fault", `{"id":"core","on":true}`).StatusCode)
	require.Equal(t, http.StatusOK, b.do(t, "POST", "/fault", `{"id":"core","on":false}`).StatusCode)
	require.Equal(t, http.StatusBadRequest, b.do(t, "POST", "/fault", `{"id":"none","on":true}`).StatusCode)
	require.Equal(t, []string{"on core", "off core"}, b.world.done())

	none := setup(t, func(c *Config) { c.Faults = nil })
	require.Equal(t, http.StatusBadRequest, none.do(t, "POST", "/fault", `{"id":"core","on":true}`).StatusCode)
	require.NotContains(t, text(t, none.do(t, "GET", "/", "")), "data-fault")
}

func TestAnotherSiteCannotAct(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for _, path := range []string{"/send", "/fault"} {
		res := b.do(t, "POST", path, `{"user":"ayu","text":"x"}`, "Origin", "https://evil.example", "Sec-Fetch-Site", "cross-site")
		require.Equal(t, http.StatusForbidden, res.StatusCode)
	}
	require.Empty(t, b.world.done())
}

func TestNewRefusesWhatCannotWork(t *testing.T) {
	t.Parallel()
	good := Config{Phone: &world{users: []User{{ID: "a"}}}, BotURL: "http://127.0.0.1:8080"}
	page, err := New(good)
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	require.NoError(t, page.Run(ctx))
	require.ErrorContains(t, page.Run(ctx), "once")
	for _, u := range []string{"", "127.0.0.1:8080", "ftp://x", "http://", "javascript:x", "://"} {
		bad := good
		bad.BotURL = u
		_, err := New(bad)
		require.ErrorContains(t, err, "URL", u)
	}
	for _, p := range []Phone{nil, &world{}} {
		_, err := New(Config{Phone: p, BotURL: good.BotURL})
		require.ErrorContains(t, err, "user")
	}
}

// As wa.me does: the chat opens with a text typed in, and only the bot's own number is anybody here.
func TestLinkToTheChatOpensThePhone(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *Config) { c.BotNumber = "+62 811-1000-2000" })
	for path, want := range map[string]int{
		"/chat/6281110002000?text=Request%20login": http.StatusOK, "/chat/6281110002000": http.StatusOK,
		"/chat/628": http.StatusNotFound, "/chat/": http.StatusNotFound,
	} {
		resp := b.do(t, "GET", path, "")
		require.Equal(t, want, resp.StatusCode, path)
		body := text(t, resp)
		require.Equal(t, want == http.StatusOK, strings.Contains(body, "data-typed"), path)
		require.NotContains(t, body, "Request%20login", "the script reads it")
	}
}
