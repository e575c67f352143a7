package whatsapp

import (
	"encoding/binary"
	"errors"
	"fmt"

	"go.mau.fi/libsignal/ecc"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/keys"
)

// lowPreKeys is when the server asks a device for more one-time keys; the client uploads below the same number.
const lowPreKeys = 5

var errPreKeys = errors.New("bad prekeys")

// publicKeys is what a device publishes so that others can start a session with it.
type publicKeys struct {
	registration uint32
	identity     [32]byte
	signed       publicKey
	oneTime      []publicKey
}

type publicKey struct {
	id        uint32
	key       [32]byte
	signature [64]byte // only of the signed one
}

// uploadPreKeys takes the keys that a device publishes.
func (c *conn) uploadPreKeys(n *waBinary.Node) {
	got, err := decodePublicKeys(n)
	if err == nil {
		err = c.device.publish(got)
	}
	if err != nil {
		c.srv.complain("%v in %s", err, describe(n))
		c.fail(n, 406, "not-acceptable")
		return
	}
	c.result(n)
}

// decodePublicKeys reads an upload and checks what can be checked without knowing the device.
func decodePublicKeys(n *waBinary.Node) (*publicKeys, error) {
	registration := bytesOf(n, "registration")
	if len(registration) != 4 {
		return nil, fmt.Errorf("%w: registration id of %d bytes", errPreKeys, len(registration))
	}
	if kind := bytesOf(n, "type"); len(kind) != 1 || kind[0] != ecc.DjbType {
		return nil, fmt.Errorf("%w: key type %x", errPreKeys, kind)
	}
	identity, err := key32(bytesOf(n, "identity"))
	if err != nil {
		return nil, fmt.Errorf("%w: identity: %w", errPreKeys, err)
	}
	p := &publicKeys{registration: binary.BigEndian.Uint32(registration), identity: identity}
	signed := n.GetChildByTag("skey")
	if p.signed, err = decodePublicKey(&signed); err != nil {
		return nil, err
	}
	if !signedBy(identity, p.signed) {
		return nil, fmt.Errorf("%w: the signed key's signature is not the identity's", errPreKeys)
	}
	list := n.GetChildByTag("list")
	for _, child := range list.GetChildren() {
		key, err := decodePublicKey(&child)
		if err != nil {
			return nil, err
		}
		p.oneTime = append(p.oneTime, key)
	}
	return p, nil
}

func decodePublicKey(n *waBinary.Node) (publicKey, error) {
	var p publicKey
	id := bytesOf(n, "id")
	if len(id) != 3 {
		return p, fmt.Errorf("%w: key id of %d bytes", errPreKeys, len(id))
	}
	p.id = uint32(id[0])<<16 | uint32(id[1])<<8 | uint32(id[2])
	var err error
	if p.key, err = key32(bytesOf(n, "value")); err != nil {
		return p, fmt.Errorf("%w: key: %w", errPreKeys, err)
	}
	if n.Tag == "skey" {
		signature := bytesOf(n, "signature")
		if len(signature) != 64 {
			return p, fmt.Errorf("%w: signature of %d bytes", errPreKeys, len(signature))
		}
		p.signature = [64]byte(signature)
	}
	return p, nil
}

func signedBy(identity [32]byte, signed publicKey) bool {
	message := append([]byte{ecc.DjbType}, signed.key[:]...)
	return ecc.VerifySignature(ecc.NewDjbECPublicKey(identity), message, signed.signature)
}

// fetchPreKeys hands out the keys of phones, so that the client can start sessions with them.
func (c *conn) fetchPreKeys(n *waBinary.Node, query waBinary.Node) {
	var list []waBinary.Node
	for _, user := range query.GetChildren() {
		jid := jidAttr(&user, "jid")
		answer := waBinary.Node{Tag: "user", Attrs: waBinary.Attrs{"jid": jid}}
		if h, ok := c.srv.handset(jid); ok && jid.Device == 0 {
			answer.Content = h.bundle()
		} else {
			answer.Content = children(waBinary.Node{Tag: "error", Attrs: waBinary.Attrs{"code": "404", "text": "item-not-found"}})
		}
		list = append(list, answer)
	}
	c.result(n, waBinary.Node{Tag: "list", Content: list})
}

// publish replaces nothing: one-time keys add up, as on the real server.
func (d *Device) publish(p *publicKeys) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if p.identity != d.identity {
		return fmt.Errorf("%w: the identity is not the one of the pairing", errPreKeys)
	}
	d.registration, d.signed = p.registration, p.signed
	d.oneTime = append(d.oneTime, p.oneTime...)
	d.askedForKeys = false
	return nil
}

func (d *Device) prekeyCount() int {
	d.mu.Lock()
	defer d.mu.Unlock()
	return len(d.oneTime)
}

// takeBundle hands out the keys for one new session. When the one-time keys run low the device is asked for more;
// when there are none the session starts without.
func (d *Device) takeBundle() publicKeys {
	d.mu.Lock()
	defer d.mu.Unlock()
	b := publicKeys{registration: d.registration, identity: d.identity, signed: d.signed}
	if len(d.oneTime) > 0 {
		b.oneTime = []publicKey{d.oneTime[0]}
		d.oneTime = d.oneTime[1:]
	}
	if len(d.oneTime) < lowPreKeys && !d.askedForKeys {
		d.askedForKeys = true
		id := d.srv.nextID()
		d.enqueueLocked("notification", id, waBinary.Node{
			Tag:     "notification",
			Attrs:   waBinary.Attrs{"from": types.ServerJID, "type": "encrypt", "id": id, "t": d.srv.unix()},
			Content: children(waBinary.Node{Tag: "count", Attrs: waBinary.Attrs{"value": len(d.oneTime)}}),
		})
	}
	return b
}

// keyNode is a key on the wire.
func keyNode(tag string, key *keys.PreKey) waBinary.Node {
	content := children(
		waBinary.Node{Tag: "id", Content: []byte{byte(key.KeyID >> 16), byte(key.KeyID >> 8), byte(key.KeyID)}},
		waBinary.Node{Tag: "value", Content: key.Pub[:]},
	)
	if key.Signature != nil {
		content = append(content, waBinary.Node{Tag: "signature", Content: key.Signature[:]})
	}
	return waBinary.Node{Tag: tag, Content: content}
}
