package whatsapp

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/pbkdf2"
	"crypto/sha256"
	"errors"
	"fmt"
	"regexp"
	"strings"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/util/hkdfutil"
	"go.mau.fi/whatsmeow/util/keys"
	"golang.org/x/crypto/curve25519"
)

// Sizes and costs of pairing by code.
const (
	codeSalt       = 32
	codeIV         = 16
	codeWrapped    = codeSalt + codeIV + 32
	codeIterations = 2 << 16
	bundleSalt     = 32
	bundleNonce    = 12
	bundleKeys     = 3 * 32
)

// The server checks what a client calls itself: a known browser, and its system in brackets.
var displayName = regexp.MustCompile(`^(Chrome|Chromium|Edge|Firefox|IE|Opera|Safari) \((Windows|Mac OS|macOS|Linux|Ubuntu|Android|iOS|Chrome OS)\)$`)

// codePairing is a code on display at a client.
type codePairing struct {
	account *Account
	ref     string
	wrapped []byte // the client's ephemeral key, encrypted with the code
	finish  chan *waBinary.Node
}

// handleCode answers the client's two queries of pairing by code.
func (c *conn) handleCode(n, reg *waBinary.Node) {
	switch stringAttr(reg, "stage") {
	case "companion_hello":
		code, err := c.decodeHello(reg)
		if err != nil {
			c.srv.complain("%v in %s", err, describe(n))
			c.fail(n, 400, "bad-request")
			return
		}
		c.pairing.mu.Lock()
		c.pairing.code = code
		c.pairing.mu.Unlock()
		code.account.showCode(c)
		c.result(n, waBinary.Node{Tag: "link_code_companion_reg", Attrs: waBinary.Attrs{"stage": "companion_hello"},
			Content: children(waBinary.Node{Tag: "link_code_pairing_ref", Content: []byte(code.ref)})})
	case "companion_finish":
		c.pairing.mu.Lock()
		code := c.pairing.code
		c.pairing.mu.Unlock()
		if code == nil || string(bytesOf(reg, "link_code_pairing_ref")) != code.ref {
			c.refuseIQ(n)
			return
		}
		select {
		case code.finish <- n: // EnterCode answers
		default:
			c.refuseIQ(n)
		}
	default:
		c.refuseIQ(n)
	}
}

func (c *conn) decodeHello(reg *waBinary.Node) (*codePairing, error) {
	jid := jidAttr(reg, "jid")
	a, ok := c.srv.Account(jid.User)
	if !ok || jid.Server != types.DefaultUserServer {
		return nil, fmt.Errorf("%w: no account has the number %s", errPairing, jid)
	}
	noise, err := key32(bytesOf(reg, "companion_server_auth_key_pub"))
	if err != nil || noise != c.static {
		return nil, fmt.Errorf("%w: the companion's key is not the one of its connection", errPairing)
	}
	wrapped := bytesOf(reg, "link_code_pairing_wrapped_companion_ephemeral_pub")
	if len(wrapped) != codeWrapped {
		return nil, fmt.Errorf("%w: ephemeral key of %d bytes", errPairing, len(wrapped))
	}
	if name := bytesOf(reg, "companion_platform_display"); !displayName.Match(name) {
		return nil, fmt.Errorf("%w: display name %q is not \"Browser (System)\"", errPairing, name)
	}
	if len(bytesOf(reg, "companion_platform_id")) == 0 {
		return nil, fmt.Errorf("%w: no platform id", errPairing)
	}
	return &codePairing{account: a, ref: "2@" + newMessageID(), wrapped: wrapped, finish: make(chan *waBinary.Node, 1)}, nil
}

// showCode notes which client shows a code for this account; the latest one counts.
func (a *Account) showCode(c *conn) {
	a.linkMu.Lock()
	defer a.linkMu.Unlock()
	a.codeShown = c
}

// EnterCode pairs the client that shows this code, as the account's phone does. With another code both sides fail:
// the error is ErrWrongCode, and the client may be given another code.
func (a *Account) EnterCode(code string) error {
	code = strings.ToUpper(strings.ReplaceAll(strings.TrimSpace(code), "-", ""))
	if len(code) != 8 {
		return fmt.Errorf("%w: it has 8 characters", ErrWrongCode)
	}
	a.linkMu.Lock()
	c := a.codeShown
	a.linkMu.Unlock()
	if c == nil || c.ctx.Err() != nil {
		return fmt.Errorf("%w: nobody shows a code for this number", errPairing)
	}
	c.pairing.mu.Lock()
	shown := c.pairing.code
	c.pairing.mu.Unlock()

	ctx, cancel := context.WithTimeout(a.srv.ctx, pairingTimeout)
	defer cancel()
	ephemeral := keys.NewKeyPair()
	if err := a.sayHello(c, shown, code, ephemeral); err != nil {
		return err
	}
	var finish *waBinary.Node
	select {
	case finish = <-shown.finish:
	case <-c.ctx.Done():
		return fmt.Errorf("%w: %w", errPairing, errGone)
	case <-ctx.Done():
		return fmt.Errorf("%w: %w", errPairing, ctx.Err())
	}
	secret, err := a.openFinish(c, shown, code, ephemeral, finish)
	if err != nil {
		c.fail(finish, 400, "bad-request")
		return err
	}
	c.result(finish)
	return a.pair(c, secret)
}

// sayHello sends the phone's ephemeral key, encrypted with the code, and its identity.
func (a *Account) sayHello(c *conn, shown *codePairing, code string, ephemeral *keys.KeyPair) error {
	salt, iv := randomBytes(codeSalt), randomBytes(codeIV)
	wrapped, err := codeCipher(code, salt, iv, ephemeral.Pub[:])
	if err != nil {
		return err
	}
	id := a.srv.nextID()
	c.send(waBinary.Node{
		Tag:   "notification",
		Attrs: waBinary.Attrs{"from": types.ServerJID, "type": "link_code_companion_reg", "id": id, "t": a.srv.unix()},
		Content: children(waBinary.Node{
			Tag: "link_code_companion_reg", Attrs: waBinary.Attrs{"stage": "primary_hello"},
			Content: children(
				waBinary.Node{Tag: "link_code_pairing_wrapped_primary_ephemeral_pub", Content: concat(salt, iv, wrapped)},
				waBinary.Node{Tag: "primary_identity_pub", Content: a.keys.identity.Pub[:]},
				waBinary.Node{Tag: "link_code_pairing_ref", Content: []byte(shown.ref)},
			),
		}),
	})
	return nil
}

// openFinish reads the client's keys. Only who used the same code can.
func (a *Account) openFinish(c *conn, shown *codePairing, code string, ephemeral *keys.KeyPair, finish *waBinary.Node) ([]byte, error) {
	theirs, err := codeCipher(code, shown.wrapped[:codeSalt], shown.wrapped[codeSalt:codeSalt+codeIV], shown.wrapped[codeSalt+codeIV:])
	if err != nil {
		return nil, err
	}
	shared, err := curve25519.X25519(ephemeral.Priv[:], theirs)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrWrongCode, err)
	}
	bundle, err := openBundle(shared, bytesOf(finish, "link_code_companion_reg", "link_code_pairing_wrapped_key_bundle"))
	if err != nil {
		return nil, err
	}
	companion, primary, random := bundle[:32], bundle[32:64], bundle[64:]
	if string(primary) != string(a.keys.identity.Pub[:]) {
		return nil, fmt.Errorf("%w: the client answered another phone", errPairing)
	}
	announced := bytesOf(finish, "link_code_companion_reg", "companion_identity_public")
	if string(companion) != string(c.pairing.published.identity[:]) || string(announced) != string(companion) {
		return nil, fmt.Errorf("%w: the client's identity is not the one of its registration", errPairing)
	}
	identityShared, err := curve25519.X25519(a.keys.identity.Priv[:], companion)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errPairing, err)
	}
	return hkdfutil.SHA256(concat(shared, identityShared, random), nil, []byte("adv_secret"), 32), nil
}

// openBundle decrypts the client's key bundle: its identity, the phone's identity, and random bytes.
func openBundle(shared, wrapped []byte) ([]byte, error) {
	if len(wrapped) < bundleSalt+bundleNonce {
		return nil, fmt.Errorf("%w: key bundle of %d bytes", errPairing, len(wrapped))
	}
	salt, iv, sealed := wrapped[:bundleSalt], wrapped[bundleSalt:bundleSalt+bundleNonce], wrapped[bundleSalt+bundleNonce:]
	key := hkdfutil.SHA256(shared, salt, []byte("link_code_pairing_key_bundle_encryption_key"), 32)
	aead, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	plain, err := aead.Open(nil, iv, sealed, nil)
	if err != nil {
		return nil, ErrWrongCode
	}
	if len(plain) != bundleKeys {
		return nil, fmt.Errorf("%w: key bundle with %d bytes of keys", errPairing, len(plain))
	}
	return plain, nil
}

// codeCipher encrypts or decrypts a key with a code.
func codeCipher(code string, salt, iv, in []byte) ([]byte, error) {
	key, err := pbkdf2.Key(sha256.New, code, salt, codeIterations, 32)
	if err != nil {
		return nil, errors.Join(errPairing, err)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, errors.Join(errPairing, err)
	}
	out := make([]byte, len(in))
	cipher.NewCTR(block, iv).XORKeyStream(out, in)
	return out, nil
}
