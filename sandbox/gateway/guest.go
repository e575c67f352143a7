package gateway

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/url"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

const (
	guestCookie = "anon_session"
	guestLife   = 30 * 24 * time.Hour
	record      = "QuestionnaireResponse"
)

// guestClaims is what a guest's token says.
type guestClaims struct {
	GuestID string `json:"guest_id"`
	Role    string `json:"role"`
	jwt.RegisteredClaims
}

// beGuest answers POST /anonymous-session: the guest of this browser, or a new one.
func (s *Server) beGuest(c *call) (any, error) {
	given := c.cookie(guestCookie)
	id, known := s.readGuest(given)
	if !known || c.r.URL.Query().Get("force_new") == "true" {
		id, known = newGuestID(), false
		var err error
		if given, err = s.guestToken(id); err != nil {
			return nil, err
		}
	}
	s.setCookie(c, guestCookie, given, "/", s.o.Now().Add(guestLife))
	return object{"success": true, "message": "Anonymous session created successfully",
		"data": object{"token": given, "guest_id": id, "is_new": !known, "role": "guest"}}, nil
}

func (s *Server) guestToken(id string) (string, error) {
	now := s.o.Now()
	return jwt.NewWithClaims(jwt.SigningMethodHS256, guestClaims{GuestID: id, Role: "guest", RegisteredClaims: jwt.RegisteredClaims{
		IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(guestLife)),
	}}).SignedString(s.guest)
}

func (s *Server) readGuest(token string) (id string, ok bool) {
	var claims guestClaims
	_, err := jwt.ParseWithClaims(token, &claims, func(*jwt.Token) (any, error) { return s.guest, nil },
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithTimeFunc(s.o.Now), jwt.WithExpirationRequired())
	return claims.GuestID, err == nil && claims.GuestID != ""
}

// claimGuest answers PATCH /anonymous/claim. It says claimed: true also when the guest's token was bad or nothing was
// found, and reads the first page only, as the gateway does.
func (s *Server) claimGuest(c *call) (any, error) {
	x, err := s.who(c)
	if err != nil {
		return nil, err
	}
	given := c.cookie(guestCookie)
	if given == "" {
		return nothing{}, nil
	}
	refs := []string{}
	if id, known := s.readGuest(given); known && s.o.FHIR != "" {
		if refs, err = s.claim(c, x.Session.UserID, id); err != nil {
			return nil, err
		}
	}
	s.setCookie(c, guestCookie, "", "/", time.Unix(0, 0))
	return object{"success": true, "message": "Anonymous resources claimed successfully",
		"data": object{"claimed": true, "count": len(refs), "referenceList": refs}}, nil
}

// claim gives the first page of a guest's records to the user's Patient, in one transaction without If-Match.
func (s *Server) claim(c *call, userID, guestID string) ([]string, error) {
	owned, err := s.search(c.ctx, "Patient", url.Values{"identifier": {systemUserID + "|" + userID}})
	if err != nil {
		return nil, err
	}
	if len(owned) == 0 {
		return nil, refusal{http.StatusNotFound, "the user has no Patient"}
	}
	p, err := readPatient(owned[0])
	if err != nil {
		return nil, err
	}
	owner, err := json.Marshal(object{"reference": "Patient/" + p.id})
	if err != nil {
		return nil, err
	}
	found, err := s.search(c.ctx, record, url.Values{"identifier": {systemGuest + "|" + guestID}})
	if err != nil {
		return nil, err
	}
	refs, entries := []string{}, []object{}
	for _, raw := range found {
		var fields map[string]json.RawMessage
		var v struct {
			ID              string
			Subject, Author struct{ Reference string }
		}
		if json.Unmarshal(raw, &fields) != nil || json.Unmarshal(raw, &v) != nil ||
			of(v.Subject.Reference, "Patient/"+p.id) || of(v.Author.Reference, "Patient/"+p.id) {
			continue
		}
		fields["subject"], fields["author"] = owner, owner
		delete(fields, "identifier")
		refs = append(refs, record+"/"+v.ID)
		entries = append(entries, object{"resource": fields, "request": object{"method": http.MethodPut, "url": record + "/" + v.ID}})
	}
	if len(entries) == 0 {
		return refs, nil
	}
	slices.Sort(refs)
	_, err = s.fhir(c.ctx, http.MethodPost, "", object{"resourceType": "Bundle", "type": "transaction", "entry": entries})
	return refs, err
}

// of says whether a reference is somebody else's.
func of(reference, owner string) bool { return reference != "" && reference != owner }

// newGuestID is a random UUID.
func newGuestID() string {
	b := make([]byte, 16)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}
