package website

import (
	"encoding/json"
	"slices"
	"time"
)

// The identifiers that tell whose something is.
const (
	systemGuest = "https://login.konsulin.care/guestid"
	systemUser  = "https://login.konsulin.care/userid"
)

type identifier struct {
	System string `json:"system"`
	Value  string `json:"value"`
}

type reference struct {
	Reference string `json:"reference,omitempty"`
}

// questionnaireResponse is as much of the FHIR resource as this application writes and reads.
type questionnaireResponse struct {
	ResourceType  string      `json:"resourceType"`
	Status        string      `json:"status"`
	Questionnaire string      `json:"questionnaire"`
	Identifier    *identifier `json:"identifier,omitempty"`
	Author        *reference  `json:"author,omitempty"`
	Authored      string      `json:"authored"`
	Item          []item      `json:"item"`
}

type item struct {
	LinkID string   `json:"linkId"`
	Text   string   `json:"text"`
	Answer []answer `json:"answer"`
}

type answer struct {
	ValueString string `json:"valueString"`
}

// response is what a guest answered.
func response(guest, mood, note string, at time.Time) questionnaireResponse {
	r := questionnaireResponse{
		ResourceType: "QuestionnaireResponse", Status: "completed", Questionnaire: "https://konsulin.example/Questionnaire/check-in",
		Identifier: &identifier{System: systemGuest, Value: guest}, Authored: at.UTC().Format(time.RFC3339),
		Item: []item{{LinkID: "mood", Text: "How do you feel today?", Answer: []answer{{mood}}}},
	}
	if note != "" {
		r.Item = append(r.Item, item{LinkID: "note", Text: "Anything that you want to remember?", Answer: []answer{{note}}})
	}
	return r
}

// ofGuest recognises what a guest wrote and nobody has claimed.
func ofGuest(guest string) func(questionnaireResponse) bool {
	return func(r questionnaireResponse) bool {
		return guest != "" && r.Identifier != nil && *r.Identifier == identifier{systemGuest, guest}
	}
}

// ofUser recognises what belongs to the Patient of a user.
func ofUser(user string, patients [][]byte) func(questionnaireResponse) bool {
	var refs []string
	for _, raw := range patients {
		var p struct {
			ID         string
			Identifier []identifier
		}
		if json.Unmarshal(raw, &p) == nil && slices.Contains(p.Identifier, identifier{systemUser, user}) {
			refs = append(refs, "Patient/"+p.ID)
		}
	}
	return func(r questionnaireResponse) bool {
		return r.Author != nil && slices.Contains(refs, r.Author.Reference)
	}
}

// entry is one answer as the page shows it.
type entry struct {
	At   string `json:"at"`
	Mood string `json:"mood"`
	Note string `json:"note,omitempty"`
}

// list picks somebody's answers, newest first.
func list(all [][]byte, mine func(questionnaireResponse) bool) []entry {
	entries := []entry{}
	for _, raw := range slices.Backward(all) {
		var r questionnaireResponse
		if json.Unmarshal(raw, &r) != nil || !mine(r) {
			continue
		}
		e := entry{At: r.Authored}
		for _, i := range r.Item {
			switch {
			case len(i.Answer) == 0:
			case i.LinkID == "mood":
				e.Mood = i.Answer[0].ValueString
			case i.LinkID == "note":
				e.Note = i.Answer[0].ValueString
			}
		}
		entries = append(entries, e)
	}
	return entries
}
