package whatsapp

import (
	"context"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
)

// User is somebody with a phone who writes to accounts.
type User struct {
	*handset

	inMu  sync.Mutex
	shown []Received
	seen  map[string]bool // account and id
	next  int             // of shown, for Next
	raw   int
	reads map[string]bool
	news  chan struct{} // closed and replaced when something is shown
}

// Received is a message as a phone shows it.
type Received struct {
	ID, Text string
	At       time.Time // by the server's clock
}

// NewUser makes a user with the digits of the number and of the hidden id.
func (s *Server) NewUser(phone, lid, name string) (*User, error) {
	h, err := s.newHandset(phone, lid, name)
	if err != nil {
		return nil, fmt.Errorf("user: %w", err)
	}
	u := &User{handset: h, seen: map[string]bool{}, reads: map[string]bool{}, news: make(chan struct{})}
	h.show = u.show
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users[phone] = u
	return u, nil
}

// Phone is the user's number, digits only.
func (u *User) Phone() string { return u.pn.User }

// LID is the user's hidden id, digits only.
func (u *User) LID() string { return u.lidNow().User }

// Name is what the user calls themselves.
func (u *User) Name() string { return u.name }

// Text sends a text to an account, which its linked device gets at once or when it comes back. It returns the
// message's id. Text never waits for the device.
func (u *User) Text(ctx context.Context, to *Account, text string, how ...SendOption) (string, error) {
	if err := ctx.Err(); err != nil {
		return "", err
	}
	d := to.Device()
	if d == nil {
		return "", ErrNoDevice
	}
	p := sendPlan{id: newMessageID(), at: u.srv.options.Now(), text: text, account: to, device: d}
	for _, option := range how {
		option(&p)
	}
	return p.id, u.send(&p)
}

// Garbled is Text with a ciphertext that the device cannot read, so that it asks for the message again. The phone
// answers by itself, as it does whenever it is asked.
func (u *User) Garbled(ctx context.Context, to *Account, text string, how ...SendOption) (string, error) {
	return u.Text(ctx, to, text, append(how, func(p *sendPlan) { p.garbled = true })...)
}

// Next returns the next message that this phone shows, decrypted, and without repetitions of an id, as a phone does.
// Messages that Received has returned are not skipped.
func (u *User) Next(ctx context.Context) (Received, error) {
	for {
		u.inMu.Lock()
		if u.next < len(u.shown) {
			r := u.shown[u.next]
			u.next++
			u.inMu.Unlock()
			return r, nil
		}
		news := u.news
		u.inMu.Unlock()
		select {
		case <-news:
		case <-ctx.Done():
			return Received{}, fmt.Errorf("wait for a message: %w", ctx.Err())
		case <-u.srv.ctx.Done():
			return Received{}, ErrClosed
		}
	}
}

// Received lists all messages that this phone has shown.
func (u *User) Received() []Received {
	u.inMu.Lock()
	defer u.inMu.Unlock()
	return slices.Clone(u.shown)
}

// Raw is how many times a readable message arrived, repetitions included.
func (u *User) Raw() int {
	u.inMu.Lock()
	defer u.inMu.Unlock()
	return u.raw
}

// Waiting lists the ids of messages that the phone could not read yet ("Waiting for this message").
func (u *User) Waiting() []string {
	u.mu.Lock()
	defer u.mu.Unlock()
	var waiting []string
	for id := range u.failed {
		waiting = append(waiting, id)
	}
	slices.Sort(waiting)
	return waiting
}

// FailNext makes the phone unable to read the next n messages. It asks for each again by itself, and a message that
// is sent again counts as the next one.
func (u *User) FailNext(n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	u.failNext = n
}

// Read tells the account's device that the user has seen these messages (the blue ticks).
func (u *User) Read(to *Account, ids ...string) error {
	d := to.Device()
	if d == nil {
		return ErrNoDevice
	}
	for _, id := range ids {
		u.receipt(envelope{device: d, id: id}, "read")
	}
	return nil
}

// WasRead tells whether the account's device has marked the user's message as read.
func (u *User) WasRead(id string) bool {
	u.inMu.Lock()
	defer u.inMu.Unlock()
	return u.reads[id]
}

// show takes a message that arrived. m is nil for a ciphertext that the phone has read before.
func (u *User) show(e envelope, m *waE2E.Message) bool {
	text := textOf(m)
	if text == "" {
		u.inMu.Lock()
		defer u.inMu.Unlock()
		u.raw++
		return true
	}
	u.put(e.device.acct, e.id, text, e.at)
	return true
}

func (u *User) put(from *Account, id, text string, at time.Time) {
	u.inMu.Lock()
	defer u.inMu.Unlock()
	u.raw++
	key := from.pn.User + " " + id
	if u.seen[key] {
		return
	}
	u.seen[key] = true
	u.shown = append(u.shown, Received{ID: id, Text: text, At: at})
	close(u.news)
	u.news = make(chan struct{})
}

func (u *User) markRead(ids []string) {
	u.inMu.Lock()
	defer u.inMu.Unlock()
	for _, id := range ids {
		u.reads[id] = true
	}
}

// Reinstall gives the phone new keys, as a new phone has, and tells the devices that know it.
func (u *User) Reinstall(knownTo ...*Account) {
	u.mu.Lock()
	u.keys = newRatchets()
	clear(u.failed)
	clear(u.sent)
	u.sentIDs = nil
	lid := u.lid
	u.mu.Unlock()
	for _, a := range knownTo {
		if d := a.Device(); d != nil {
			id := u.srv.nextID()
			d.enqueue("notification", id, waBinary.Node{
				Tag:     "notification",
				Attrs:   waBinary.Attrs{"from": u.pn, "lid": lid, "type": "encrypt", "id": id, "t": u.srv.unix()},
				Content: children(waBinary.Node{Tag: "identity"}),
			})
		}
	}
}

// ChangeLID gives the number a new hidden id, as happens when it gets a new owner. Combine it with Reinstall.
func (u *User) ChangeLID(lid string) error {
	fresh := types.NewJID(lid, types.HiddenUserServer)
	u.srv.mu.Lock()
	defer u.srv.mu.Unlock()
	if _, taken := u.srv.handsets[fresh]; taken {
		return fmt.Errorf("%w: %s", ErrTaken, fresh)
	}
	u.mu.Lock()
	defer u.mu.Unlock()
	delete(u.srv.handsets, u.lid)
	u.lid = fresh
	u.srv.handsets[fresh] = u.handset
	return nil
}

// textOf is what a phone shows of a message, empty for what is not shown.
func textOf(m *waE2E.Message) string {
	switch {
	case m.GetConversation() != "":
		return m.GetConversation()
	case m.GetExtendedTextMessage() != nil:
		return m.GetExtendedTextMessage().GetText()
	case m.GetImageMessage() != nil:
		return m.GetImageMessage().GetCaption()
	}
	return ""
}

func newMessageID() string { return strings.ToUpper(hex.EncodeToString(randomBytes(16))) }

// markRead notes a read receipt for a user's phone.
func (s *Server) markRead(h *handset, ids []string) {
	if u, ok := s.User(h.pn.User); ok {
		u.markRead(ids)
	}
}
