package contact

import (
	"encoding/json"
	"errors"
	"regexp"
	"strings"

	"github.com/konsulin-care/konsulin-bot/internal/phone"
)

// What can be wrong with an answer. None of them repeats it.
var (
	errNoArray   = errors.New("it is not an array of contacts")
	errNoContact = errors.New("it holds no contact of this number")
	errManyIDs   = errors.New("it holds several contacts of this number")
	errBadID     = errors.New("chatwoot_id is neither a positive integer nor the text of an id")
)

// The two forms of an id. Both are kept as text, digit by digit: a float would round a long one.
var (
	wholeID = regexp.MustCompile(`^[1-9][0-9]{0,18}$`)
	textID  = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._:-]{0,63}$`)
	zeroID  = regexp.MustCompile(`^0+$`)
)

// row is one contact of an answer. The two spellings of the number come from two versions of the service.
type row struct {
	ID    json.RawMessage `json:"chatwoot_id"`
	Snake *string         `json:"phone_number"`
	Camel *string         `json:"phoneNumber"`
}

// chatwootID reads the id of n's contact: that of the row which names n, else that of the only row if it names no
// number at all. An id beside another number is somebody else's.
func chatwootID(text []byte, n phone.Number) (string, error) {
	var rows []row
	if err := json.Unmarshal(text, &rows); err != nil || rows == nil {
		return "", errNoArray
	}
	found := ""
	for _, r := range rows {
		if !r.names(n) && (len(rows) > 1 || !r.namesNobody()) {
			continue
		}
		id, err := readID(r.ID)
		switch {
		case err != nil:
			return "", err
		case found != "" && found != id:
			return "", errManyIDs
		}
		found = id
	}
	if found == "" {
		return "", errNoContact
	}
	return found, nil
}

// names reports whether the row is about n and about nobody else.
func (r row) names(n phone.Number) bool {
	named := false
	for _, p := range []*string{r.Snake, r.Camel} {
		if p == nil || *p == "" {
			continue
		}
		if digits(*p) != n.Digits() {
			return false
		}
		named = true
	}
	return named
}

func (r row) namesNobody() bool {
	return (r.Snake == nil || *r.Snake == "") && (r.Camel == nil || *r.Camel == "")
}

// digits is a number without its plus and what people put between.
func digits(s string) string {
	return strings.TrimPrefix(strings.NewReplacer(" ", "", "-", "", "(", "", ")", "", ".", "").Replace(s), "+")
}

func readID(raw json.RawMessage) (string, error) {
	if wholeID.Match(raw) {
		return string(raw), nil
	}
	var id string
	if err := json.Unmarshal(raw, &id); err != nil || !textID.MatchString(id) || zeroID.MatchString(id) {
		return "", errBadID
	}
	return id, nil
}
