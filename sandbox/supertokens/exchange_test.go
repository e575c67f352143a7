package supertokens_test

import (
	"maps"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// scenario is a conversation with a fresh number, user and role.
type scenario struct {
	name      string
	exchanges []exchange
}

// exchange is a request and the answer that it must get. In the files:
//
//	== name of a scenario
//	> METHOD path
//	~ Header: value           (no value: the header is left out)
//	> {"json":"body"}
//	< status answer           (may go on in further < lines)
//
// $name stands for a value of the scenario, &name for the same in a query. In an answer "{{kind name}}" stands for
// any value of a kind, which is kept under the name if there is one.
type exchange struct {
	method, path, body string
	header             map[string]string
	status             int
	answer             string
}

func parseScenarios(t *testing.T, raw string) []scenario {
	t.Helper()
	var list []scenario
	answered := true
	for _, line := range strings.Split(raw, "\n") {
		mark, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		if mark == "" || mark == "#" {
			continue
		}
		if mark == "==" {
			list = append(list, scenario{name: rest})
			answered = true
			continue
		}
		s := &list[len(list)-1]
		if mark == ">" && answered {
			method, path, found := strings.Cut(rest, " ")
			require.True(t, found, line)
			s.exchanges = append(s.exchanges, exchange{method: method, path: path, header: map[string]string{}})
			answered = false
			continue
		}
		x := &s.exchanges[len(s.exchanges)-1]
		switch mark {
		case ">":
			x.body += rest
		case "~":
			name, value, _ := strings.Cut(rest, ":")
			x.header[name] = strings.TrimSpace(value)
		case "<":
			if !answered {
				code, first, _ := strings.Cut(rest, " ")
				n, err := strconv.Atoi(code)
				require.NoError(t, err, line)
				x.status, rest, answered = n, first, true
			}
			x.answer += rest
		default:
			require.Fail(t, "not understood", line)
		}
	}
	return list
}

var (
	variable    = regexp.MustCompile(`[$&][a-z][a-z0-9]*\b`)
	placeholder = regexp.MustCompile(`^\{\{([a-z0-9]+)(?: ([a-z0-9]+))?\}\}$`)
	kinds       = map[string]*regexp.Regexp{
		"uuid":    regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`),
		"ms":      regexp.MustCompile(`^1[0-9]{12}$`),
		"second":  regexp.MustCompile(`^1[0-9]{9}000$`),
		"number":  regexp.MustCompile(`^[0-9]+$`),
		"digits6": regexp.MustCompile(`^[0-9]{6}$`),
		"url43":   regexp.MustCompile(`^[A-Za-z0-9_-]{43}$`),
		"std44":   regexp.MustCompile(`^[A-Za-z0-9+/]{43}=$`),
		"jwt":     regexp.MustCompile(`^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$`),
		"refresh": regexp.MustCompile(`^[A-Za-z0-9+/=]+\.[0-9a-f]{64}\.V2$`),
		"base64":  regexp.MustCompile(`^[A-Za-z0-9+/]+=*$`),
		"key":     regexp.MustCompile(`^[A-Za-z0-9_-]{342}$`),
		"dynamic": regexp.MustCompile(`^d-[0-9a-zA-Z-]+$`),
		"static":  regexp.MustCompile(`^s-[0-9a-zA-Z-]+$`),
		"text":    regexp.MustCompile(`(?s)^.+$`),
	}
)

func fillIn(t *testing.T, s string, vars map[string]string) string {
	t.Helper()
	return variable.ReplaceAllStringFunc(s, func(name string) string {
		value, known := vars[name[1:]]
		switch {
		case name[0] == '&' && !known:
			return name // an ampersand of the query
		case name[0] == '&':
			return url.QueryEscape(value)
		}
		require.True(t, known, "no value is known for %s", name)
		return value
	})
}

// compare holds an answer against what is wanted, value by value.
func compare(t *testing.T, at string, want, have any, vars map[string]string) {
	t.Helper()
	switch want := want.(type) {
	case map[string]any:
		object, is := have.(map[string]any)
		require.True(t, is, "%s\nwants an object, has %v", at, have)
		for name := range object {
			require.Contains(t, want, name, "%s\nhas a field too many: %s", at, name)
		}
		for name, value := range want {
			require.Contains(t, object, name, "%s\nmisses %s", at, name)
			compare(t, at+"\nfield "+name, value, object[name], vars)
		}
	case []any:
		list, is := have.([]any)
		require.True(t, is, "%s\nwants a list, has %v", at, have)
		require.Len(t, list, len(want), at)
		if words, is := plainWords(want); is { // databases list them in different orders
			require.ElementsMatch(t, fillAll(t, words, vars), list, at)
			return
		}
		for i, value := range want {
			compare(t, at+"\nitem "+strconv.Itoa(i), value, list[i], vars)
		}
	case string:
		m := placeholder.FindStringSubmatch(want)
		if m == nil {
			require.Equal(t, fillIn(t, want, vars), have, at)
			return
		}
		if object, is := have.(map[string]any); is && m[1] == "user" {
			require.Subset(t, []string{"id", "timeJoined", "tenantIds", "phoneNumber", "email"}, slices.Collect(maps.Keys(object)), at)
			return
		}
		require.Contains(t, kinds, m[1], "%s: no such kind", want)
		value := plain(have)
		require.Regexp(t, kinds[m[1]], value, "%s\nis no %s", at, m[1])
		if m[2] != "" {
			vars[m[2]] = value
		}
	default:
		require.Equal(t, want, have, at)
	}
}

// plainWords are the items of a list that holds nothing but strings without placeholders.
func plainWords(list []any) ([]string, bool) {
	words := make([]string, len(list))
	for i, item := range list {
		word, is := item.(string)
		if !is || placeholder.MatchString(word) {
			return nil, false
		}
		words[i] = word
	}
	return words, true
}

func fillAll(t *testing.T, words []string, vars map[string]string) []any {
	t.Helper()
	filled := make([]any, len(words))
	for i, word := range words {
		filled[i] = fillIn(t, word, vars)
	}
	return filled
}

func plain(v any) string {
	switch v := v.(type) {
	case string:
		return v
	case float64:
		return strconv.FormatFloat(v, 'f', -1, 64)
	}
	return ""
}
