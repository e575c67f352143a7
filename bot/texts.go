package bot

import (
	"maps"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"
)

// The keys of the replies. Help lines of commands have keys of their own, see commandRow.
const (
	replyLink     = "link"
	replyLinkCode = "link_code"
	replyStale    = "stale"
	replyLimited  = "limited"
	replyCoreDown = "core_down"
	replyFailed   = "failed"
	replyUnclear  = "unclear"
	replyOther    = "other"
	replyStranger = "stranger"
	replyPaused   = "paused"
	replyRefused  = "refused"

	replyHelp    = "command_help"
	replyWhoami  = "command_whoami"
	replyUnknown = "command_unknown"
	replyDenied  = "command_denied"
	replyLate    = "command_late"
)

// What the templates may use. Strings in here are ours or the operator's, never what somebody else wrote.
type (
	linkData struct {
		URL     string // the link, to stand alone on its line
		Number  string // masked
		Minutes int    // of validity, at least 1
		Code    string // for the browser where the login began; only for replyLinkCode
	}
	limitedData  struct{ Minutes int }             // until it is worth trying again, at least 1
	coreDownData struct{ Minutes int }             // after which the request will have become stale
	otherData    struct{ Human, Emergency string } // as configured
	strangerData struct{ WayOut string }
	helpData     struct{ Commands []helpLine }
	helpLine     struct{ Name, Help string }
	whoamiData   struct{ Number, Level, Language string }
)

// shape is what one reply is tried with when it is loaded.
type shape struct{ samples []sample }

type sample struct {
	data     any
	contains []string // what the text must show
	fields   string   // how an error names that
	line     string   // what must stand alone on a line
}

// replyShapes lists every known reply. Whoever adds a reply adds its key, its data and its shape.
func replyShapes(helpKeys []string) map[string]shape {
	const url = "https://sample.example/verify?a=b#c"
	bare := shape{samples: []sample{{}}}
	minutes := func(make func(int) any) shape {
		return shape{samples: []sample{
			{data: make(1)}, {data: make(72), contains: []string{"72"}, fields: "{{.Minutes}}"},
		}}
	}
	link := sample{
		data:     linkData{URL: url, Number: "+62 812-3456-••••", Minutes: 10},
		contains: []string{"10", "+62 812-3456-••••"}, fields: "{{.Minutes}} and {{.Number}}", line: url,
	}
	soon := link
	soon.data, soon.contains = linkData{URL: url, Number: "+62 812-3456-••••", Minutes: 1}, nil
	wayOut := sample{data: strangerData{WayOut: url}, contains: []string{url}, fields: "{{.WayOut}}"}
	coded, codedSoon := link, soon
	coded.data = linkData{URL: url, Number: "+62 812-3456-••••", Minutes: 10, Code: "123456"}
	coded.contains, coded.fields = append([]string{"123456"}, link.contains...), "{{.Code}}, {{.Minutes}} and {{.Number}}"
	codedSoon.data = linkData{URL: url, Number: "+62 812-3456-••••", Minutes: 1, Code: "123456"}
	shapes := map[string]shape{
		replyLink:     {samples: []sample{link, soon}},
		replyLinkCode: {samples: []sample{coded, codedSoon}},
		replyStale:    bare,
		replyLimited:  minutes(func(n int) any { return limitedData{Minutes: n} }),
		replyCoreDown: minutes(func(n int) any { return coreDownData{Minutes: n} }),
		replyFailed:   bare,
		replyOther: {samples: []sample{{
			data:     otherData{Human: "+62 21 555 0100", Emergency: "119 ext. 8"},
			contains: []string{"+62 21 555 0100", "119 ext. 8"}, fields: "{{.Human}} and {{.Emergency}}",
		}}},
		replyStranger: {samples: []sample{wayOut}},
		replyUnclear:  {samples: []sample{wayOut}},
		replyHelp: {samples: []sample{{
			data:     helpData{Commands: []helpLine{{Name: "/one", Help: "first"}, {Name: "/two", Help: "second"}}},
			contains: []string{"/one", "first", "/two", "second"}, fields: "{{.Name}} and {{.Help}} of {{.Commands}}",
		}}},
		replyWhoami: {samples: []sample{{
			data:     whoamiData{Number: "+62 812-3456-••••", Level: "viewer", Language: "xx"},
			contains: []string{"+62 812-3456-••••", "viewer", "xx"}, fields: "{{.Number}}, {{.Level}} and {{.Language}}",
		}}},
		replyUnknown: bare, replyDenied: bare, replyLate: bare, replyPaused: bare, replyRefused: bare,
	}
	maps.Copy(shapes, deskShapes())
	for _, key := range helpKeys {
		shapes[key] = bare
	}
	return shapes
}

// minutesLeft rounds the life of a link to the nearest minute, so that one of ten minutes that took a second to send
// says ten; what lives says at least one.
func minutesLeft(d time.Duration) int { return max(1, int(d.Round(time.Minute)/time.Minute)) }

// minutesUp rounds a wait up, so that who waits as long as told has waited enough.
func minutesUp(d time.Duration) int { return max(1, int((d+time.Minute-1)/time.Minute)) }

// IsOneLine reports whether s shows as it is, on one line: valid text without breaks, controls, or characters that hide
// or turn the direction of others.
func IsOneLine(s string) bool {
	return utf8.ValidString(s) && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) && !unicode.Is(unicode.Zs, r) })
}

// isURLText reports whether s is one line that a phone shows as one link.
func isURLText(s string) bool {
	if !strings.HasPrefix(s, "https://") && !strings.HasPrefix(s, "http://") {
		return false
	}
	return !strings.ContainsFunc(s, func(r rune) bool { return unicode.IsSpace(r) || !unicode.IsPrint(r) })
}
