package phone

import (
	"encoding/json"
	"net/url"
	"regexp"
	"strings"
)

// wire is an event as the page's script reads it.
type wire struct {
	Kind   Kind   `json:"kind"`
	User   string `json:"user,omitempty"`
	ID     string `json:"id,omitempty"`
	At     int64  `json:"at,omitempty"` // Unix milliseconds
	Bot    bool   `json:"bot,omitempty"`
	Parts  []part `json:"parts,omitempty"`
	Tick   Ticks  `json:"tick,omitempty"`
	Flow   string `json:"flow,omitempty"`
	Title  string `json:"title,omitempty"`
	Detail string `json:"detail,omitempty"`
	State  State  `json:"state,omitempty"`
	On     bool   `json:"on,omitempty"`
	Rows   []Row  `json:"rows,omitempty"`
}

// part is a piece of a message: plain text, or a link when Href is there.
type part struct {
	Text string `json:"text"`
	Href string `json:"href,omitempty"`
}

// wire answers false for an event that the page could not show.
func (p *Page) wire(e Event) ([]byte, bool) {
	switch e.Kind {
	case Message, Tick, Step, Status, Card, Switch:
	default:
		return nil, false
	}
	w := wire{
		Kind: e.Kind, User: e.User, ID: e.ID, Bot: e.FromBot, Tick: e.Tick, Flow: e.Flow, Title: e.Title,
		Detail: e.Detail, State: e.State, On: e.On, Rows: e.Rows,
	}
	if !e.At.IsZero() {
		w.At = e.At.UnixMilli()
	}
	if e.Kind == Message {
		w.Parts = split(e.Text, p.links)
	}
	data, err := json.Marshal(w)
	return data, err == nil
}

// address is what looks like a link in a message.
var address = regexp.MustCompile(`https?://[^\s<>"']+`)

// split cuts a message into text and links. Only an address on the bot's own origin becomes a link: everything else,
// however it looks, stays text.
func split(text string, origin *url.URL) []part {
	var parts []part
	say := func(s string) {
		if s != "" {
			parts = append(parts, part{Text: s})
		}
	}
	rest := 0
	for _, at := range address.FindAllStringIndex(text, -1) {
		found := strings.TrimRight(text[at[0]:at[1]], ".,;:!?)]}*")
		u, err := url.Parse(found)
		if err != nil || u.Scheme != origin.Scheme || u.Host != origin.Host || u.User != nil || strings.Contains(found, `\`) {
			continue
		}
		say(text[rest:at[0]])
		parts = append(parts, part{Text: found, Href: found})
		rest = at[0] + len(found)
	}
	say(text[rest:])
	return parts
}
