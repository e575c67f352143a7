package property_test

import (
	"net/url"
	"regexp"
	"slices"
	"time"

	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/konsulin-care/konsulin-bot/sandbox/supertokens"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// request is a message that asks for a link.
type request struct {
	number    phone.Number
	reference string
	sentAt    time.Time
}

// The states of a link, as they are certain.
const (
	open    = "open" // or expired, or perhaps something else: see link.unsure
	used    = "used"
	revoked = "revoked"
)

// link is one that arrived in a chat.
type link struct {
	reply, preAuth, code string

	owner    phone.Number
	request  request
	made     time.Time
	expires  time.Time
	latest   time.Time // it cannot live longer, whenever it was made
	state    string
	unsure   bool // something failed that may have spent it, or it was made by a run that failed
	wrong    int  // guesses of its number's digits
	opened   bool // somebody came with its whole secret while it may have lived
	sessions int
	tag      string // of the newest offer
}

// bar is what an admin did to a number.
type bar struct {
	blocked bool
	since   time.Time // of the last revocation
}

// model is what must come of what the world did.
type model struct {
	t        *rapid.T
	w        *world
	chats    map[string]phone.Number // who wrote; zero: a hidden address
	requests map[string]request      // by the id that the answer must have
	runs     map[string]int          // of a request's job
	shown    map[string]string       // what recipients see: the first text of each id
	links    []*link
	bars     map[phone.Number]*bar
	tied     map[string]*link           // reference → the link that it is tied to
	torn     map[string][]phone.Number  // reference → who may have it although no link of theirs arrived
	may      map[string]map[string]bool // guest → digits of whom it may become
	granted  []*session                 // all that browsers were given
	began    map[string][]string        // reference → the guests of the browser that began that login
	first    time.Time                  // the clock goes back as well
	latest   time.Time
}

func newModel(t *rapid.T, w *world) *model {
	m := &model{
		t: t, w: w, chats: map[string]phone.Number{}, requests: map[string]request{}, runs: map[string]int{}, shown: map[string]string{},
		bars: map[phone.Number]*bar{}, tied: map[string]*link{}, torn: map[string][]phone.Number{}, began: map[string][]string{}, may: map[string]map[string]bool{},
		first: w.clock.now(), latest: w.clock.now(),
	}
	w.onLine = m.arrives
	return m
}

var linkPattern = regexp.MustCompile(`https://konsulin\.example/auth/verify\?\S+`)

// arrives looks at a message that WhatsApp has taken.
func (m *model) arrives(o bot.Outgoing) {
	n, wrote := m.chats[o.Chat]
	require.True(m.t, wrote, "nothing is sent to somebody who did not write")
	if before, again := m.shown[o.ID]; again {
		if again := linkPattern.FindString(o.Text); again != "" && linkPattern.MatchString(before) {
			require.Equal(m.t, linkPattern.FindString(before), again, "a message that is sent again carries no other link")
		}
		return
	}
	m.shown[o.ID] = o.Text
	address := linkPattern.FindString(o.Text)
	if address == "" {
		return
	}
	asked, did := m.requests[o.ID]
	require.True(m.t, did, "a link answers a request, under the id of its answer")
	require.Equal(m.t, asked.number, n, "a link goes to the number that asked for it")
	now, times := m.w.clock.now(), bot.DefaultTimes()
	require.LessOrEqual(m.t, now.Sub(asked.sentAt), times.StaleAfter, "no link for an old request")
	require.LessOrEqual(m.t, asked.sentAt.Sub(now), times.Skew, "nor for one from the future")
	m.remember(o.ID, address, asked)
}

func (m *model) remember(id, address string, asked request) {
	u, err := url.Parse(address)
	require.NoError(m.t, err)
	now := m.w.clock.now()
	l := &link{
		reply: id, preAuth: u.Query().Get("preAuthSessionId"), code: u.Fragment, owner: asked.number, request: asked,
		made: now, expires: now.Add(linkLife), latest: m.latest.Add(linkLife), state: open, unsure: m.runs[id] > 1,
	}
	for _, other := range m.links {
		require.NotEqual(m.t, other.preAuth, l.preAuth, "each link is one of its own")
		if other.owner == l.owner && other.state == open {
			other.state = revoked // or used, if that was not certain
		}
	}
	m.links = append(m.links, l)
	if before := m.tied[asked.reference]; asked.reference != "" && (before == nil || before.owner == l.owner) {
		m.tied[asked.reference] = l
	}
}

// doubt is what is left of our knowledge about a number's links, and about the login that it named, after a run that failed.
func (m *model) doubt(asked request, but int) {
	for i, l := range m.links {
		if l.owner == asked.number && l.state == open && i < but {
			l.unsure = true
		}
	}
	if asked.reference != "" {
		m.torn[asked.reference] = append(m.torn[asked.reference], asked.number)
	}
}

func (m *model) bar(n phone.Number) *bar {
	if m.bars[n] == nil {
		m.bars[n] = &bar{}
	}
	return m.bars[n]
}

// presented is what a browser comes to the consume route with.
type presented struct {
	link    *link // nil: an invented one
	right   bool  // the whole secret
	digits  string
	bring   bool // the guest
	tag     string
	replace bool // the session of somebody else
	from    *browser
}

func (p presented) digitsRight() bool {
	all := p.link.owner.Digits()
	return p.digits == all[len(all)-4:]
}

// begun says whether a login that was begun in the browser may let it in without digits.
func (m *model) begun(p presented) bool {
	b := p.from
	if b.begunTo.IsZero() || !m.w.clock.now().Before(b.begunTo) {
		return false
	}
	if !m.w.reference {
		return true
	}
	tied := m.tied[b.attempt]
	return tied == p.link && p.link.request.reference == b.attempt
}

// taken is whether a number whose link never arrived may have the login that was begun in the browser.
func (m *model) taken(p presented) bool {
	return slices.ContainsFunc(m.torn[p.from.attempt], func(n phone.Number) bool { return n != p.link.owner })
}

// foreign is whether somebody else is signed in there.
func foreign(p presented) (yes, certain bool) {
	s := p.from.signedIn
	if s == nil || s.number == p.link.owner.Digits() {
		return false, true
	}
	return !s.over, !s.unsure
}

// expect foretells what the route comes to: "ok", or the one reason that it counts; empty: that cannot be told.
func (m *model) expect(p presented) string {
	l := p.link
	now := m.w.clock.now()
	switch {
	case l == nil:
		return "unknown"
	case l.unsure || p.from.unsure:
		return ""
	case l.state != open:
		return l.state
	case !now.Before(l.expires):
		return "expired"
	case !p.right:
		return "wrong_code"
	case m.bar(l.owner).blocked || !m.bar(l.owner).since.Before(l.made):
		return "barred"
	case m.begun(p) && m.taken(p):
		return ""
	case m.begun(p) || p.digitsRight():
	case p.digits == "":
		return "digits"
	case l.wrong == 2:
		return "guessed"
	default:
		return "wrong_digits"
	}
	other, certain := foreign(p)
	switch {
	case !certain && !p.replace:
		return ""
	case other && !p.replace:
		return "other"
	case m.begun(p) || !p.bring:
		return "ok"
	case p.tag == "":
		return "offer" // a yes to nobody
	}
	return "" // whom the tag was for may be gone, or another browser's
}

// opens is what must be true of whoever is given a session, whatever failed on the way.
func (m *model) opens(p presented, s *session) {
	t, l := m.t, p.link
	require.NotNil(t, l, "a session for an invented link")
	require.True(t, p.right, "a session for half a secret")
	users := m.w.core.Users()
	at := slices.IndexFunc(users, func(u supertokens.User) bool { return u.ID == s.user })
	require.GreaterOrEqual(t, at, 0, "the session is a user's")
	require.Equal(t, l.owner.Digits(), users[at].Phone, "a number gets no session of another")
	require.Equal(t, open, l.state, "a link that is used, replaced or taken back makes no session")
	require.Zero(t, l.sessions, "one session for each link")
	require.True(t, m.w.clock.now().Before(l.latest), "opened in time")
	if !l.unsure {
		require.True(t, m.w.clock.now().Before(l.expires), "opened in time")
	}
	require.False(t, m.bar(l.owner).blocked, "a blocked number gets no session")
	require.True(t, m.begun(p) || p.digitsRight(), "a browser in which no login began knows the digits")
	other, certain := foreign(p)
	require.False(t, other && certain && !p.replace, "whoever is signed in is asked first")
}

// mayBring notes whom a guest may become by this.
func (m *model) mayBring(p presented) {
	allow := func(guest string) {
		if guest == "" {
			return
		}
		if m.may[guest] == nil {
			m.may[guest] = map[string]bool{}
		}
		m.may[guest][p.link.owner.Digits()] = true
	}
	if m.begun(p) || p.tag != "" {
		allow(p.from.guest)
	}
	if p.tag != "" { // the login that the link belongs to may have begun elsewhere
		for _, guest := range m.began[p.link.request.reference] {
			allow(guest)
		}
	}
}
