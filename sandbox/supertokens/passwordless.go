package supertokens

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"math/big"
	"strings"
	"time"
)

// contact is whom a code was made for: a number or an e-mail address.
type contact struct{ phone, email maybe }

// device is one login attempt ("pre-auth session"). All its codes can be entered with its device id.
type device struct {
	hash   string // preAuthSessionId
	salt   []byte // keeps link codes from being computed out of a device id and a guessed user input code
	of     contact
	failed int
	codes  []*code
}

// code is one code, which can be entered as digits or followed as a link.
type code struct {
	id      string
	hash    string // of the link code
	device  *device
	created time.Time
}

func (s *Server) expired(c *code) bool { return c.created.Before(s.now().Add(-s.o.CodeLifetime)) }

func (c *core) devicesOf(who contact) map[string]*device { return c.contacts[who] }

func (c *core) add(d *device) {
	c.devices[d.hash] = d
	if c.contacts[d.of] == nil {
		c.contacts[d.of] = map[string]*device{}
	}
	c.contacts[d.of][d.hash] = d
}

func (c *core) drop(d *device) {
	for _, code := range d.codes {
		delete(c.codes, code.id)
		delete(c.links, code.hash)
	}
	delete(c.devices, d.hash)
	delete(c.contacts[d.of], d.hash)
	if len(c.contacts[d.of]) == 0 {
		delete(c.contacts, d.of)
	}
}

// dropAll throws away the codes of a contact; of no contact, none.
func (c *core) dropAll(who contact) {
	if who == (contact{}) {
		return
	}
	for _, d := range c.contacts[who] {
		c.drop(d)
	}
}

// sweepEvery is how often the core throws away devices whose codes have all expired. Until then they are listed.
const sweepEvery = time.Hour

func (s *Server) sweep() {
	now := s.now()
	if s.core.swept.IsZero() {
		s.core.swept = now
	}
	if now.Sub(s.core.swept) < sweepEvery {
		return
	}
	s.core.swept = now
	for _, d := range s.core.devices {
		alive := false
		for _, c := range d.codes {
			alive = alive || !s.expired(c)
		}
		if !alive {
			s.core.drop(d)
		}
	}
}

// createCode answers POST /recipe/signinup/code.
func (s *Server) createCode(c *call) (object, error) {
	who, existing, err := c.whom()
	if err != nil {
		return nil, err
	}
	digits, given, err := c.maybeStr("userInputCode")
	if err != nil {
		return nil, err
	}
	if given && digits == "" {
		return nil, bad("userInputCode cannot be an empty string.")
	}
	s.sweep()
	if !existing.given {
		key := random(32)
		d := &device{hash: hashOf(key), salt: random(32), of: who}
		s.core.add(d)
		return s.issue(d, key, digits), nil
	}
	key, err := decode64(base64.RawStdEncoding, existing.value, "deviceId")
	if err != nil {
		return nil, err
	}
	d := s.core.devices[hashOf(key)]
	if d == nil {
		return status("RESTART_FLOW_ERROR"), nil
	}
	if given && s.core.links[hashOf(d.linkCode(key, digits))] != nil {
		return status("USER_INPUT_CODE_ALREADY_USED_ERROR"), nil
	}
	return s.issue(d, key, digits), nil
}

// whom reads for whom a code is made: exactly one of a number, an address and a device that exists.
func (c *call) whom() (who contact, existing maybe, err error) {
	if who, err = c.contact(); err != nil {
		return who, existing, err
	}
	existing.value, existing.given, err = c.maybeStr("deviceId")
	if err == nil && !exactlyOne(who.email.given, who.phone.given, existing.given) {
		err = bad("Please provide exactly one of email, phoneNumber or deviceId")
	}
	return who, existing, err
}

// contact reads a number and an address, either of which may be missing.
func (c *call) contact() (who contact, err error) {
	if who.email.value, who.email.given, err = c.maybeStr("email"); err != nil {
		return who, err
	}
	who.phone.value, who.phone.given, err = c.maybeStr("phoneNumber")
	who.email.value, who.phone.value = normalEmail(who.email.value), normalPhone(who.phone.value)
	return who, err
}

// issue adds a code to a device; without digits it rolls them until they are new there.
func (s *Server) issue(d *device, key []byte, digits string) object {
	roll := digits == ""
	for roll {
		digits = sixDigits()
		roll = s.core.links[hashOf(d.linkCode(key, digits))] != nil
	}
	link := d.linkCode(key, digits)
	c := &code{id: uuid(), hash: hashOf(link), device: d, created: s.now()}
	d.codes = append(d.codes, c)
	s.core.codes[c.id], s.core.links[c.hash] = c, c
	return ok(object{
		"preAuthSessionId": d.hash,
		"codeId":           c.id,
		"deviceId":         base64.StdEncoding.EncodeToString(key),
		"userInputCode":    digits,
		"linkCode":         base64.RawURLEncoding.EncodeToString(link),
		"timeCreated":      c.created.UnixMilli(),
		"codeLifetime":     s.o.CodeLifetime.Milliseconds(),
	})
}

func (d *device) linkCode(key []byte, digits string) []byte {
	mac := hmac.New(sha256.New, append(append([]byte(nil), key...), d.salt...))
	mac.Write([]byte(digits))
	return mac.Sum(nil)
}

func hashOf(b []byte) string {
	sum := sha256.Sum256(b)
	return base64.RawURLEncoding.EncodeToString(sum[:])
}

func sixDigits() string {
	n, _ := rand.Int(rand.Reader, big.NewInt(1_000_000)) // never fails (crypto/rand)
	digits := n.String()
	return strings.Repeat("0", 6-len(digits)) + digits
}

// decode64 reads base64 as the core's decoders do: padding may be missing but not wrong, line breaks may not be there.
func decode64(enc *base64.Encoding, in, name string) ([]byte, error) {
	if strings.HasSuffix(in, "=") {
		enc = enc.WithPadding(base64.StdPadding)
	}
	b, err := enc.DecodeString(in)
	if err != nil || strings.ContainsAny(in, "\r\n") {
		return nil, bad("Input encoding error in %s", name)
	}
	return b, nil
}

func exactlyOne(given ...bool) bool {
	n := 0
	for _, g := range given {
		if g {
			n++
		}
	}
	return n == 1
}
