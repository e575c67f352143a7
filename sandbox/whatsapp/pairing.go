package whatsapp

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waAdv"
	"go.mau.fi/whatsmeow/proto/waCompanionReg"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"google.golang.org/protobuf/proto"
)

const (
	pairingTimeout = 30 * time.Second
	pairingRefs    = 6
	qrPrefix       = "https://wa.me/settings/linked_devices#"
)

var errPairing = errors.New("pairing")

// pairing is a client that is not linked yet.
type pairing struct {
	published publicKeys // from its registration
	refs      []string

	mu   sync.Mutex
	code *codePairing // while a code is on display
}

// startPairing checks the registration and shows QR codes.
func (c *conn) startPairing() {
	published, err := decodeRegistration(c.payload.DevicePairingData)
	if err != nil {
		c.srv.complain("%v", err)
		c.refuse(&LoginFault{Reason: 400})
		return
	}
	c.pairing = &pairing{published: published}
	var refs []waBinary.Node
	c.srv.mu.Lock()
	for range pairingRefs {
		ref := "2@" + base64.StdEncoding.EncodeToString(randomBytes(24))
		c.srv.refs[ref] = c
		c.pairing.refs = append(c.pairing.refs, ref)
		refs = append(refs, waBinary.Node{Tag: "ref", Content: []byte(ref)})
	}
	c.srv.mu.Unlock()
	c.srv.spawn(func() {
		ctx, cancel := context.WithTimeout(c.ctx, pairingTimeout)
		defer cancel()
		_, _ = c.ask(ctx, waBinary.Node{ // the answer says nothing
			Tag: "iq", Attrs: waBinary.Attrs{"type": "set", "xmlns": "md"},
			Content: children(waBinary.Node{Tag: "pair-device", Content: refs}),
		})
	})
}

func (c *conn) endPairing() {
	c.srv.mu.Lock()
	defer c.srv.mu.Unlock()
	for _, ref := range c.pairing.refs {
		delete(c.srv.refs, ref)
	}
}

// decodeRegistration reads what a client without a link says about itself.
func decodeRegistration(r *waWa6.ClientPayload_DevicePairingRegistrationData) (publicKeys, error) {
	var p publicKeys
	var props waCompanionReg.DeviceProps
	if err := proto.Unmarshal(r.GetDeviceProps(), &props); err != nil {
		return p, fmt.Errorf("%w: device properties: %w", errPairing, err)
	}
	switch {
	case len(r.GetERegid()) != 4 || len(r.GetESkeyID()) != 3 || len(r.GetESkeySig()) != 64:
		return p, fmt.Errorf("%w: registration with numbers or a signature of a wrong length", errPairing)
	case len(r.GetEKeytype()) != 1 || r.GetEKeytype()[0] != ecc.DjbType:
		return p, fmt.Errorf("%w: registration with key type %x", errPairing, r.GetEKeytype())
	case len(r.GetBuildHash()) != 16:
		return p, fmt.Errorf("%w: registration without a build hash", errPairing)
	}
	p.registration = binary.BigEndian.Uint32(r.GetERegid())
	p.signed.id = binary.BigEndian.Uint32(append([]byte{0}, r.GetESkeyID()...))
	p.signed.signature = [64]byte(r.GetESkeySig())
	var err error
	if p.identity, err = key32(r.GetEIdent()); err != nil {
		return p, fmt.Errorf("%w: identity: %w", errPairing, err)
	}
	if p.signed.key, err = key32(r.GetESkeyVal()); err != nil {
		return p, fmt.Errorf("%w: signed key: %w", errPairing, err)
	}
	if !signedBy(p.identity, p.signed) {
		return p, fmt.Errorf("%w: the signed key's signature is not the identity's", errPairing)
	}
	return p, nil
}

// handlePairing answers one stanza of a client that is not linked.
func (c *conn) handlePairing(n *waBinary.Node) {
	kind := stringAttr(n, "type")
	child := firstChild(n)
	switch {
	case c.pairing == nil: // refused, and still talking
	case n.Tag == "iq" && (kind == "result" || kind == "error"):
		if !c.answered(n) {
			c.unknown(n)
		}
	case n.Tag == "iq" && kind == "get" && stringAttr(n, "xmlns") == "w:p":
		c.result(n)
	case n.Tag == "iq" && kind == "set" && stringAttr(n, "xmlns") == "md" && child.Tag == "link_code_companion_reg":
		c.handleCode(n, &child)
	case n.Tag == "iq":
		c.refuseIQ(n)
	case n.Tag == "ack" && stringAttr(n, "class") == "notification":
	case n.Tag == "ib":
	default:
		c.unknown(n)
	}
}

// qrCode is the content of a QR code.
type qrCode struct {
	ref             string
	noise, identity [32]byte
	secret          []byte
}

func decodeQR(code string) (*qrCode, error) {
	rest, ok := strings.CutPrefix(code, qrPrefix)
	if !ok {
		return nil, fmt.Errorf("%w: not a QR code of WhatsApp", errPairing)
	}
	parts := strings.Split(rest, ",")
	if len(parts) != 5 {
		return nil, fmt.Errorf("%w: QR code with %d parts instead of 5", errPairing, len(parts))
	}
	var keys [3][32]byte
	for i, part := range parts[1:4] {
		raw, err := base64.StdEncoding.DecodeString(part)
		if err == nil {
			keys[i], err = key32(raw)
		}
		if err != nil {
			return nil, fmt.Errorf("%w: QR code, part %d: %w", errPairing, i+2, err)
		}
	}
	if parts[4] == "" {
		return nil, fmt.Errorf("%w: QR code without a client type", errPairing)
	}
	return &qrCode{ref: parts[0], noise: keys[0], identity: keys[1], secret: keys[2][:]}, nil
}

// ScanQR pairs the client that shows this QR code, as the account's phone does. It returns when the client is linked:
// its signature has been verified and it has been told to log in.
func (a *Account) ScanQR(code string) error {
	qr, err := decodeQR(code)
	if err != nil {
		return err
	}
	a.srv.mu.RLock()
	c := a.srv.refs[qr.ref]
	a.srv.mu.RUnlock()
	if c == nil {
		return fmt.Errorf("%w: nobody shows this QR code any more", errPairing)
	}
	if qr.noise != c.static || qr.identity != c.pairing.published.identity {
		return fmt.Errorf("%w: the keys in the QR code are not those of the client that shows it", errPairing)
	}
	return a.pair(c, qr.secret)
}

// pair does what both ways of pairing share: the phone endorses the device, the device signs, and logs in.
func (a *Account) pair(c *conn, secret []byte) error {
	ctx, cancel := context.WithTimeout(a.srv.ctx, pairingTimeout)
	defer cancel()
	d := a.newDevice(c.static, c.pairing.published)
	endorsed, err := a.endorse(d)
	if err != nil {
		return err
	}
	sealed, err := sealIdentity(endorsed, secret)
	if err != nil {
		return err
	}
	answer, err := c.ask(ctx, waBinary.Node{
		Tag: "iq", Attrs: waBinary.Attrs{"type": "set", "xmlns": "md", "t": a.srv.unix()},
		Content: children(waBinary.Node{Tag: "pair-success", Content: children(
			waBinary.Node{Tag: "device-identity", Content: sealed},
			waBinary.Node{Tag: "device", Attrs: waBinary.Attrs{"jid": d.jid, "lid": d.lid}},
			waBinary.Node{Tag: "platform", Attrs: waBinary.Attrs{"name": accountPhoneOS}},
		)}),
	})
	if err != nil {
		return fmt.Errorf("%w: %w", errPairing, err)
	}
	if d.adv, err = verifyDeviceSign(answer, endorsed, d.identity); err != nil {
		return err
	}
	a.link(d)
	c.sendLast(streamError("515"), graceRestart)
	return nil
}

// verifyDeviceSign checks the client's answer to pair-success and completes the endorsement with its signature.
func verifyDeviceSign(answer *waBinary.Node, endorsed *waAdv.ADVSignedDeviceIdentity, identity [32]byte) (*waAdv.ADVSignedDeviceIdentity, error) {
	if kind := stringAttr(answer, "type"); kind != "result" {
		return nil, fmt.Errorf("%w: the client refused: %s", errPairing, describe(answer))
	}
	signed, ok := answer.GetOptionalChildByTag("pair-device-sign", "device-identity")
	if !ok {
		return nil, fmt.Errorf("%w: no device identity in %s", errPairing, describe(answer))
	}
	raw, _ := signed.Content.([]byte)
	var got waAdv.ADVSignedDeviceIdentity
	if err := proto.Unmarshal(raw, &got); err != nil {
		return nil, fmt.Errorf("%w: device identity: %w", errPairing, err)
	}
	var details waAdv.ADVDeviceIdentity
	if err := proto.Unmarshal(endorsed.Details, &details); err != nil {
		return nil, fmt.Errorf("%w: device identity: %w", errPairing, err)
	}
	switch {
	case string(got.Details) != string(endorsed.Details):
		return nil, fmt.Errorf("%w: the client signed other details", errPairing)
	case string(got.AccountSignature) != string(endorsed.AccountSignature):
		return nil, fmt.Errorf("%w: the client changed the account's signature", errPairing)
	case len(got.AccountSignatureKey) != 0:
		return nil, fmt.Errorf("%w: the client sent the account's key back", errPairing)
	case stringAttr(&signed, "key-index") != strconv.Itoa(int(details.GetKeyIndex())):
		return nil, fmt.Errorf("%w: wrong key index", errPairing)
	case len(got.DeviceSignature) != 64:
		return nil, fmt.Errorf("%w: device signature of %d bytes", errPairing, len(got.DeviceSignature))
	}
	message := concat(whatsmeow.AdvDeviceSignaturePrefix, endorsed.Details, identity[:], endorsed.AccountSignatureKey)
	if !ecc.VerifySignature(ecc.NewDjbECPublicKey(identity), message, [64]byte(got.DeviceSignature)) {
		return nil, fmt.Errorf("%w: the device signature is not the client's", errPairing)
	}
	return &waAdv.ADVSignedDeviceIdentity{
		Details: endorsed.Details, AccountSignatureKey: endorsed.AccountSignatureKey,
		AccountSignature: endorsed.AccountSignature, DeviceSignature: got.DeviceSignature,
	}, nil
}
