package supertokens_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
)

// together asks the same thing n times at once and counts the answers by their status words.
func (g *target) together(t *testing.T, n int, path, body string) map[string]int {
	t.Helper()
	words := make(chan string, n)
	var wg sync.WaitGroup
	for range n {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, g.url+path, strings.NewReader(body))
		require.NoError(t, err)
		req.Header.Set("api-key", g.key)
		req.Header.Set("cdi-version", "3.1")
		wg.Go(func() { words <- g.word(req) })
	}
	wg.Wait()
	close(words)
	counts := map[string]int{}
	for word := range words {
		counts[word]++
	}
	return counts
}

// word is the status word of an answer, or what went wrong.
func (g *target) word(req *http.Request) string {
	res, err := g.client.Do(req)
	if err != nil {
		return err.Error()
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		return err.Error()
	}
	var answer struct{ Status string }
	if json.Unmarshal(raw, &answer) != nil {
		return string(raw)
	}
	return answer.Status
}

func TestOfManyConsumesOneWins(t *testing.T) {
	sideBySide(t)
	g := setupTarget(t)
	phone := "62" + randomDigits(t)
	made := g.ask(t, http.MethodPost, "/public"+createPath, `{"phoneNumber":"`+phone+`"}`)
	body := `{"preAuthSessionId":"` + made["preAuthSessionId"].(string) + `","linkCode":"` + made["linkCode"].(string) + `"}`
	counts := g.together(t, 50, "/public/recipe/signinup/code/consume", body)
	require.Equal(t, map[string]int{"OK": 1, "RESTART_FLOW_ERROR": 49}, counts)
}

func TestOfManyRefreshesNoneIsTheft(t *testing.T) {
	sideBySide(t)
	g := setupTarget(t)
	made := g.ask(t, http.MethodPost, "/public/recipe/session",
		`{"userId":"u","userDataInJWT":{},"userDataInDatabase":{},"enableAntiCsrf":false}`)
	body := `{"refreshToken":"` + made["refreshToken"].(map[string]any)["token"].(string) + `","enableAntiCsrf":false}`
	counts := g.together(t, 20, "/recipe/session/refresh", body)
	require.Equal(t, map[string]int{"OK": 20}, counts, "two tabs may refresh at once")
}
