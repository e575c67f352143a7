package whatsapp

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"

	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/socket"
	"go.mau.fi/whatsmeow/util/keys"
	"golang.org/x/crypto/curve25519"
	"google.golang.org/protobuf/proto"
)

// errHandshake is the root of everything that a client can do wrong before it has logged in.
var errHandshake = errors.New("noise handshake")

// responder is our side of Noise_XX_25519_AESGCM_SHA256 (noiseprotocol.org, revision 34), with WhatsApp's prologue.
// Use: serverHello, then clientFinish, then split.
type responder struct {
	authority *authority
	ephemeral *keys.KeyPair
	hash      []byte
	salt      []byte
	aead      cipher.AEAD
	counter   uint32
}

func newResponder(a *authority) (*responder, error) {
	r := &responder{authority: a, ephemeral: keys.NewKeyPair(), hash: []byte(socket.NoiseStartPattern)}
	r.salt = r.hash
	var err error
	if r.aead, err = newAEAD(r.hash); err != nil {
		return nil, err
	}
	r.authenticate(socket.WAConnHeader)
	return r, nil
}

// serverHello takes the client's first message and makes our answer.
func (r *responder) serverHello(frame []byte) ([]byte, error) {
	var hello waWa6.HandshakeMessage
	if err := proto.Unmarshal(frame, &hello); err != nil {
		return nil, fmt.Errorf("%w: client hello: %w", errHandshake, err)
	}
	theirs, err := key32(hello.GetClientHello().GetEphemeral())
	if err != nil {
		return nil, fmt.Errorf("%w: client's ephemeral key: %w", errHandshake, err)
	}
	r.authenticate(theirs[:])
	r.authenticate(r.ephemeral.Pub[:])
	if err := r.mix(r.ephemeral, theirs); err != nil {
		return nil, err
	}
	static := r.seal(r.authority.noise.Pub[:])
	if err := r.mix(r.authority.noise, theirs); err != nil {
		return nil, err
	}
	payload := r.seal(r.authority.chain)
	answer, err := proto.Marshal(&waWa6.HandshakeMessage{ServerHello: &waWa6.HandshakeMessage_ServerHello{
		Ephemeral: r.ephemeral.Pub[:], Static: static, Payload: payload,
	}})
	if err != nil {
		return nil, fmt.Errorf("%w: encode server hello: %w", errHandshake, err)
	}
	return answer, nil
}

// clientFinish takes the client's second message: its static key and what it wants to log in with.
func (r *responder) clientFinish(frame []byte) (static [32]byte, payload *waWa6.ClientPayload, err error) {
	var finish waWa6.HandshakeMessage
	if err = proto.Unmarshal(frame, &finish); err != nil {
		return static, nil, fmt.Errorf("%w: client finish: %w", errHandshake, err)
	}
	raw, err := r.open(finish.GetClientFinish().GetStatic())
	if err != nil {
		return static, nil, fmt.Errorf("%w: client's static key: %w", errHandshake, err)
	}
	if static, err = key32(raw); err != nil {
		return static, nil, fmt.Errorf("%w: client's static key: %w", errHandshake, err)
	}
	if err = r.mix(r.ephemeral, static); err != nil {
		return static, nil, err
	}
	plain, err := r.open(finish.GetClientFinish().GetPayload())
	if err != nil {
		return static, nil, fmt.Errorf("%w: client payload: %w", errHandshake, err)
	}
	payload, err = decodeClientPayload(plain)
	return static, payload, err
}

// split ends the handshake with the keys of both directions.
func (r *responder) split() (read, write cipher.AEAD, err error) {
	theirs, ours, err := r.expand(nil)
	if err != nil {
		return nil, nil, err
	}
	if read, err = newAEAD(theirs); err != nil {
		return nil, nil, err
	}
	write, err = newAEAD(ours)
	return read, write, err
}

func (r *responder) authenticate(data []byte) {
	h := sha256.New()
	h.Write(r.hash)
	h.Write(data)
	r.hash = h.Sum(nil)
}

func (r *responder) seal(plain []byte) []byte {
	sealed := r.aead.Seal(nil, nonce(r.counter), plain, r.hash)
	r.counter++
	r.authenticate(sealed)
	return sealed
}

func (r *responder) open(sealed []byte) ([]byte, error) {
	plain, err := r.aead.Open(nil, nonce(r.counter), sealed, r.hash)
	if err != nil {
		return nil, err
	}
	r.counter++
	r.authenticate(sealed)
	return plain, nil
}

func (r *responder) mix(ours *keys.KeyPair, theirs [32]byte) error {
	secret, err := curve25519.X25519(ours.Priv[:], theirs[:])
	if err != nil {
		return fmt.Errorf("%w: %w", errHandshake, err)
	}
	salt, key, err := r.expand(secret)
	if err != nil {
		return err
	}
	r.counter, r.salt = 0, salt
	r.aead, err = newAEAD(key)
	return err
}

func (r *responder) expand(secret []byte) (first, second []byte, err error) {
	out, err := hkdf.Key(sha256.New, secret, r.salt, "", 64)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: derive keys: %w", errHandshake, err)
	}
	return out[:32], out[32:], nil
}

// decodeClientPayload reads what a client says about itself. Exactly one of login and registration is present.
func decodeClientPayload(plain []byte) (*waWa6.ClientPayload, error) {
	var p waWa6.ClientPayload
	if err := proto.Unmarshal(plain, &p); err != nil {
		return nil, fmt.Errorf("%w: client payload: %w", errHandshake, err)
	}
	switch {
	case p.GetUserAgent().GetAppVersion() == nil:
		return nil, fmt.Errorf("%w: client payload without an app version", errHandshake)
	case (p.Username == nil) == (p.DevicePairingData == nil):
		return nil, fmt.Errorf("%w: client payload must be either a login or a registration", errHandshake)
	case p.Username != nil && p.GetDevice() == 0:
		return nil, fmt.Errorf("%w: login without a device number", errHandshake)
	}
	return &p, nil
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, fmt.Errorf("noise cipher: %w", err)
	}
	return cipher.NewGCM(block)
}

func nonce(counter uint32) []byte {
	iv := make([]byte, 12)
	binary.BigEndian.PutUint32(iv[8:], counter)
	return iv
}

func key32(b []byte) ([32]byte, error) {
	if len(b) != 32 {
		return [32]byte{}, fmt.Errorf("%d bytes instead of 32", len(b))
	}
	return [32]byte(b), nil
}
