package bot

import (
	"errors"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func referenced(t *testing.T) *world {
	t.Helper()
	w := setup(t)
	w.cfg.Reference = true
	w.restart(t)
	return w
}

func TestAReferenceBehindThePhraseReachesTheLink(t *testing.T) {
	t.Parallel()
	for text, reference := range map[string]string{
		"Request login, authenticate me. #K7QM2X":      "K7QM2X",
		"Request login, authenticate me #K7QM2X":       "K7QM2X",
		"  authenticate ME!   #k7qm2x \n":              "K7QM2X",
		"Request login, authenticate me.":              "",
		"Request login, authenticate me.\u00a0#000000": "000000",
	} {
		w := referenced(t)
		w.receive(t, number(t, 10), "A", text)
		w.run()
		require.Equal(t, []string{reference}, w.named, "%q", text)
		require.Len(t, w.sent, 1)
		require.NotContains(t, w.sent[0].Text, "K7QM2X", "what somebody wrote is never written back")
	}
}

func TestOnlyOneReferenceAndNothingElseMayFollowThePhrase(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"Request login, authenticate me. #K7QM2X #K7QM2X", "Request login, authenticate me.#K7QM2X",
		"Request login, authenticate me. #K7QM2", "Request login, authenticate me. #K7QM2XX", "Request login, authenticate me. K7QM2X",
		"Request login, authenticate me. #K7QM2I", "Request login, authenticate me. #K7QM2U", "Request login, authenticate me. #K7QM2X.",
		"Request login, authenticate me. #K7QM2X please", "please Request login, authenticate me. #K7QM2X", "#K7QM2X",
		"#K7QM2X Request login, authenticate me.", "Request login, #K7QM2X authenticate me.",
		"Authenticate me" + strings.Repeat(" ", maxText) + " #K7QM2X",
	} {
		w := referenced(t)
		w.receive(t, number(t, 10), "A", text)
		w.run()
		require.Empty(t, w.named, "%q", text)
	}
}

func TestWithoutReferencesAMessageWithOneIsOtherText(t *testing.T) {
	t.Parallel()
	w := setup(t)
	w.receive(t, number(t, 10), "A", "Request login, authenticate me. #K7QM2X")
	w.run()
	require.Empty(t, w.named)
	require.Len(t, w.sent, 1, "the answer to other text")
}

func TestARetriedRequestKeepsItsReference(t *testing.T) {
	t.Parallel()
	w := referenced(t)
	w.coreDown = errors.New("connection refused")
	w.receive(t, number(t, 10), "A", "Authenticate me #K7QM2X")
	w.run()
	w.coreDown = nil
	w.restart(t)
	w.now = w.now.Add(pauseFresh * 2)
	w.run()
	require.GreaterOrEqual(t, len(w.named), 2)
	for _, reference := range w.named {
		require.Equal(t, "K7QM2X", reference)
	}
}

func TestACodeIsSentWithItsWarning(t *testing.T) {
	t.Parallel()
	w := referenced(t)
	w.code = "042137"
	w.receive(t, number(t, 10), "A", "Authenticate me #K7QM2X")
	w.run()
	require.Len(t, w.sent, 1)
	require.Contains(t, w.sent[0].Text, "042137")
	require.Contains(t, w.sent[0].Text, "Jangan pernah memberitahukan kode ini")
	require.Contains(t, strings.Split(w.sent[0].Text, "\n"), linkBase+"id="+w.sent[0].ID+"#code")
}
