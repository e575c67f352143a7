package security

import (
	"fmt"
	"strings"
)

// Passed is the result of a test that was run and held.
const Passed = "holds"

// Page is docs/security.md. result says how a test in a directory ended.
func Page(threats []Threat, places Places, result func(dir, test string) string) string {
	var b strings.Builder
	b.WriteString(`# Attacks, and what stops them

Made by ` + "`make security`" + `, which runs every test of the table; do not edit it. What this login protects, what it cannot, and how
to report a weakness is in [SECURITY.md](../SECURITY.md).

The secret travels from the phone to the browser: the message proves the number, the link carries the secret. A message must
never log in a browser that waits somewhere else. That is the one rule that everything here protects.

| attack | what stops it | test | result |
| --- | --- | --- | --- |
`)
	for _, t := range threats {
		var tests, results []string
		for _, name := range t.Tests {
			for _, dir := range places[name] {
				tests = append(tests, fmt.Sprintf("`%s` in %s", name, dir))
				results = append(results, result(dir, name))
			}
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s |\n", t.Attack, t.Stops, strings.Join(tests, "<br>"), strings.Join(results, "<br>"))
	}
	return b.String()
}
