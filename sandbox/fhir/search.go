package fhir

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// pageParam is the parameter of the links between pages.
const pageParam = "_page"

// inquiry is a search.
type inquiry struct {
	kind   string
	params url.Values
	where  criteria
	count  int  // resources of a page
	total  bool // asked for
	change int  // what the first page saw; -1: this is the first page
	place  int  // of the last resource of the page before
}

func (s *Server) search(c *call) (*answer, error) {
	params, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return nil, bad("The query is malformed")
	}
	if c.r.Method == http.MethodPost {
		raw, err := c.body("application/x-www-form-urlencoded")
		if err != nil {
			return nil, err
		}
		form, err := url.ParseQuery(string(raw))
		if err != nil {
			return nil, bad("The form is malformed")
		}
		for name, values := range form {
			params[name] = append(params[name], values...)
		}
	}
	q, err := s.inquire(c, c.kind, params)
	if err != nil {
		return nil, err
	}
	return &answer{status: http.StatusOK, body: s.page(q)}, nil
}

// inquire reads the parameters of a search.
func (s *Server) inquire(c *call, kind string, params url.Values) (*inquiry, error) {
	q := &inquiry{kind: kind, params: params, count: s.o.PageSize, change: -1}
	for name, values := range params {
		var err error
		switch {
		case slices.Contains(paramsOf(kind), name):
			for _, value := range values {
				group, ok := groupOf(name, value)
				if !ok {
					return nil, s.strange(c, fmt.Sprintf("parameter %q without a value or in an unknown form", name))
				}
				q.where = append(q.where, group)
			}
		case !slices.Contains([]string{"_count", "_total", pageParam}, name):
			return nil, s.strange(c, fmt.Sprintf("unknown parameter %q", name))
		case len(values) != 1:
			return nil, bad("%s is given several times", name)
		case name == "_count":
			err = q.readCount(values[0])
		case name == "_total":
			q.total = values[0] == "accurate"
			if !q.total && values[0] != "none" {
				err = s.strange(c, "unknown value of _total")
			}
		default:
			q.change, q.place, err = readToken(values[0])
		}
		if err != nil {
			return nil, err
		}
	}
	return q, nil
}

func (q *inquiry) readCount(value string) error {
	n, err := strconv.Atoi(value)
	if err != nil || n < 0 {
		return bad("_count is no number")
	}
	q.count = min(q.count, n)
	return nil
}

// page is the Bundle of a page of a search.
func (s *Server) page(q *inquiry) []byte {
	lag := s.faults.indexLag()
	s.store.RLock()
	defer s.store.RUnlock()
	return s.bundle(q, s.store.visible(lag))
}

// bundle is the Bundle of a page that sees the server as it was after a change, unless an earlier page did. The
// caller holds the store.
func (s *Server) bundle(q *inquiry, change int) []byte {
	if q.change >= 0 {
		change = q.change
	}
	var b bytes.Buffer
	b.WriteString(`{"resourceType":"Bundle","type":"searchset"`)
	if q.total {
		fmt.Fprintf(&b, `,"total":%d`, len(s.store.find(q.kind, q.where, change, 0, -1)))
	}
	fmt.Fprintf(&b, `,"link":[{"relation":"self","url":%s}`, quote(s.link(q, "")))
	found := s.store.find(q.kind, q.where, change, q.place, q.count+1)
	if q.count == 0 {
		found = nil // the client asks for the total only
	}
	if len(found) > q.count {
		found = found[:q.count]
		fmt.Fprintf(&b, `,{"relation":"next","url":%s}`, quote(s.link(q, token(change, found[q.count-1].record.place))))
	}
	b.WriteByte(']')
	for i, v := range found {
		b.WriteString([]string{`,"entry":[`, `,`}[min(i, 1)])
		fmt.Fprintf(&b, `{"fullUrl":%s,"resource":`, quote(s.URL()+"/"+v.ref()))
		b.Write(v.body)
		b.WriteString(`,"search":{"mode":"match"}}`)
	}
	if len(found) > 0 {
		b.WriteByte(']')
	}
	b.WriteByte('}')
	return b.Bytes()
}

// link is the URL of a page of a search; an empty token: of this page.
func (s *Server) link(q *inquiry, token string) string {
	params := maps.Clone(q.params)
	if token != "" {
		params[pageParam] = []string{token}
	}
	u := s.URL() + "/" + q.kind
	if len(params) > 0 {
		u += "?" + params.Encode()
	}
	return u
}

// token names a place within the pages of a search: what the first page saw, and where a page ended.
func token(change, place int) string {
	return base64.RawURLEncoding.EncodeToString(fmt.Appendf(nil, "%d.%d", change, place))
}

func readToken(raw string) (change, place int, err error) {
	text, err := base64.RawURLEncoding.DecodeString(raw)
	left, right, _ := strings.Cut(string(text), ".")
	change, err1 := strconv.Atoi(left)
	place, err2 := strconv.Atoi(right)
	if err != nil || err1 != nil || err2 != nil || change < 0 || place < 0 {
		return 0, 0, bad("The page is not known")
	}
	return change, place, nil
}

// groupOf reads the value of a search parameter: keys of which one must fit. It is not ok when a value is missing or
// in a form that the stand-in does not know.
func groupOf(name, value string) (group []string, ok bool) {
	for _, one := range split(value, ',') {
		parts := split(one, '|')
		for i := range parts {
			parts[i] = unescape(parts[i])
		}
		last := parts[len(parts)-1]
		if last == "" || len(parts) > 2 || (len(parts) == 2 && parts[0] == "") {
			return nil, false
		}
		switch {
		case name == byIdentifier && len(parts) == 2:
			group = append(group, key(byIdentifier, parts[0], last))
		case name == "telecom" && len(parts) == 2:
			group = append(group, key(byTelecom, parts[0], last))
		case name == "telecom" && len(parts) == 1:
			group = append(group, key(byValue, "", last))
		case name == "phone" && len(parts) == 1:
			group = append(group, key(byTelecom, "phone", last))
		case name == "_id" && len(parts) == 1:
			group = append(group, key(byID, "", last))
		default:
			return nil, false
		}
	}
	return group, true
}

// split cuts at a separator that no backslash stands before (http://hl7.org/fhir/R4/search.html#escaping).
func split(s string, separator byte) []string {
	var parts []string
	start := 0
	for i := 0; i < len(s); i++ {
		switch s[i] {
		case '\\':
			i++
		case separator:
			parts = append(parts, s[start:i])
			start = i + 1
		}
	}
	return append(parts, s[start:])
}

func unescape(s string) string {
	return strings.NewReplacer(`\\`, `\`, `\,`, `,`, `\|`, `|`, `\$`, `$`).Replace(s)
}
