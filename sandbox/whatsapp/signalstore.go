package whatsapp

import (
	"context"
	"errors"

	"go.mau.fi/libsignal/ecc"
	groupRecord "go.mau.fi/libsignal/groups/state/record"
	"go.mau.fi/libsignal/keys/identity"
	"go.mau.fi/libsignal/protocol"
	"go.mau.fi/libsignal/state/record"
	"go.mau.fi/whatsmeow/util/keys"
)

// GetIdentityKeyPair implements libsignal's store, as do the methods below.
func (r *ratchets) GetIdentityKeyPair() *identity.KeyPair {
	return identity.NewKeyPair(identity.NewKey(ecc.NewDjbECPublicKey(*r.identity.Pub)), ecc.NewDjbECPrivateKey(*r.identity.Priv))
}

// GetLocalRegistrationID is the phone's number for its installation.
func (r *ratchets) GetLocalRegistrationID() uint32 { return r.registration }

// SaveIdentity does nothing: see ratchets.
func (r *ratchets) SaveIdentity(context.Context, *protocol.SignalAddress, *identity.Key) error {
	return nil
}

// IsTrustedIdentity is always true: see ratchets.
func (r *ratchets) IsTrustedIdentity(context.Context, *protocol.SignalAddress, *identity.Key) (bool, error) {
	return true, nil
}

// LoadPreKey finds a one-time key that was handed out.
func (r *ratchets) LoadPreKey(_ context.Context, id uint32) (*record.PreKey, error) {
	key, ok := r.oneTime[id]
	if !ok {
		return nil, nil
	}
	return record.NewPreKey(id, ecPair(&key.KeyPair), nil), nil
}

// StorePreKey is not needed: keys are made by oneTimeKey.
func (r *ratchets) StorePreKey(context.Context, uint32, *record.PreKey) error { return errUnused }

// ContainsPreKey tells whether a one-time key was handed out and not used.
func (r *ratchets) ContainsPreKey(_ context.Context, id uint32) (bool, error) {
	_, ok := r.oneTime[id]
	return ok, nil
}

// RemovePreKey forgets a one-time key after its use.
func (r *ratchets) RemovePreKey(_ context.Context, id uint32) error {
	delete(r.oneTime, id)
	return nil
}

// LoadSession finds a session or makes an empty one.
func (r *ratchets) LoadSession(_ context.Context, a *protocol.SignalAddress) (*record.Session, error) {
	raw, ok := r.sessions[a.String()]
	if !ok {
		return record.NewSession(r.serializer.Session, r.serializer.State), nil
	}
	return record.NewSessionFromBytes(raw, r.serializer.Session, r.serializer.State)
}

// GetSubDeviceSessions is not needed.
func (r *ratchets) GetSubDeviceSessions(context.Context, string) ([]uint32, error) {
	return nil, errUnused
}

// StoreSession keeps a session.
func (r *ratchets) StoreSession(_ context.Context, a *protocol.SignalAddress, s *record.Session) error {
	r.sessions[a.String()] = s.Serialize()
	return nil
}

// ContainsSession tells whether there is a session.
func (r *ratchets) ContainsSession(_ context.Context, a *protocol.SignalAddress) (bool, error) {
	return r.hasSession(a), nil
}

// DeleteSession forgets a session.
func (r *ratchets) DeleteSession(_ context.Context, a *protocol.SignalAddress) error {
	delete(r.sessions, a.String())
	return nil
}

// DeleteAllSessions forgets every session.
func (r *ratchets) DeleteAllSessions(context.Context) error {
	clear(r.sessions)
	return nil
}

// LoadSignedPreKey finds the signed key.
func (r *ratchets) LoadSignedPreKey(_ context.Context, id uint32) (*record.SignedPreKey, error) {
	if id != r.signed.KeyID {
		return nil, nil
	}
	return record.NewSignedPreKey(id, 0, ecPair(&r.signed.KeyPair), *r.signed.Signature, nil), nil
}

// LoadSignedPreKeys is not needed.
func (r *ratchets) LoadSignedPreKeys(context.Context) ([]*record.SignedPreKey, error) {
	return nil, errUnused
}

// StoreSignedPreKey is not needed.
func (r *ratchets) StoreSignedPreKey(context.Context, uint32, *record.SignedPreKey) error {
	return errUnused
}

// ContainsSignedPreKey tells whether this is the signed key.
func (r *ratchets) ContainsSignedPreKey(_ context.Context, id uint32) (bool, error) {
	return id == r.signed.KeyID, nil
}

// RemoveSignedPreKey is not needed.
func (r *ratchets) RemoveSignedPreKey(context.Context, uint32) error { return errUnused }

// StoreSenderKey keeps a sender key of a group.
func (r *ratchets) StoreSenderKey(_ context.Context, name *protocol.SenderKeyName, key *groupRecord.SenderKey) error {
	r.senderKeys[name.GroupID()] = key
	return nil
}

// LoadSenderKey finds the phone's sender key of a group or makes an empty one.
func (r *ratchets) LoadSenderKey(_ context.Context, name *protocol.SenderKeyName) (*groupRecord.SenderKey, error) {
	if key, ok := r.senderKeys[name.GroupID()]; ok {
		return key, nil
	}
	return groupRecord.NewSenderKey(r.serializer.SenderKeyRecord, r.serializer.SenderKeyState), nil
}

var errUnused = errors.New("a part of Signal that a simulated phone does not use")

func ecPair(k *keys.KeyPair) *ecc.ECKeyPair {
	return ecc.NewECKeyPair(ecc.NewDjbECPublicKey(*k.Pub), ecc.NewDjbECPrivateKey(*k.Priv))
}
