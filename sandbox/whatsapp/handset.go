package whatsapp

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.mau.fi/libsignal/signalerror"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waE2E"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

const (
	maxRetries    = 5    // after which a phone gives up on a message that it cannot read
	maxResendable = 1000 // how many of its own messages a phone can send again
)

// handset is a phone: the primary device of a user or of the bot's account, with its own Signal keys. What arrives
// is worked off in order by one goroutine that lives as long as there is something to do.
type handset struct {
	srv  *Server
	name string
	pn   types.JID
	// show is called for every message that could be read, in order, by the phone's goroutine. It returns whether the
	// sender hears of the delivery.
	show func(e envelope, m *waE2E.Message) bool

	inboxMu sync.Mutex
	inbox   []envelope
	working bool

	mu       sync.Mutex // the phone's state
	lid      types.JID
	keys     *ratchets
	failNext int
	failed   map[string]int // how often a message could not be read
	sent     map[string]*sentMessage
	sentIDs  []string // oldest first
}

// envelope is a message on its way to a phone.
type envelope struct {
	device     *Device // the sender
	id         string
	at         time.Time
	kind       string // of ciphertext
	sealed     []byte
	retry      int  // which retry this answers, 0 for the first
	copied     bool // our own message, for our own phone
	peer       bool // a message between the devices of one account
	deviceInfo []byte
}

// sentMessage is what a phone needs to send a message again.
type sentMessage struct {
	device *Device
	plain  []byte
	stanza func(encs ...waBinary.Node) waBinary.Node
}

func (s *Server) newHandset(phone, lid, name string) (*handset, error) {
	for _, digits := range []string{phone, lid} {
		if _, err := strconv.ParseUint(digits, 10, 64); err != nil || strings.HasPrefix(digits, "0") {
			return nil, fmt.Errorf("%q: digits only, without leading zeros", digits)
		}
	}
	h := &handset{
		srv: s, name: name, pn: types.NewJID(phone, types.DefaultUserServer), lid: types.NewJID(lid, types.HiddenUserServer),
		keys: newRatchets(), failed: map[string]int{}, sent: map[string]*sentMessage{},
	}
	return h, s.register(h)
}

func (h *handset) lidNow() types.JID {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.lid
}

func (h *handset) bundle() []waBinary.Node {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.keys.bundle()
}

// deviceNumbers lists the phone and, for an account, its linked device.
func (h *handset) deviceNumbers() []uint16 {
	numbers := []uint16{0}
	if a, ok := h.srv.Account(h.pn.User); ok {
		if d := a.Device(); d != nil {
			numbers = append(numbers, d.jid.Device)
		}
	}
	return numbers
}

// deliver puts a message into the phone's inbox.
func (h *handset) deliver(e envelope) {
	h.inboxMu.Lock()
	defer h.inboxMu.Unlock()
	h.inbox = append(h.inbox, e)
	if !h.working {
		h.working = h.srv.spawn(h.work)
	}
}

func (h *handset) work() {
	for {
		h.inboxMu.Lock()
		batch := h.inbox
		h.inbox = nil
		if len(batch) == 0 || h.srv.ctx.Err() != nil {
			h.working = false
			h.inboxMu.Unlock()
			return
		}
		h.inboxMu.Unlock()
		for _, e := range batch {
			h.receive(e)
		}
	}
}

// receive reads one message: it is shown, or the sender is asked for it again.
func (h *handset) receive(e envelope) {
	m, err := h.read(e)
	switch {
	case errors.Is(err, signalerror.ErrOldCounter):
		// The very same ciphertext once more: a duplicate, which a phone acknowledges and does not show.
		h.show(e, nil)
		h.receipt(e, "")
	case errors.Is(err, errStanza):
		h.srv.complain("message %s: %v", e.id, err)
	case err != nil:
		h.askAgain(e)
	default:
		if h.show(e, m) {
			h.receipt(e, "")
		}
	}
}

func (h *handset) read(e envelope) (*waE2E.Message, error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.failNext > 0 {
		h.failNext--
		return nil, errCiphertext
	}
	plain, err := h.keys.decrypt(e.device.lid.SignalAddress(), e.kind, e.sealed, e.device.identity)
	if err != nil {
		return nil, err
	}
	delete(h.failed, e.id)
	m := &waE2E.Message{}
	if err := proto.Unmarshal(plain, m); err != nil {
		return nil, fmt.Errorf("%w: %w", errStanza, err)
	}
	return m, nil
}

// askAgain sends a retry receipt. From the second time on, and if there is no session at all, it carries keys for a
// new one.
func (h *handset) askAgain(e envelope) {
	h.mu.Lock()
	defer h.mu.Unlock()
	count := h.failed[e.id] + 1
	h.failed[e.id] = count
	if count > maxRetries {
		return
	}
	content := children(
		waBinary.Node{Tag: "retry", Attrs: waBinary.Attrs{"count": count, "id": e.id, "t": e.at.Unix(), "v": 1}},
		h.keys.registrationNode(),
	)
	if count > 1 || !h.keys.hasSession(e.device.lid.SignalAddress()) {
		content = append(content, h.keys.retryKeys())
	}
	e.device.enqueue("receipt", e.id, waBinary.Node{
		Tag:     "receipt",
		Attrs:   waBinary.Attrs{"from": h.lid, "id": e.id, "type": "retry", "t": h.srv.unix()},
		Content: content,
	})
}

// receipt tells the sender that a message arrived, or with a kind that more happened to it.
func (h *handset) receipt(e envelope, kind string) {
	if e.copied || e.peer {
		return
	}
	attrs := waBinary.Attrs{"from": h.lidNow(), "id": e.id, "t": h.srv.unix()}
	if kind != "" {
		attrs["type"] = kind
	}
	e.device.enqueue("receipt", e.id, waBinary.Node{Tag: "receipt", Attrs: attrs})
}

// sendToLocked encrypts a message for a linked device and puts it into its queue. stanza wraps what was encrypted; it
// is called again when the device asks for the message again. The caller holds h.mu.
func (h *handset) sendToLocked(p *sendPlan, m *waE2E.Message, stanza func(encs ...waBinary.Node) waBinary.Node) error {
	plain, err := proto.Marshal(m)
	if err != nil {
		return fmt.Errorf("encode message: %w", err)
	}
	enc, err := h.sealLocked(p.device, plain)
	if err != nil {
		return err
	}
	if p.garbled {
		sealed, _ := enc.Content.([]byte)
		sealed[len(sealed)-1] ^= 1 // the end of the authentication code
	}
	h.rememberLocked(p.id, &sentMessage{device: p.device, plain: plain, stanza: stanza})
	p.device.enqueue("message", p.id, stanza(enc))
	return nil
}

func (h *handset) sealLocked(d *Device, plain []byte) (waBinary.Node, error) {
	address := d.lid.SignalAddress()
	if !h.keys.hasSession(address) {
		if err := h.keys.startSession(address, d.takeBundle()); err != nil {
			return waBinary.Node{}, err
		}
	}
	kind, sealed, err := h.keys.encrypt(address, plain)
	if err != nil {
		return waBinary.Node{}, err
	}
	return waBinary.Node{Tag: "enc", Attrs: waBinary.Attrs{"v": "2", "type": kind}, Content: sealed}, nil
}

func (h *handset) rememberLocked(id string, m *sentMessage) {
	if _, again := h.sent[id]; !again {
		h.sentIDs = append(h.sentIDs, id)
	}
	h.sent[id] = m
	if len(h.sentIDs) > maxResendable {
		delete(h.sent, h.sentIDs[0])
		h.sentIDs = h.sentIDs[1:]
	}
}

// resend answers a retry receipt of a linked device: the same message, encrypted again, in a new session if the
// device sent keys for one.
func (h *handset) resend(d *Device, id string, count int, fresh *publicKeys) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	m, ok := h.sent[id]
	if !ok || m.device != d {
		return fmt.Errorf("retry of message %s, which this phone did not send", id)
	}
	if fresh != nil {
		if err := h.keys.startSession(d.lid.SignalAddress(), *fresh); err != nil {
			return err
		}
	}
	enc, err := h.sealLocked(d, m.plain)
	if err != nil {
		return err
	}
	enc.Attrs["count"] = count
	d.enqueue("message", id, m.stanza(enc))
	return nil
}
