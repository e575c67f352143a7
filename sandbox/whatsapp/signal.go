package whatsapp

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"go.mau.fi/libsignal/ecc"
	groupRecord "go.mau.fi/libsignal/groups/state/record"
	"go.mau.fi/libsignal/keys/identity"
	"go.mau.fi/libsignal/keys/prekey"
	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/libsignal/serialize"
	"go.mau.fi/libsignal/session"
	signalStore "go.mau.fi/libsignal/state/store"
	"go.mau.fi/libsignal/util/optional"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/util/keys"
)

// Kinds of ciphertext on the wire.
const (
	encSession = "msg"   // in a session that both sides know
	encFirst   = "pkmsg" // with what the other side needs to start the session
	encGroup   = "skmsg" // with a sender key
)

var errCiphertext = errors.New("bad ciphertext")

// ratchets is the Signal state of one phone. It implements libsignal's store in memory and trusts on first sight and
// later: the server checks identities where they are registered. It is not safe for concurrent use.
type ratchets struct {
	serializer   *serialize.Serializer
	registration uint32
	identity     *keys.KeyPair
	signed       *keys.PreKey
	oneTime      map[uint32]*keys.PreKey
	nextKey      uint32
	sessions     map[string][]byte // serialized, so that a failed decryption leaves no trace
	senderKeys   map[string]*groupRecord.SenderKey
}

var _ signalStore.SignalProtocol = (*ratchets)(nil)

func newRatchets() *ratchets {
	id := keys.NewKeyPair()
	return &ratchets{
		serializer:   serialize.NewProtoBufSerializer(),
		registration: binary.BigEndian.Uint32(randomBytes(4))&0x3fff + 1,
		identity:     id,
		signed:       id.CreateSignedPreKey(1),
		oneTime:      map[uint32]*keys.PreKey{},
		nextKey:      1,
		sessions:     map[string][]byte{},
		senderKeys:   map[string]*groupRecord.SenderKey{},
	}
}

// bundle makes the answer to a fetch of this phone's keys, with a fresh one-time key.
func (r *ratchets) bundle() []waBinary.Node {
	key := r.oneTimeKey()
	return append(r.identityNodes(), keyNode("key", key), keyNode("skey", r.signed))
}

// retryKeys makes the keys that a retry receipt carries, so that the sender can start over.
func (r *ratchets) retryKeys() waBinary.Node {
	return waBinary.Node{Tag: "keys", Content: children(
		waBinary.Node{Tag: "type", Content: []byte{ecc.DjbType}},
		waBinary.Node{Tag: "identity", Content: r.identity.Pub[:]},
		keyNode("key", r.oneTimeKey()),
		keyNode("skey", r.signed),
	)}
}

func (r *ratchets) identityNodes() []waBinary.Node {
	return children(
		r.registrationNode(),
		waBinary.Node{Tag: "type", Content: []byte{ecc.DjbType}},
		waBinary.Node{Tag: "identity", Content: r.identity.Pub[:]},
	)
}

func (r *ratchets) registrationNode() waBinary.Node {
	return waBinary.Node{Tag: "registration", Content: binary.BigEndian.AppendUint32(nil, r.registration)}
}

func (r *ratchets) oneTimeKey() *keys.PreKey {
	key := keys.NewPreKey(r.nextKey)
	r.nextKey = r.nextKey%0xffffff + 1
	r.oneTime[key.KeyID] = key
	return key
}

func (r *ratchets) hasSession(a *protocol.SignalAddress) bool {
	_, ok := r.sessions[a.String()]
	return ok
}

// startSession makes a new session from published keys. An older one is kept aside for what is still on its way.
func (r *ratchets) startSession(a *protocol.SignalAddress, b publicKeys) error {
	oneTimeID, oneTime := optional.NewEmptyUint32(), ecc.ECPublicKeyable(nil)
	if len(b.oneTime) > 0 {
		oneTimeID = optional.NewOptionalUint32(b.oneTime[0].id)
		oneTime = ecc.NewDjbECPublicKey(b.oneTime[0].key)
	}
	bundle := prekey.NewBundle(b.registration, a.DeviceID(), oneTimeID, b.signed.id, oneTime,
		ecc.NewDjbECPublicKey(b.signed.key), b.signed.signature, identity.NewKey(ecc.NewDjbECPublicKey(b.identity)))
	if err := session.NewBuilderFromSignal(r, a, r.serializer).ProcessBundle(context.Background(), bundle); err != nil {
		return fmt.Errorf("start session: %w", err)
	}
	return nil
}

// encrypt pads and encrypts in the session with a.
func (r *ratchets) encrypt(a *protocol.SignalAddress, plain []byte) (kind string, sealed []byte, err error) {
	c := session.NewCipher(session.NewBuilderFromSignal(r, a, r.serializer), a)
	m, err := c.Encrypt(context.Background(), pad(plain))
	if err != nil {
		return "", nil, fmt.Errorf("encrypt: %w", err)
	}
	if m.Type() == protocol.PREKEY_TYPE {
		return encFirst, m.Serialize(), nil
	}
	return encSession, m.Serialize(), nil
}

// decrypt reads what a sent. The identity is that of the sender's registration; a first message must carry it.
func (r *ratchets) decrypt(a *protocol.SignalAddress, kind string, sealed []byte, theirs [32]byte) (plain []byte, err error) {
	defer func() { // the library trusts lengths of what it parses
		if p := recover(); p != nil {
			plain, err = nil, fmt.Errorf("%w: %v", errCiphertext, p)
		}
	}()
	c := session.NewCipher(session.NewBuilderFromSignal(r, a, r.serializer), a)
	ctx := context.Background()
	switch kind {
	case encFirst:
		m, err := protocol.NewPreKeySignalMessageFromBytes(sealed, r.serializer.PreKeySignalMessage, r.serializer.SignalMessage)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errCiphertext, err)
		}
		if m.IdentityKey().PublicKey().PublicKey() != theirs {
			return nil, fmt.Errorf("%w: a first message with a foreign identity", errCiphertext)
		}
		plain, err = c.DecryptMessage(ctx, m)
		if err != nil {
			return nil, fmt.Errorf("decrypt: %w", err)
		}
	case encSession:
		m, err := protocol.NewSignalMessageFromBytes(sealed, r.serializer.SignalMessage)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errCiphertext, err)
		}
		if plain, err = c.Decrypt(ctx, m); err != nil {
			return nil, fmt.Errorf("decrypt: %w", err)
		}
	default:
		return nil, fmt.Errorf("%w: kind %q", errCiphertext, kind)
	}
	return unpad(plain)
}

// pad hides the length of a message as the client does: 1 to 15 bytes, each the number of bytes.
func pad(plain []byte) []byte {
	n := randomBytes(1)[0]&0xf | 1
	return append(bytes.Clone(plain), bytes.Repeat([]byte{n}, int(n))...)
}

func unpad(plain []byte) ([]byte, error) {
	if len(plain) == 0 {
		return nil, fmt.Errorf("%w: empty", errCiphertext)
	}
	n := int(plain[len(plain)-1])
	if n == 0 || n > len(plain) {
		return nil, fmt.Errorf("%w: padding of %d in %d bytes", errCiphertext, n, len(plain))
	}
	for _, b := range plain[len(plain)-n:] {
		if int(b) != n {
			return nil, fmt.Errorf("%w: uneven padding", errCiphertext)
		}
	}
	return plain[:len(plain)-n], nil
}
