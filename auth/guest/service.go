package guest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// Role is what guest tokens say of their bearer.
const Role = "guest"

// ErrInvalid says that a token is not ours, has ended, or names nobody.
var ErrInvalid = errors.New("not a guest token of ours")

// idShape is what our ids look like: a random UUID.
var idShape = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)

// Config is what a Service is made of.
type Config struct {
	Store    Store
	SealKey  []byte        // 32 bytes; seals the private keys at rest
	Issuer   string        // of tokens
	Lifetime time.Duration // of a guest who does not come back
	Rotate   time.Duration // how long one key signs
	Now      func() time.Time
}

// Service makes guests and recognises them. It is safe for concurrent use, also by several processes on one store.
type Service struct {
	cfg  Config
	keys *keyring
}

// Token is what a browser is given.
type Token struct {
	Guest   string // id
	Signed  string
	New     bool // the guest has just been made
	Fresh   bool // Signed is not the token that the browser had
	Expires time.Time
}

// New makes a Service. It makes no call.
func New(cfg Config) (*Service, error) {
	if cfg.Store == nil || cfg.Issuer == "" || cfg.Lifetime <= 0 || cfg.Rotate <= 0 || cfg.Now == nil {
		return nil, errors.New("guest: a store, an issuer, a lifetime, a time between keys and a clock are needed")
	}
	keys, err := newKeyring(cfg)
	if err != nil {
		return nil, fmt.Errorf("guest: %w", err)
	}
	return &Service{cfg: cfg, keys: keys}, nil
}

// Session gives a browser its guest: the one of the token that it has while that lives, else, or when forced, a new
// one. A token with less than half of its time left is replaced by a new one of the same guest. Before a new guest is made
// admit is asked, and its error comes back as it is; nil: nobody is asked.
func (s *Service) Session(ctx context.Context, token string, force bool, admit func(context.Context) error) (Token, error) {
	if token != "" && !force {
		r, expires, err := s.live(ctx, token)
		switch {
		case err == nil && expires.Sub(s.cfg.Now()) >= s.cfg.Lifetime/2:
			return Token{Guest: r.ID, Signed: token, Expires: expires}, nil
		case err == nil:
			return s.renew(ctx, r, admit)
		case !errors.Is(err, ErrInvalid):
			return Token{}, err
		}
	}
	return s.begin(ctx, admit)
}

// Live is the guest of a token. ErrInvalid: there is none, it is not ours, or it has ended or become a user.
func (s *Service) Live(ctx context.Context, token string) (Record, error) {
	r, _, err := s.live(ctx, token)
	return r, err
}

// Known is the guest of a token that is ours and has not ended, also when the guest has become a user since.
func (s *Service) Known(ctx context.Context, token string) (Record, error) {
	id, _, err := s.verify(ctx, token)
	if err != nil {
		return Record{}, err
	}
	r, err := s.cfg.Store.Guest(ctx, id)
	if errors.Is(err, ErrNotFound) {
		return Record{}, ErrInvalid
	}
	if err != nil {
		return Record{}, fmt.Errorf("look up guest: %w", err)
	}
	return r, nil
}

func (s *Service) live(ctx context.Context, token string) (Record, time.Time, error) {
	id, expires, err := s.verify(ctx, token)
	if err != nil {
		return Record{}, time.Time{}, err
	}
	r, err := s.cfg.Store.Guest(ctx, id)
	switch {
	case errors.Is(err, ErrNotFound):
		return Record{}, time.Time{}, ErrInvalid
	case err != nil:
		return Record{}, time.Time{}, fmt.Errorf("look up guest: %w", err)
	case !r.IsLive(s.cfg.Now()):
		return Record{}, time.Time{}, ErrInvalid
	}
	return r, expires, nil
}

// IsLive says whether the guest may still act.
func (r Record) IsLive(now time.Time) bool { return r.State == Live && now.Before(r.ExpiresAt) }

func (s *Service) begin(ctx context.Context, admit func(context.Context) error) (Token, error) {
	if admit != nil {
		if err := admit(ctx); err != nil {
			return Token{}, err
		}
	}
	now := s.cfg.Now()
	r := Record{ID: newID(), CreatedAt: now, LastSeenAt: now, State: Live}
	t, err := s.sign(ctx, r.ID, now)
	if err != nil {
		return Token{}, err
	}
	r.ExpiresAt = t.Expires
	if err := s.cfg.Store.SaveGuest(ctx, r); err != nil {
		return Token{}, fmt.Errorf("save guest: %w", err)
	}
	t.New = true
	return t, nil
}

func (s *Service) renew(ctx context.Context, r Record, admit func(context.Context) error) (Token, error) {
	now := s.cfg.Now()
	t, err := s.sign(ctx, r.ID, now)
	if err != nil {
		return Token{}, err
	}
	err = s.cfg.Store.SeeGuest(ctx, r.ID, now, t.Expires)
	if errors.Is(err, ErrNotFound) { // it has become a user in this moment
		return s.begin(ctx, admit)
	}
	if err != nil {
		return Token{}, fmt.Errorf("renew guest: %w", err)
	}
	return t, nil
}

// claims are those of a guest token.
type claims struct {
	GuestID string `json:"guest_id"`
	Role    string `json:"role"`
	jwt.RegisteredClaims
}

func (s *Service) sign(ctx context.Context, id string, now time.Time) (Token, error) {
	k, err := s.keys.signing(ctx)
	if err != nil {
		return Token{}, err
	}
	expires := now.Add(s.cfg.Lifetime)
	if expires.After(k.retire) { // no token outlives the key that proves it
		expires = k.retire
	}
	expires = expires.Truncate(time.Second) // what a token can say
	t := jwt.NewWithClaims(jwt.SigningMethodES256, claims{
		GuestID: id, Role: Role, RegisteredClaims: jwt.RegisteredClaims{
			Issuer: s.cfg.Issuer, Subject: id,
			IssuedAt: jwt.NewNumericDate(now.Truncate(time.Second)), ExpiresAt: jwt.NewNumericDate(expires),
		},
	})
	t.Header["kid"] = k.id
	signed, err := t.SignedString(k.private)
	if err != nil {
		return Token{}, fmt.Errorf("sign guest token: %w", err)
	}
	return Token{Guest: id, Signed: signed, Fresh: true, Expires: expires}, nil
}

// verify answers whose token this is and when it ends. It touches the store only for a key that it does not know.
func (s *Service) verify(ctx context.Context, token string) (id string, expires time.Time, err error) {
	var c claims
	var away error
	_, err = jwt.ParseWithClaims(token, &c, func(t *jwt.Token) (any, error) {
		kid, _ := t.Header["kid"].(string)
		k, err := s.keys.verifying(ctx, kid)
		if err != nil {
			if !errors.Is(err, ErrInvalid) {
				away = err
			}
			return nil, err
		}
		return &k.private.PublicKey, nil
	}, jwt.WithValidMethods([]string{jwt.SigningMethodES256.Alg()}), jwt.WithIssuer(s.cfg.Issuer),
		jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(time.Minute), jwt.WithTimeFunc(s.cfg.Now))
	switch {
	case away != nil:
		return "", time.Time{}, away
	case err != nil, c.Role != Role, c.GuestID != c.Subject, !idShape.MatchString(c.GuestID):
		return "", time.Time{}, ErrInvalid
	}
	return c.GuestID, c.ExpiresAt.Time, nil
}

// newID is a random UUID (RFC 9562, version 4).
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails, see crypto/rand
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
