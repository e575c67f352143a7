package whatsapp

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"net"
	"regexp"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"
	"go.mau.fi/libsignal/logger"
	"go.mau.fi/libsignal/signalerror"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/socket"
	"go.mau.fi/whatsmeow/store"
	"go.mau.fi/whatsmeow/types/events"
	waLog "go.mau.fi/whatsmeow/util/log"
)

// hidden stands in a log line where something was that may name a person.
const hidden = "[hidden]"

// redactor is whatsmeow's way to our log. The library writes addresses, names, whole stanzas and message ids at
// every level, so nothing passes but the constant part of a format and arguments of types that cannot hold any of
// that. Debug lines, which are whole stanzas, are dropped; Info lines become Debug.
type redactor struct {
	log zerolog.Logger
}

func quiet(log zerolog.Logger) waLog.Logger { return redactor{log: log} }

func (r redactor) Errorf(msg string, args ...any) { r.write(r.log.Error(), msg, args) }
func (r redactor) Warnf(msg string, args ...any)  { r.write(r.log.Warn(), msg, args) }
func (r redactor) Infof(msg string, args ...any)  { r.write(r.log.Debug(), msg, args) }
func (r redactor) Debugf(string, ...any)          {}

func (r redactor) Sub(module string) waLog.Logger {
	return redactor{log: r.log.With().Str("part", module).Logger()}
}

func (r redactor) write(e *zerolog.Event, msg string, args []any) {
	if e.Enabled() {
		e.Str("text", redact(msg, args)).Msg("whatsmeow")
	}
}

var (
	// A verb of fmt with its flags, or a doubled percent sign.
	verb = regexp.MustCompile(`%[-+# 0]*(\[\d+\])?[\d.*]*[a-zA-Z%]`)
	// What must not be in the constant part either, should a line ever be put together by hand: a run of digits as
	// long as a number, an address, a link.
	suspect = regexp.MustCompile(`\d{5,}|\S*@\S*|\S*://\S*`)
)

// redact is fmt.Sprintf that blanks every argument which is not of a harmless type.
func redact(msg string, args []any) string {
	constant := suspect.ReplaceAllString(msg, hidden)
	i := 0
	return verb.ReplaceAllStringFunc(constant, func(v string) string {
		if v == "%%" {
			return "%"
		}
		if i >= len(args) || strings.ContainsAny(v, "[*") {
			i++
			return hidden
		}
		i++
		return harmless(args[i-1])
	})
}

// longestInt is the largest number that passes: counts and codes are smaller, phone numbers are not.
const longestInt = 99_999

// harmless prints values that cannot name anybody, and hides all others.
func harmless(arg any) string {
	switch a := arg.(type) {
	case bool:
		return fmt.Sprint(a)
	case int:
		return number(int64(a))
	case int32:
		return number(int64(a))
	case int64:
		return number(a)
	case uint32:
		return number(int64(a))
	case events.ConnectFailureReason:
		return number(int64(a))
	case time.Duration:
		return a.String()
	case error:
		return safeText(a)
	default:
		return hidden
	}
}

func number(n int64) string {
	if n < -longestInt || n > longestInt {
		return hidden
	}
	return fmt.Sprint(n)
}

// safeErrors have constant texts that name nobody.
func safeErrors() []error {
	return []error{
		context.Canceled, context.DeadlineExceeded, io.EOF, io.ErrUnexpectedEOF, net.ErrClosed, sql.ErrNoRows,
		sql.ErrConnDone, sql.ErrTxDone,
		whatsmeow.ErrNotConnected, whatsmeow.ErrNotLoggedIn, whatsmeow.ErrAlreadyConnected, whatsmeow.ErrIQTimedOut,
		whatsmeow.ErrMessageTimedOut, whatsmeow.ErrNoSession, whatsmeow.ErrEventAlreadyProcessed,
		whatsmeow.ErrPairInvalidDeviceIdentityHMAC, whatsmeow.ErrPairInvalidDeviceSignature,
		whatsmeow.ErrPairRejectedLocally, whatsmeow.ErrRecipientADJID,
		socket.ErrDialFailed, socket.ErrSocketClosed, socket.ErrFrameTooLarge, store.ErrDeviceDeleted, errKept,
		signalerror.ErrUntrustedIdentity, signalerror.ErrNoSignedPreKey, signalerror.ErrInvalidSignature,
		signalerror.ErrNoOneTimeKeyFound, signalerror.ErrNoValidSessions, signalerror.ErrUninitializedSession,
		signalerror.ErrTooFarIntoFuture, signalerror.ErrOldCounter, signalerror.ErrNoSessionForUser,
		signalerror.ErrNoSenderKeyForUser, signalerror.ErrBadMAC, signalerror.ErrIncompleteMessage,
		syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ETIMEDOUT, syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EPIPE,
	}
}

// safeText says what went wrong without the library's own words, which quote addresses and stanzas: the texts of the
// known errors inside, codes, and otherwise the kind of error only.
func safeText(err error) string {
	if err == nil {
		return "no error"
	}
	var parts []string
	for _, known := range safeErrors() {
		if errors.Is(err, known) {
			parts = append(parts, known.Error())
		}
	}
	if code, ok := serverCode(err); ok {
		parts = append(parts, fmt.Sprintf("WhatsApp answered with code %d", code))
	}
	var iq *whatsmeow.IQError
	if errors.As(err, &iq) {
		parts = append(parts, "WhatsApp refused a query with code "+number(int64(iq.Code)))
	}
	var gone *whatsmeow.DisconnectedError
	if errors.As(err, &gone) {
		parts = append(parts, "the connection was lost meanwhile")
	}
	var status socket.ErrWithStatusCode
	if errors.As(err, &status) {
		parts = append(parts, "HTTP status "+number(int64(status.StatusCode)))
	}
	var dns *net.DNSError
	if errors.As(err, &dns) {
		parts = append(parts, "the host name could not be looked up")
	}
	if len(parts) == 0 {
		return fmt.Sprintf("%s (%T)", hidden, err)
	}
	return strings.Join(parts, ": ")
}

// masked is an error of the library with a safe text. Its chain can be asked with errors.Is, but not be unwrapped,
// so that nobody prints what is inside.
type masked struct{ inner error }

func mask(err error) error {
	if err == nil {
		return nil
	}
	return masked{inner: err}
}

func (m masked) Error() string        { return safeText(m.inner) }
func (m masked) Is(target error) bool { return errors.Is(m.inner, target) }

// Format keeps every verb, %+v and %#v included, to the safe text.
func (m masked) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, m.Error()) }

// unlogged takes the logger out of a context: whatsmeow writes addresses to the logger that it finds there.
func unlogged(ctx context.Context) context.Context {
	return zerolog.New(io.Discard).Level(zerolog.PanicLevel).WithContext(ctx)
}

// libsignal prints to standard output until it is given a logger, which it keeps in a variable without a lock.
// While packages are initialised nothing can race with that.
var _ = silenceSignal()

func silenceSignal() bool {
	var silent logger.Loggable = silentSignal{}
	logger.Setup(&silent)
	return true
}

type silentSignal struct{}

func (silentSignal) Debug(string, string)   {}
func (silentSignal) Info(string, string)    {}
func (silentSignal) Warning(string, string) {}
func (silentSignal) Error(string, string)   {}
func (silentSignal) Configure(string)       {}
