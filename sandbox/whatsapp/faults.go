package whatsapp

import (
	"sync"
	"time"
)

// Faults is what goes wrong on purpose. Its methods may be called at any time; they act from then on.
type Faults struct {
	faultMu  sync.Mutex
	ackDelay time.Duration
	loseAcks int
	nack     int
	login    *LoginFault
	deaf     bool
}

// LoginFault is how a login is refused.
type LoginFault struct {
	Reason int           // 401 logged out, 402 temporary ban, 403 locked, 405 outdated, 503 unavailable, ...
	Code   int           // with 402: why, 101 (too many people) if zero
	Expire time.Duration // with 402: how long
}

// AckDelay makes the server wait this long before it acknowledges a message that a client sends.
func (f *Faults) AckDelay(d time.Duration) {
	f.faultMu.Lock()
	defer f.faultMu.Unlock()
	f.ackDelay = d
}

// LoseAcks makes the server deliver the next n messages of clients without acknowledging them.
func (f *Faults) LoseAcks(n int) {
	f.faultMu.Lock()
	defer f.faultMu.Unlock()
	f.loseAcks = n
}

// NackSends makes the server refuse every message of clients with this error code, for example 463 while an account
// may not reach out. Zero ends it.
func (f *Faults) NackSends(code int) {
	f.faultMu.Lock()
	defer f.faultMu.Unlock()
	f.nack = code
}

// LoginFailure makes the server refuse logins with this reason. Zero ends it. With 401 the client forgets its link,
// so the server forgets the device too.
func (f *Faults) LoginFailure(reason int) {
	if reason == 0 {
		f.setLogin(nil)
		return
	}
	f.setLogin(&LoginFault{Reason: reason})
}

// LoginBan is LoginFailure(402) with the code and the duration of the ban.
func (f *Faults) LoginBan(code int, expire time.Duration) {
	f.setLogin(&LoginFault{Reason: 402, Code: code, Expire: expire})
}

// IgnorePings makes the server leave keep-alives unanswered, so that a client thinks its connection is broken.
func (f *Faults) IgnorePings(yes bool) {
	f.faultMu.Lock()
	defer f.faultMu.Unlock()
	f.deaf = yes
}

func (f *Faults) ignoresPings() bool {
	f.faultMu.Lock()
	defer f.faultMu.Unlock()
	return f.deaf
}

func (f *Faults) setLogin(fault *LoginFault) {
	f.faultMu.Lock()
	defer f.faultMu.Unlock()
	f.login = fault
}

func (f *Faults) loginFault() *LoginFault {
	f.faultMu.Lock()
	defer f.faultMu.Unlock()
	return f.login
}

// ackPlan is what happens to one message that a client sends.
type ackPlan struct {
	delay time.Duration
	nack  int
	lose  bool
}

func (f *Faults) planAck() ackPlan {
	f.faultMu.Lock()
	defer f.faultMu.Unlock()
	p := ackPlan{delay: f.ackDelay, nack: f.nack}
	if p.nack == 0 && f.loseAcks > 0 {
		f.loseAcks--
		p.lose = true
	}
	return p
}

// and joins the plans of a server and of an account.
func (p ackPlan) and(other ackPlan) ackPlan {
	joined := ackPlan{delay: max(p.delay, other.delay), nack: p.nack, lose: p.lose || other.lose}
	if other.nack != 0 {
		joined.nack = other.nack
	}
	return joined
}
