package bot

import (
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"testing"

	"github.com/stretchr/testify/require"
)

// TestEveryOutcomeIsListed: what the code can count is what the metrics begin with.
func TestEveryOutcomeIsListed(t *testing.T) {
	t.Parallel()
	parsed, err := parser.ParseFile(token.NewFileSet(), "outcome.go", nil, 0)
	require.NoError(t, err)
	var found []string
	ast.Inspect(parsed, func(n ast.Node) bool {
		if spec, ok := n.(*ast.ValueSpec); ok {
			for _, v := range spec.Values {
				literal, ok := v.(*ast.BasicLit)
				require.True(t, ok)
				value, err := strconv.Unquote(literal.Value)
				require.NoError(t, err)
				found = append(found, value)
			}
		}
		return true
	})
	require.ElementsMatch(t, found, append(Outcomes(), Kinds()...))
}

// TestEachBudgetThatIsEmptyHasAReasonOfItsOwn: the number's, its day's, that of new numbers; everybody's only delays.
func TestEachBudgetThatIsEmptyHasAReasonOfItsOwn(t *testing.T) {
	t.Parallel()
	for outcome, limits := range map[string]func(*Limits){
		"limited":     func(l *Limits) { l.Number.Burst = 1 },
		"limited_day": func(l *Limits) { l.NumberDay.Burst = 1 },
		"limited_new": func(l *Limits) { l.NewNumbers.Burst = 1 },
		"crowded":     func(l *Limits) { l.Global.Burst = 1 },
	} {
		w := setup(t, func(c *Config) { limits(&c.Limits) })
		n, other := number(t, 10), number(t, 11)
		w.receive(t, n, "A", tap)
		w.run()
		if outcome == "limited" || outcome == "limited_day" {
			other = n
			w.now = w.now.Add(w.cfg.Times.Coalesce + 1)
		}
		w.receive(t, other, "B", tap)
		w.run()
		require.Equal(t, 1, w.counts["login link"], outcome)
		require.Equal(t, 1, w.counts["login "+outcome], "%s: %v", outcome, w.counts)
	}
}

// TestNothingIsMadeOrSentWithoutStorage: a budget that cannot be asked is no budget.
func TestNothingIsMadeOrSentWithoutStorage(t *testing.T) {
	t.Parallel()
	w := setup(t)
	n := number(t, 10)
	w.receive(t, n, "A", tap)
	w.fault = func(op string) error { return errors.New(op + ": the database is closed") }
	w.run()
	require.Error(t, w.bot.Receive(t.Context(), w.message(n, "B", tap)))
	require.Empty(t, w.sent)
	require.Empty(t, w.links)
	require.Equal(t, 2, w.counts["login storage"], "one that was waiting, one that came: %v", w.counts)
}
