package e2e_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
)

// lines are the log lines that say something.
func lines(t *testing.T, log, message string) (found []map[string]any) {
	t.Helper()
	for line := range strings.Lines(log) {
		var v map[string]any
		if strings.HasSuffix(line, "\n") && json.Unmarshal([]byte(line), &v) == nil && v["message"] == message {
			found = append(found, v)
		}
	}
	return found
}

// TestOneIDTellsTheWholeStory: whoever searches the log for the id of an answered login request finds the sign-in and
// every job that followed, whichever process ran it, and nobody else's.
func TestOneIDTellsTheWholeStory(t *testing.T) {
	t.Parallel()
	s := newBehind(t)
	w := newWorld(t, storage.SQLite, s.join)
	b := w.pairAndStart()
	for range 2 { // two people, two stories
		newBrowser(t, b.URL()).signIn(t, w.requestLink(w.user()))
	}
	kinds := []string{"login.answer", "fhir.sync", "contact.sync", "fhir.chatwoot_id"}
	stories := func() map[any][]string {
		told := map[any][]string{}
		for _, l := range lines(t, b.Log(), "job done") {
			told[l["request"]] = append(told[l["request"]], l["kind"].(string))
		}
		return told
	}
	require.Eventually(t, func() bool {
		done := 0
		for _, story := range stories() {
			done += len(story)
		}
		return done == 2*len(kinds)
	}, time.Minute, 50*time.Millisecond)
	told := stories()
	require.Len(t, told, 2)
	answered := lines(t, b.Log(), "message answered")
	signedIn := lines(t, b.Log(), "signed in")
	require.Len(t, answered, 2)
	require.Len(t, signedIn, 2)
	served := map[any]bool{}
	for _, l := range lines(t, b.Log(), "served") {
		served[l["request"]] = true
	}
	for i := range 2 {
		id := answered[i]["request"]
		require.NotEmpty(t, id)
		require.ElementsMatch(t, kinds, told[id])
		require.Equal(t, id, signedIn[i]["request"])
		require.True(t, served[signedIn[i]["via"]], "the sign-in also names the HTTP request that it came with")
	}
}
