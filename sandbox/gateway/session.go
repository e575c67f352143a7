package gateway

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// The names that SuperTokens' front ends know.
const (
	accessCookie  = "sAccessToken"
	refreshCookie = "sRefreshToken"
	accessHeader  = "st-access-token"
	refreshHeader = "st-refresh-token"
	frontHeader   = "front-token"
)

// token is a token as the core makes it; times are milliseconds since 1970.
type token struct {
	Token               string
	Expiry, CreatedTime int64
}

// session is what the core says about one.
type session struct {
	Status  string
	Session struct {
		Handle, UserID string
		UserDataInJWT  map[string]any
	}
	AccessToken, RefreshToken *token
}

var errUnauthorised = refusal{http.StatusUnauthorized, "unauthorised"}

// openSession makes a session and hands its tokens to the browser, in cookies or, unless it asked for those, in headers.
func (s *Server) openSession(c *call, userID string, roles []string, ref string) error {
	var made session
	err := s.ask(c.ctx, http.MethodPost, "/"+tenant+"/recipe/session", "session", object{
		"userId": userID, "userDataInDatabase": object{}, "enableAntiCsrf": false, "useDynamicSigningKey": true,
		"userDataInJWT": object{"iss": s.URL() + s.o.APIBasePath, "st-role": object{"v": roles, "t": s.o.Now().UnixMilli()}, "fhirResourceId": ref},
	}, &made)
	if err != nil {
		return err
	}
	s.hand(c, made)
	return nil
}

// hand gives tokens to the browser.
func (s *Server) hand(c *call, x session) {
	cookies := c.r.Header.Get("st-auth-mode") == "cookie"
	if t := x.AccessToken; t != nil {
		if cookies {
			s.setCookie(c, accessCookie, t.Token, "/", time.UnixMilli(t.Expiry))
		} else {
			c.w.Header().Set(accessHeader, t.Token)
		}
		front, err := json.Marshal(object{"uid": x.Session.UserID, "ate": t.Expiry, "up": x.Session.UserDataInJWT})
		if err == nil {
			c.w.Header().Set(frontHeader, base64.StdEncoding.EncodeToString(front))
		}
	}
	if t := x.RefreshToken; t != nil {
		if cookies {
			s.setCookie(c, refreshCookie, t.Token, s.o.APIBasePath+"/session/refresh", time.UnixMilli(t.Expiry))
		} else {
			c.w.Header().Set(refreshHeader, t.Token)
		}
	}
}

// drop takes the tokens from the browser.
func (s *Server) drop(c *call) {
	s.setCookie(c, accessCookie, "", "/", time.Unix(0, 0))
	s.setCookie(c, refreshCookie, "", s.o.APIBasePath+"/session/refresh", time.Unix(0, 0))
	c.w.Header().Set(accessHeader, "")
	c.w.Header().Set(refreshHeader, "")
	c.w.Header().Set(frontHeader, "remove")
}

// setCookie is not Secure: the stand-in is reached by http on loopback.
func (s *Server) setCookie(c *call, name, value, path string, until time.Time) {
	http.SetCookie(c.w, &http.Cookie{Name: name, Value: value, Path: path, Expires: until, HttpOnly: true, SameSite: http.SameSiteLaxMode})
}

// tokenOf reads a token of the browser; empty: there is none.
func (c *call) tokenOf(cookie string) string {
	if bearer, ok := strings.CutPrefix(c.r.Header.Get("Authorization"), "Bearer "); ok {
		return bearer
	}
	return c.cookie(cookie)
}

// cookie is the value of one; empty: there is none.
func (c *call) cookie(name string) string {
	found, err := c.r.Cookie(name)
	if err != nil {
		return ""
	}
	return found.Value
}

// who is the session of the request, or errUnauthorised.
func (s *Server) who(c *call) (session, error) {
	var x session
	given := c.tokenOf(accessCookie)
	if given == "" {
		return x, errUnauthorised
	}
	err := s.ask(c.ctx, http.MethodPost, "/recipe/session/verify", "session", object{
		"accessToken": given, "doAntiCsrfCheck": false, "enableAntiCsrf": false, "checkDatabase": true,
	}, &x)
	if err == nil && x.Status != "OK" {
		err = errUnauthorised
	}
	if err != nil {
		return session{}, err
	}
	s.hand(c, x)
	return x, nil
}

// refresh answers POST /session/refresh.
func (s *Server) refresh(c *call) (any, error) {
	given := c.tokenOf(refreshCookie)
	if given == "" {
		return nil, errUnauthorised
	}
	var x session
	err := s.ask(c.ctx, http.MethodPost, "/"+tenant+"/recipe/session/refresh", "session", object{
		"refreshToken": given, "enableAntiCsrf": false, "useDynamicSigningKey": true,
	}, &x)
	switch {
	case err != nil:
		return nil, err
	case x.Status == "TOKEN_THEFT_DETECTED":
		if err := s.end(c, x.Session.Handle); err != nil {
			return nil, err
		}
		s.drop(c)
		return nil, refusal{http.StatusUnauthorized, "token theft detected"}
	case x.Status != "OK":
		s.drop(c)
		return nil, errUnauthorised
	}
	s.hand(c, x)
	return object{}, nil
}

func (s *Server) end(c *call, handle string) error {
	var done struct{ Status string }
	return s.ask(c.ctx, http.MethodPost, "/recipe/session/remove", "session", object{"sessionHandles": []string{handle}}, &done)
}

// signOut answers POST /signout.
func (s *Server) signOut(c *call) (any, error) {
	x, err := s.who(c)
	if err != nil {
		return nil, err
	}
	if err := s.end(c, x.Session.Handle); err != nil {
		return nil, err
	}
	s.drop(c)
	return object{"status": "OK"}, nil
}

// whoAmI answers GET /session, the stand-in's own: who is signed in in this browser.
func (s *Server) whoAmI(c *call) (any, error) {
	x, err := s.who(c)
	if err != nil {
		return nil, err
	}
	return object{"userId": x.Session.UserID, "fhirResourceId": x.Session.UserDataInJWT["fhirResourceId"]}, nil
}

// jwks answers GET /jwt/jwks.json: the keys by which anybody can check an access token.
func (s *Server) jwks(c *call) (any, error) {
	var keys struct {
		Keys []object `json:"keys"`
	}
	if err := s.ask(c.ctx, http.MethodGet, "/.well-known/jwks.json", "", nil, &keys); err != nil {
		return nil, err
	}
	return keys, nil
}
