package web

import (
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/konsulin-care/konsulin-bot/internal/returnpath"
	"github.com/rs/zerolog"
)

// DefaultChatURL is where a chat with a number opens: the app on a phone, WhatsApp Web or Desktop on a computer.
const DefaultChatURL = "https://wa.me"

// login begins a login in this browser and shows how it goes on in WhatsApp. It works without JavaScript: its button is
// a link, and the script only tells what it learns meanwhile.
func (s *Server) login(w http.ResponseWriter, r *http.Request) {
	s.showLogin(w, r, http.StatusOK, r.URL.Query().Get("redirectToPath"), codeForm{})
}

// codeForm is what the form of the desktop code says when it is shown again.
type codeForm struct {
	Problem string // key of a sentence; empty: none
	Left    int    // tries, for the sentences that say so
	Replace bool   // ask whether the session of somebody else may end
}

func (s *Server) showLogin(w http.ResponseWriter, r *http.Request, status int, next string, form codeForm) {
	if !returnpath.Safe(next) {
		next = ""
	}
	attempt := s.begin(w, r, next)
	if returnpath.Safe(attempt.ReturnPath) {
		next = attempt.ReturnPath
	}
	keep := url.Values{}
	if next != "" {
		keep.Set("redirectToPath", next)
	}
	v := s.view(r, "login", keep)
	v.Next = next
	if next == "" {
		v.Next = v.SignedInPath
	}
	v.Chat, v.Phrase = chatURL(s.cfg.ChatURL, s.cfg.BotNumber, attempt.Text), attempt.Text
	v.Desktop = !onPhone(r)
	if down, wait := s.lineDown(); down {
		v.Chat, v.LineDown, v.LineWait = "", true, wait
		w.Header().Set("Cache-Control", "no-store")
	}
	v.Watched, v.Received = attempt.Reference != "", attempt.State == attemptReceived
	v.Wakeful = attempt.Expires.Milliseconds()
	v.DesktopCode, v.Code = attempt.DesktopCode && attempt.Reference != "" && v.Desktop, form
	if v.Desktop && v.Chat != "" {
		var err error
		if v.QR, err = s.qrOf(v.Chat); err != nil {
			zerolog.Ctx(r.Context()).Error().Err(err).Msg("the login page has no QR code")
		}
	}
	w.Header().Add("Vary", "User-Agent, Sec-CH-UA-Mobile")
	s.render(w, r, status, v)
}

// lineDown says whether a message to the bot would get no answer now, and for how many minutes; 0: not known. A browser that
// has begun a login goes on with it: its link may have been sent before.
func (s *Server) lineDown() (down bool, wait int) {
	if s.cfg.LineDown == nil {
		return false, 0
	}
	reason, left := s.cfg.LineDown()
	if reason == "" {
		return false, 0
	}
	if left <= 0 {
		return true, 0
	}
	return true, minutes(left)
}

// attemptReceived is the state of an attempt whose message has arrived.
const attemptReceived = "received"

// begin starts an attempt, or finds this browser's live one. Without one a login works all the same, only that its link
// asks for the last four digits: so trouble with it is logged, and no reason to turn anybody away. A HEAD begins none, nor
// does a page of somebody else's that sends the browser here.
func (s *Server) begin(w http.ResponseWriter, r *http.Request, next string) auth.Attempt {
	plain := auth.Attempt{Text: s.cfg.Phrase}
	if r.Method == http.MethodHead || s.sentByOthers(r) {
		return plain
	}
	attempt, err := s.cfg.Sessions.StartAttempt(w, r, next)
	if errors.Is(err, auth.ErrBusy) {
		return plain
	}
	if err != nil {
		zerolog.Ctx(r.Context()).Error().Err(err).Msg("a login attempt cannot be started; its link will ask for digits")
		return plain
	}
	return attempt
}

// sentByOthers says whether another site sent the browser here. Whoever lives there could otherwise make any browser one that
// began a login, and then send it to a link of their own, which would ask for no digits and take the guest along.
func (s *Server) sentByOthers(r *http.Request) bool {
	from, err := url.Parse(r.Referer())
	if err == nil && from.Host != "" && slices.Contains(s.cfg.TrustedOrigins, from.Scheme+"://"+from.Host) {
		return false
	}
	if site := r.Header.Get("Sec-Fetch-Site"); site != "" {
		return site == "cross-site"
	}
	// An old browser, or one without https.
	return err != nil || (from.Host != "" && from.Host != r.Host)
}

// qrOf remembers the code of the plain phrase, which is what nearly everybody sees.
func (s *Server) qrOf(chat string) (qr, error) {
	if chat == s.plainChat {
		return s.plainQR, nil
	}
	return newQR(chat)
}

// onPhone tells where WhatsApp is most likely an app of the same device. Browsers that say it in a header are believed,
// others are judged by their name; a wrong guess costs a tab or a QR code.
func onPhone(r *http.Request) bool {
	switch r.Header.Get("Sec-CH-UA-Mobile") {
	case "?1":
		return true
	case "?0":
		return false
	}
	return strings.Contains(r.UserAgent(), "Mobi")
}

// chatURL opens a chat with the bot with the text typed in already; empty without a number. WhatsApp wants spaces as %20.
func chatURL(base string, n phone.Number, text string) string {
	if n.IsZero() {
		return ""
	}
	return base + "/" + n.Digits() + "?text=" + strings.ReplaceAll(url.QueryEscape(text), "+", "%20")
}

// minutes rounds up: a link that works is never said to work for no time.
func minutes(d time.Duration) int {
	return max(1, int((d+time.Minute-1)/time.Minute))
}
