package supertokens

import (
	"crypto/rand"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	"github.com/nyaruka/phonenumbers"
)

// core is everything that the core remembers. The server's lock guards it.
type core struct {
	users    userTable
	byPhone  map[string]*user
	byEmail  map[string]*user
	devices  map[string]*device // by preAuthSessionId
	contacts map[contact]map[string]*device
	codes    map[string]*code // by code id
	links    map[string]*code // by hash of the link code
	swept    time.Time        // when expired devices were last thrown away
	sessions map[string]*session
	byUser   map[string]map[string]*session // user id → handle → session
	roles    map[string]map[string]bool     // role → permissions
	granted  map[string]map[string]bool     // user id → roles
	metadata map[string]map[string]any      // user id → metadata
}

func newCore() *core {
	return &core{
		users: userTable{}, byPhone: map[string]*user{}, byEmail: map[string]*user{},
		devices: map[string]*device{}, contacts: map[contact]map[string]*device{},
		codes: map[string]*code{}, links: map[string]*code{},
		sessions: map[string]*session{}, byUser: map[string]map[string]*session{},
		roles: map[string]map[string]bool{}, granted: map[string]map[string]bool{},
		metadata: map[string]map[string]any{},
	}
}

// maybe is a number or an address that may be missing. To the core an empty one is one like any other.
type maybe struct {
	given bool
	value string
}

func given(value string) maybe { return maybe{given: true, value: value} }

// user is a user of the passwordless recipe.
type user struct {
	id           string
	phone, email maybe
	joined       time.Time
}

type userTable map[string]*user

// sorted lists the users as the core pages through them: by the time they joined, then by descending id.
func (t userTable) sorted() []*user {
	list := make([]*user, 0, len(t))
	for _, u := range t {
		list = append(list, u)
	}
	slices.SortFunc(list, func(a, b *user) int {
		if c := a.joined.Compare(b.joined); c != 0 {
			return c
		}
		return strings.Compare(b.id, a.id)
	})
	return list
}

// json is a user as CDI 3.1 shows it.
func (u *user) json() object {
	o := object{"id": u.id, "timeJoined": u.joined.UnixMilli(), "tenantIds": []string{tenant}}
	o.contact(u.phone, u.email)
	return o
}

// contact adds what there is of a number and an address.
func (o object) contact(phone, email maybe) {
	if phone.given {
		o["phoneNumber"] = phone.value
	}
	if email.given {
		o["email"] = email.value
	}
}

// now is the core's clock: it counts milliseconds.
func (s *Server) now() time.Time { return time.UnixMilli(s.o.Now().UnixMilli()) }

// normalPhone writes a number as the core compares it: E.164 if it has a country code behind a plus, else as it is.
// That is why +62… and 62… are two users.
func normalPhone(raw string) string {
	trimmed := trim(raw)
	n, err := phonenumbers.Parse(trimmed, phonenumbers.UNKNOWN_REGION)
	if err != nil {
		return trimmed
	}
	return phonenumbers.Format(n, phonenumbers.E164)
}

func normalEmail(raw string) string { return strings.ToLower(trim(raw)) }

// trim takes off what the core takes off: control characters and the plain space, but no other space.
func trim(s string) string { return strings.TrimFunc(s, func(r rune) bool { return r <= ' ' }) }

func random(n int) []byte {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return b
}

func uuid() string {
	b := random(16)
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	h := hex.EncodeToString(b)
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func sortedKeys[V any](m map[string]V) []string {
	list := make([]string, 0, len(m))
	for k := range m {
		list = append(list, k)
	}
	slices.Sort(list)
	return list
}
