package main

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/konsulin-care/konsulin-bot/sandbox/omnichannel"
	"github.com/konsulin-care/konsulin-bot/sandbox/phone"
)

// The identifiers of a Patient that the page shows.
const (
	systemUserID   = "https://login.konsulin.care/userid"
	systemWhatsApp = "https://login.konsulin.care/whatsapp"
	systemChatwoot = "https://login.konsulin.care/chatwoot-id"
	systemGuest    = "https://login.konsulin.care/guestid"
)

// records are what the FHIR server and the omnichannel system know of a person.
type records struct {
	ref, version, name, telecom string // of the Patient; no ref: there is none
	users, number, chatwoot     string // its identifiers; users are shortened
	contact, called, phone      string // id, name and number of the contact; no id: there is none
	answers                     int    // how many filled-in forms are the Patient's
}

// known finds somebody's records by the digits of the number. A Patient that the bot has linked goes before others.
func known(digits string, patients, answers [][]byte, contacts []omnichannel.Contact) records {
	var r records
	for _, raw := range patients {
		if found, ok := patient(raw, digits); ok && (r.ref == "" || found.linked()) {
			r = found
		}
	}
	for _, c := range contacts {
		if c.Phone == "+"+digits {
			r.contact, r.called, r.phone = strconv.Itoa(c.ID), c.Name, c.Phone
		}
	}
	for _, raw := range answers {
		if r.ref != "" && readAnswer(raw).Author.Reference == r.ref {
			r.answers++
		}
	}
	return r
}

// filledIn is what tells whose a filled-in form is.
type filledIn struct {
	Identifier struct{ System string }
	Author     struct{ Reference string }
}

func readAnswer(raw []byte) (a filledIn) {
	if json.Unmarshal(raw, &a) != nil {
		return filledIn{}
	}
	return a
}

// unclaimed counts the forms that guests have filled in and nobody has claimed.
func unclaimed(answers [][]byte) (n int) {
	for _, raw := range answers {
		if readAnswer(raw).Identifier.System == systemGuest {
			n++
		}
	}
	return n
}

// forms says how many there are.
func forms(n int) string {
	switch n {
	case 0:
		return ""
	case 1:
		return "1 filled-in form"
	}
	return fmt.Sprintf("%d filled-in forms", n)
}

// patient reads a Patient. It answers false when the number is not in it.
func patient(raw []byte, digits string) (records, bool) {
	type coded struct{ System, Value string }
	var v struct {
		ID                  string
		Meta                struct{ VersionID string }
		Identifier, Telecom []coded
		Name                []struct{ Text string }
	}
	if json.Unmarshal(raw, &v) != nil {
		return records{}, false
	}
	r := records{ref: "Patient/" + v.ID, version: v.Meta.VersionID}
	var users []string
	for _, i := range v.Identifier {
		switch i.System {
		case systemUserID:
			users = append(users, shortID(i.Value))
		case systemWhatsApp:
			r.number = i.Value
		case systemChatwoot:
			r.chatwoot = i.Value
		}
	}
	r.users = strings.Join(users, ", ")
	if len(v.Name) > 0 {
		r.name = v.Name[0].Text
	}
	if len(v.Telecom) > 0 {
		r.telecom = v.Telecom[0].Value
	}
	typed := slices.ContainsFunc(v.Telecom, func(t coded) bool { return strings.TrimPrefix(t.Value, "+") == digits })
	return r, typed || r.number == digits
}

// shortID is as much of a user's id as the page shows.
func shortID(id string) string { return id[:min(len(id), 8)] + "…" }

// linked says that the Patient belongs to whoever proved to have the number.
func (r records) linked() bool { return r.users != "" && r.number != "" }

// cards are the records as the page shows them. shared: the Patient is theirs by a gateway.
func (r records) cards(user string, shared bool) []phone.Event {
	about := r.ref + ", version " + r.version
	switch {
	case r.ref == "":
		about = "No Patient has this number."
	case r.users == "":
		about += ", without a user"
	case r.number == "" && !shared:
		about += ", of somebody else"
	}
	inbox := "Contact " + r.contact
	if r.contact == "" {
		inbox = "No contact has this number."
	}
	return []phone.Event{
		{Kind: phone.Card, User: user, ID: "fhir", Title: "On the FHIR server", Detail: about, Rows: filled(
			"name", r.name, "userid", r.users, "whatsapp", r.number, "chatwoot-id", r.chatwoot, "telecom", r.telecom, "owns", forms(r.answers))},
		{Kind: phone.Card, User: user, ID: "omnichannel", Title: "In the omnichannel system", Detail: inbox, Rows: filled(
			"name", r.called, "phone", r.phone)},
	}
}

// filled makes rows of names and values, without those that have none.
func filled(pairs ...string) []phone.Row {
	var rows []phone.Row
	for i := 0; i+1 < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			rows = append(rows, phone.Row{Name: pairs[i], Value: pairs[i+1]})
		}
	}
	return rows
}

// arrival says how the Patient became the person's.
func arrival(was, now records) (title, detail string) {
	switch {
	case was.ref == "":
		return "The Patient is created", "Only if nobody else has just made one."
	case was.ref != now.ref:
		return "A Patient of their own is created", "An operator decided that the other one is somebody else's. The contact follows."
	case was.users == "":
		return "The Patient is adopted", "Two identifiers are added, the rest stays."
	default:
		return "The Patient is shared", "An operator approved: the user is added, the other one stays. The contact follows."
	}
}

// waits explains a case to whoever tries the demo.
func waits(id int64) (title, detail string) {
	return "The Patient waits for a person", fmt.Sprintf("The number stands in somebody else's Patient, typed by hand. Nothing is overwritten; "+
		"the sign-in works. An operator looks with “konsulin-bot jobs cases” and decides: “jobs approve %d” (it is the same "+
		"person) or “jobs separate %d”.", id, id)
}
