package guest

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"sync"
	"time"
)

// strangerPause is how often a key that nobody here knows may have the store looked at: tokens are whatever people send.
const strangerPause = 5 * time.Second

// key is a signing key in our hands.
type key struct {
	id      string
	private *ecdsa.PrivateKey
	created time.Time
	retire  time.Time
}

// keyring holds the keys that may still prove something. Several processes may rotate at once: then there are two young
// keys, and both are good.
type keyring struct {
	store    Store
	aead     cipher.AEAD
	now      func() time.Time
	rotate   time.Duration
	lifetime time.Duration

	mu     sync.Mutex
	byID   map[string]key
	signer key
	looked time.Time // when the store was last asked
}

func newKeyring(cfg Config) (*keyring, error) {
	block, err := aes.NewCipher(cfg.SealKey)
	if err != nil {
		return nil, fmt.Errorf("seal key: %w", err)
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		return nil, fmt.Errorf("seal key: %w", err)
	}
	return &keyring{store: cfg.Store, aead: aead, now: cfg.Now, rotate: cfg.Rotate, lifetime: cfg.Lifetime, byID: map[string]key{}}, nil
}

// signing is the key to sign with now. It makes one when the newest is too old.
func (r *keyring) signing(ctx context.Context) (key, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mayServe(r.signer) {
		return r.signer, nil
	}
	if err := r.load(ctx); err != nil {
		return key{}, err
	}
	if r.mayServe(r.signer) {
		return r.signer, nil
	}
	k, record, err := r.make()
	if err != nil {
		return key{}, fmt.Errorf("make guest key: %w", err)
	}
	if err := r.store.SaveGuestKey(ctx, record); err != nil {
		return key{}, fmt.Errorf("save guest key: %w", err)
	}
	r.byID[k.id], r.signer = k, k
	return k, nil
}

func (r *keyring) mayServe(k key) bool {
	return k.private != nil && r.now().Before(k.created.Add(r.rotate)) && r.now().Before(k.retire)
}

// verifying is the key of a name. ErrInvalid: there is none.
func (r *keyring) verifying(ctx context.Context, id string) (key, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if k, ok := r.byID[id]; ok {
		if r.now().Before(k.retire) {
			return k, nil
		}
		delete(r.byID, id)
		return key{}, ErrInvalid
	}
	if id == "" || r.now().Sub(r.looked) < strangerPause && !r.looked.IsZero() {
		return key{}, ErrInvalid
	}
	if err := r.load(ctx); err != nil {
		return key{}, err
	}
	if k, ok := r.byID[id]; ok {
		return k, nil
	}
	return key{}, ErrInvalid
}

// load reads the keys that others have made. One that does not open was sealed with a lost key: its tokens are worthless.
func (r *keyring) load(ctx context.Context) error {
	records, err := r.store.GuestKeys(ctx, r.now())
	if err != nil {
		return fmt.Errorf("read guest keys: %w", err)
	}
	r.looked = r.now()
	for _, record := range records {
		k, err := r.open(record)
		if err != nil {
			continue
		}
		r.byID[k.id] = k
		if !k.created.Before(r.signer.created) {
			r.signer = k
		}
	}
	return nil
}

func (r *keyring) make() (key, KeyRecord, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return key{}, KeyRecord{}, err
	}
	plain, err := x509.MarshalECPrivateKey(private)
	if err != nil {
		return key{}, KeyRecord{}, err
	}
	var id [8]byte
	_, _ = rand.Read(id[:]) // never fails, see crypto/rand
	now := r.now().Truncate(time.Millisecond)
	k := key{id: hex.EncodeToString(id[:]), private: private, created: now, retire: now.Add(r.rotate + r.lifetime)}
	sealed := r.aead.Seal(nil, nil, plain, boundTo(k.id))
	return k, KeyRecord{ID: k.id, Sealed: sealed, CreatedAt: k.created, RetireAt: k.retire}, nil
}

func (r *keyring) open(record KeyRecord) (key, error) {
	plain, err := r.aead.Open(nil, nil, record.Sealed, boundTo(record.ID))
	if err != nil {
		return key{}, errors.New("the key does not open")
	}
	private, err := x509.ParseECPrivateKey(plain)
	if err != nil {
		return key{}, errors.New("not a key")
	}
	return key{id: record.ID, private: private, created: record.CreatedAt, retire: record.RetireAt}, nil
}

func boundTo(id string) []byte { return []byte("konsulin-bot guest key 1\x00" + id) }
