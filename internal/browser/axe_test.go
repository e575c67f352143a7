package browser_test

import (
	"fmt"
	"strings"

	"github.com/stretchr/testify/require"
)

// violation is a rule that axe-core finds broken, and where.
type violation struct {
	ID    string
	Help  string
	Nodes []struct{ HTML, FailureSummary string }
}

// barriers are what axe-core finds wrong on the page as it is now: all rules of WCAG up to level AA, and best practice.
func (b *tab) barriers() (found []violation) {
	b.t.Helper()
	if !b.holds(`typeof axe === "object"`) {
		eval[bool](b, all.axe+"\n;true")
	}
	return eval[[]violation](b, `axe.run(document, { resultTypes: ["violations"] }).then(r => r.violations.map(v => ({
		ID: v.id, Help: v.help, Nodes: v.nodes.map(n => ({ HTML: n.html, FailureSummary: n.failureSummary }))
	})))`)
}

// noBarriers insists that the page as it is now has none.
func (b *tab) noBarriers(name string) {
	b.t.Helper()
	var text strings.Builder
	for _, v := range b.barriers() {
		fmt.Fprintf(&text, "%s: %s\n", v.ID, v.Help)
		for _, n := range v.Nodes {
			fmt.Fprintf(&text, "  %s\n  %s\n", n.HTML, n.FailureSummary)
		}
	}
	require.Empty(b.t, text.String(), name)
}

// keep keeps a picture of the page as it is now in every look, and checks it for barriers in two of them, which between
// them have both sizes and both colour schemes.
func (b *tab) keep(name string) {
	b.t.Helper()
	b.keepAs(name, func() {})
}

// keepLoaded does the same with a page that is loaded for each look.
func (b *tab) keepLoaded(name, address string) {
	b.t.Helper()
	b.keepAs(name, func() { b.visit(address) })
}

func (b *tab) keepAs(name string, prepare func()) {
	b.t.Helper()
	for _, l := range looks() {
		b.wear(l)
		prepare()
		if l.phone == l.dark {
			b.noBarriers(name + " as " + l.name)
		}
		b.picture(name + "." + l.name)
	}
	b.wear(looks()[0])
}
