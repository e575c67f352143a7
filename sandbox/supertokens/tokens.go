package supertokens

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// accessVersion is the version of access tokens that belongs to CDI 3.1.
const accessVersion = "4"

// protected are the claims of an access token that belong to the core. All of them are in every token.
func protected() []string {
	return []string{"sub", "exp", "iat", "sessionHandle", "refreshTokenHash1", "parentRefreshTokenHash1", "antiCsrfToken", "tId"}
}

// access is the content of an access token.
type access struct {
	handle, userID  string
	refresh, parent string // SHA-256 of the refresh token that came with it, and of the one before; parent may be empty
	antiCsrf        string // empty: none
	issued, expires time.Time
	data            map[string]any
}

// issueAccess signs an access token and shows it as the core's answers do. An access token counts seconds.
func (s *Server) issueAccess(a access, static bool) (object, error) {
	a.issued = s.now().Truncate(time.Second)
	if a.expires.IsZero() {
		a.expires = s.now().Add(s.o.AccessTokenValidity).Truncate(time.Second)
	}
	claims := map[string]any{
		"sub": a.userID, "exp": a.expires.Unix(), "iat": a.issued.Unix(), "tId": tenant,
		"sessionHandle": a.handle, "refreshTokenHash1": a.refresh,
		"parentRefreshTokenHash1": orNull(a.parent), "antiCsrfToken": orNull(a.antiCsrf),
	}
	for k, v := range a.data {
		if slices.Contains(protected(), k) {
			return nil, errProtected()
		}
		claims[k] = v
	}
	token, err := s.keys.pick(static).sign(claims, accessVersion)
	if err != nil {
		return nil, err
	}
	return object{"token": token, "expiry": a.expires.UnixMilli(), "createdTime": a.issued.UnixMilli()}, nil
}

func errProtected() error { return bad("The user payload contains protected field") }

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// unusable is why an access token cannot be used while its session may live.
type unusable struct{ why string }

func (u unusable) Error() string { return u.why }

// readAccess verifies an access token and its expiry.
func (s *Server) readAccess(token string) (access, error) {
	claims, err := s.keys.verify(token)
	if err != nil {
		return access{}, unusable{err.Error()}
	}
	a, err := accessOf(claims)
	if err != nil {
		return a, err
	}
	if a.expires.Before(s.now()) {
		return a, unusable{"Access token expired"}
	}
	return a, nil
}

// peekAccess reads an access token without verifying it, as the core does where the SDK has done so before.
func peekAccess(token string) (access, error) {
	claims := jwt.MapClaims{}
	if _, _, err := jwt.NewParser(jwt.WithJSONNumber()).ParseUnverified(token, claims); err != nil {
		return access{}, err
	}
	return accessOf(claims)
}

func accessOf(claims map[string]any) (access, error) {
	for _, name := range protected() {
		if _, there := claims[name]; !there {
			return access{}, unusable{"Access token does not contain all the information. Maybe the structure has changed? " + name}
		}
	}
	word := func(name string) string { v, _ := claims[name].(string); return v }
	when := func(name string) time.Time {
		n, _ := claims[name].(json.Number)
		seconds, _ := n.Int64()
		return time.Unix(seconds, 0)
	}
	a := access{
		handle: word("sessionHandle"), userID: word("sub"), refresh: word("refreshTokenHash1"),
		parent: word("parentRefreshTokenHash1"), antiCsrf: word("antiCsrfToken"),
		issued: when("iat"), expires: when("exp"), data: map[string]any{},
	}
	for k, v := range claims {
		if !slices.Contains(protected(), k) {
			a.data[k] = v
		}
	}
	return a, nil
}

// refresh is the content of a refresh token. It says which refresh token it replaced, so that the core needs to
// remember only the newest one that was used.
type refresh struct {
	Handle   string `json:"sessionHandle"`
	UserID   string `json:"userId"`
	Parent   string `json:"parentRefreshTokenHash1,omitempty"`
	Nonce    string `json:"nonce"`
	AntiCsrf string `json:"antiCsrfToken,omitempty"`
}

// refreshVersion ends every refresh token.
const refreshVersion = "V2"

func (s *Server) issueRefresh(r refresh) (token string, shown object, err error) {
	r.Nonce = hashHex(uuid())
	plain, err := json.Marshal(r)
	if err != nil {
		return "", nil, err
	}
	iv := random(s.keys.seal.NonceSize())
	sealed := s.keys.seal.Seal(iv, iv, plain, nil)
	token = base64.StdEncoding.EncodeToString(sealed) + "." + r.Nonce + "." + refreshVersion
	now := s.now()
	return token, object{
		"token":       token,
		"expiry":      now.Add(s.o.RefreshTokenValidity).UnixMilli(),
		"createdTime": now.UnixMilli(),
	}, nil
}

var errRefreshToken = errors.New("the refresh token is not one that this core made")

func (s *Server) readRefresh(token string) (refresh, error) {
	var r refresh
	parts := strings.Split(token, ".")
	if len(parts) != 3 || !strings.EqualFold(parts[2], refreshVersion) {
		return r, errRefreshToken
	}
	sealed, err := base64.StdEncoding.DecodeString(parts[0])
	size := s.keys.seal.NonceSize()
	if err != nil || len(sealed) < size {
		return r, errRefreshToken
	}
	plain, err := s.keys.seal.Open(nil, sealed[:size], sealed[size:], nil)
	if err != nil || json.Unmarshal(plain, &r) != nil || r.Nonce != parts[1] {
		return refresh{}, errRefreshToken
	}
	return r, nil
}

func hashHex(s string) string {
	sum := sha256.Sum256([]byte(s))
	return hex.EncodeToString(sum[:])
}
