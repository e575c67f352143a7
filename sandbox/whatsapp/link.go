package whatsapp

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"fmt"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waAdv"
	"go.mau.fi/whatsmeow/store/sqlstore"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// newDevice prepares the next device of the account. It is not linked yet.
func (a *Account) newDevice(noise [32]byte, published publicKeys) *Device {
	a.linkMu.Lock()
	a.number = a.number%maxDevice + 1
	number := a.number
	a.linkMu.Unlock()
	jid, lid := a.pn, a.lidNow()
	jid.Device, lid.Device = number, number
	return &Device{
		srv: a.srv, acct: a, jid: jid, lid: lid, noise: noise,
		registration: published.registration, identity: published.identity, signed: published.signed, oneTime: published.oneTime,
		changed: make(chan struct{}), taught: map[types.JID]bool{}, sent: map[string]bool{}, drops: map[DropPoint]int{},
	}
}

// endorse makes the phone's signature over a device, which the device completes with its own.
func (a *Account) endorse(d *Device) (*waAdv.ADVSignedDeviceIdentity, error) {
	details, err := proto.Marshal(&waAdv.ADVDeviceIdentity{
		RawID:       proto.Uint32(a.keys.registration),
		Timestamp:   proto.Uint64(uint64(a.srv.options.Now().Unix())),
		KeyIndex:    proto.Uint32(uint32(d.jid.Device)),
		AccountType: waAdv.ADVEncryptionType_E2EE.Enum(),
		DeviceType:  waAdv.ADVEncryptionType_E2EE.Enum(),
	})
	if err != nil {
		return nil, fmt.Errorf("encode device identity: %w", err)
	}
	signature := a.sign(whatsmeow.AdvAccountSignaturePrefix, details, d.identity[:])
	return &waAdv.ADVSignedDeviceIdentity{
		Details: details, AccountSignatureKey: a.keys.identity.Pub[:], AccountSignature: signature,
	}, nil
}

func (a *Account) sign(parts ...[]byte) []byte {
	signature := ecc.CalculateSignature(ecc.NewDjbECPrivateKey(*a.keys.identity.Priv), concat(parts...))
	return signature[:]
}

// sealIdentity proves to the device that the endorsement comes from the phone that knows its secret.
func sealIdentity(endorsed *waAdv.ADVSignedDeviceIdentity, secret []byte) ([]byte, error) {
	details, err := proto.Marshal(endorsed)
	if err != nil {
		return nil, fmt.Errorf("encode device identity: %w", err)
	}
	mac := hmac.New(sha256.New, secret)
	mac.Write(details)
	sealed, err := proto.Marshal(&waAdv.ADVSignedDeviceIdentityHMAC{Details: details, HMAC: mac.Sum(nil)})
	if err != nil {
		return nil, fmt.Errorf("encode device identity: %w", err)
	}
	return sealed, nil
}

// Seed puts a paired device into the client's store without the pairing dance, with one-time keys already published.
func (a *Account) Seed(ctx context.Context, container *sqlstore.Container) error {
	device := container.NewDevice()
	d := a.newDevice(*device.NoiseKey.Pub, publicKeys{
		registration: device.RegistrationID, identity: *device.IdentityKey.Pub,
		signed: publicKey{id: device.SignedPreKey.KeyID, key: *device.SignedPreKey.Pub, signature: *device.SignedPreKey.Signature},
	})
	endorsed, err := a.endorse(d)
	if err != nil {
		return fmt.Errorf("seed: %w", err)
	}
	signature := ecc.CalculateSignature(ecc.NewDjbECPrivateKey(*device.IdentityKey.Priv),
		concat(whatsmeow.AdvDeviceSignaturePrefix, endorsed.Details, d.identity[:], endorsed.AccountSignatureKey))
	endorsed.DeviceSignature = signature[:]
	d.adv = endorsed
	jid := d.jid
	device.ID, device.LID, device.Account = &jid, d.lid, endorsed
	device.Platform, device.PushName = accountPhoneOS, accountName
	if err := device.Save(ctx); err != nil {
		return fmt.Errorf("seed: save device: %w", err)
	}
	if err := device.LIDs.PutLIDMapping(ctx, d.lid, d.jid); err != nil {
		return fmt.Errorf("seed: save own hidden id: %w", err)
	}
	if err := device.Identities.PutIdentity(ctx, a.lidNow().SignalAddress().String(), *a.keys.identity.Pub); err != nil {
		return fmt.Errorf("seed: save the phone's identity: %w", err)
	}
	preKeys, err := device.PreKeys.GetOrGenPreKeys(ctx, seededPreKeys)
	if err != nil {
		return fmt.Errorf("seed: make one-time keys: %w", err)
	}
	for _, key := range preKeys {
		d.oneTime = append(d.oneTime, publicKey{id: key.KeyID, key: *key.Pub})
	}
	if err := device.PreKeys.MarkPreKeysAsUploaded(ctx, preKeys[len(preKeys)-1].KeyID); err != nil {
		return fmt.Errorf("seed: mark one-time keys: %w", err)
	}
	a.link(d)
	return nil
}

func concat(parts ...[]byte) []byte {
	var all []byte
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}
