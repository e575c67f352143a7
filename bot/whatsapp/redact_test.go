package whatsapp

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
	"go.mau.fi/libsignal/logger"
	"go.mau.fi/whatsmeow"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/socket"
	"go.mau.fi/whatsmeow/types"
	"go.mau.fi/whatsmeow/types/events"
	"pgregory.net/rapid"
)

// nasty are values that name somebody or carry a secret, in every form that the library logs them in.
func nasty() []any {
	jid := types.JID{User: theirDigits, Device: 3, Server: types.DefaultUserServer}
	node := &waBinary.Node{Tag: "message", Attrs: waBinary.Attrs{"from": jid, "notify": "Somebody Real"}}
	return []any{
		jid, &jid, []types.JID{jid}, map[string]types.JID{theirDigits: jid}, jid.String(), jid.UserInt(), int64(6281298765432), node, *node,
		theirDigits, "Somebody Real", "https://konsulin.care/auth/verify?preAuthSessionId=abc#secret-link-code", []byte("secret-link-code"),
		errors.New("no LID found for " + jid.String()), fmt.Errorf("look up %s: %w", jid, errors.New("Somebody Real")),
		fmt.Errorf("wrapped %s: %w", jid, sql.ErrNoRows), &whatsmeow.DisconnectedError{Action: "secret-link-code", Node: node},
		&whatsmeow.IQError{Code: 404, Text: theirDigits, RawNode: node}, struct{ Name string }{"Somebody Real"}, &events.Message{},
		fmt.Errorf("%w %s", whatsmeow.ErrServerReturnedError, theirDigits), nil,
		types.MessageInfo{PushName: "Somebody Real", MessageSource: types.MessageSource{Sender: jid}},
	}
}

func requireNothingPersonal(t require.TestingT, out string) {
	for _, secret := range []string{theirDigits, "98765432", "Somebody", "secret-link-code", "konsulin.care", "whatsapp.net", "@"} {
		if i := strings.Index(out, secret); i >= 0 {
			require.FailNow(t, "leak", "%q in ...%s...", secret, out[max(0, i-100):min(len(out), i+100)])
		}
	}
}

func TestLibraryLogsNameNobody(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := quiet(zerolog.New(&out)).Sub("Recv")
	for _, value := range nasty() {
		for _, verb := range []string{"%s", "%v", "%+v", "%#v", "%q", "%d", "%x", "%T", "%5.2s", "%[1]s", "%*d", "%-10v"} {
			log.Errorf("Failed to handle "+verb+" from "+verb, value, value)
			log.Warnf("Unknown connect failure: "+verb, value)
			log.Infof("Successfully paired "+verb, value)
			log.Debugf("everything: "+verb, value)
		}
		for _, mistaken := range []string{"too many", "too few %s %s %s"} {
			log.Errorf(mistaken, value, value)
		}
	}
	log.Errorf("put together by hand: " + theirDigits + " wrote https://konsulin.care/x#secret-link-code to " + theirLID + "@lid")
	require.NotEmpty(t, out.String())
	requireNothingPersonal(t, out.String())
	require.NotContains(t, out.String(), "everything", "Debug lines are dropped")
	require.NotContains(t, out.String(), `"level":"info"`)
}

func TestLibraryLogsKeepWhatHelps(t *testing.T) {
	t.Parallel()
	jid := pnJID(theirDigits)
	for _, row := range []struct {
		format string
		args   []any
		want   string
	}{
		{"Handler for %s failed", []any{"3EB0"}, "Handler for [hidden] failed"},
		{"Uploading %d new prekeys to server", []any{50}, "Uploading 50 new prekeys to server"},
		{"Got %d/%s connect failure", []any{503, "text"}, "Got 503/[hidden] connect failure"},
		{"Got %s connect failure", []any{events.ConnectFailureLoggedOut}, "Got 401 connect failure"},
		{"Node handling took %s for %s", []any{6 * time.Second, jid}, "Node handling took 6s for [hidden]"},
		{"Error decrypting message %s from %s: %v", []any{"3EB0", jid, fmt.Errorf("x: %w", whatsmeow.ErrNoSession)},
			"Error decrypting message [hidden] from [hidden]: " + whatsmeow.ErrNoSession.Error()},
		{"100%% of %t", []any{true}, "100% of true"},
		{"x %v", []any{errors.New("secret")}, "x [hidden] (*errors.errorString)"},
		{"x %v", []any{fmt.Errorf("%w: %w", socket.ErrDialFailed, &net.OpError{Err: syscall.ECONNREFUSED})},
			"x failed to dial whatsapp web websocket: connection refused"},
		{"x %v", []any{&net.DNSError{Name: "secret"}}, "x the host name could not be looked up"},
		{"x %v", []any{socket.ErrWithStatusCode{StatusCode: 429}}, "x HTTP status 429"},
		{"x %v", []any{context.DeadlineExceeded}, "x context deadline exceeded"},
		{"x %v", []any{fmt.Errorf("%w 479", whatsmeow.ErrServerReturnedError)}, "x WhatsApp answered with code 479"},
	} {
		require.Equal(t, row.want, redact(row.format, row.args))
	}
}

func TestNoStringPassesTheRedactor(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		secret := rapid.StringMatching(`[a-z0-9@.:+]{6,40}`).Draw(rt, "secret")
		format := rapid.StringMatching(`[A-Z ]{0,10}%[-+# 0]?[0-9]{0,2}(\.[0-9])?[vsqxdTt][A-Z ]{0,10}`).Draw(rt, "format")
		for _, value := range []any{secret, []byte(secret), errors.New(secret), &secret, []string{secret}, struct{ S string }{secret}} {
			require.NotContains(rt, redact(format, []any{value}), secret)
		}
	})
}

func TestMaskedErrorsStayMasked(t *testing.T) {
	t.Parallel()
	inner := fmt.Errorf("get LID for %s@s.whatsapp.net: %w", theirDigits, context.Canceled)
	err := mask(inner)
	require.ErrorIs(t, err, context.Canceled)
	require.Nil(t, errors.Unwrap(err), "nobody can reach the text inside")
	requireNothingPersonal(t, fmt.Sprintf("%v %+v %#v %s %q", err, err, err, err, err))
	require.NoError(t, mask(nil))
}

func TestLibraryFindsNoLoggerInTheContext(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	ctx := zerolog.New(&out).WithContext(t.Context())
	zerolog.Ctx(unlogged(ctx)).Error().Str("lid", theirLID).Msg("x")
	require.Empty(t, out.String())
}

func TestSignalLibraryIsSilent(t *testing.T) {
	t.Parallel()
	require.NotNil(t, logger.Logger)
	logger.Error("would be printed to standard output")
	require.NotContains(t, fmt.Sprintf("%T", logger.Logger), "default")
}
