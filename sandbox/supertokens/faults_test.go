package supertokens_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/konsulin-care/konsulin-bot/sandbox/supertokens"
)

// bench is a stand-in and a client that speaks to it without the SDK.
type bench struct {
	*supertokens.Server
	client http.Client
}

func setup(t testing.TB, o supertokens.Options) *bench {
	t.Helper()
	s, err := supertokens.New(o)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, s.Close()) })
	// A connection for each request: one that is kept may be cut between two requests, which reads as EOF.
	return &bench{Server: s, client: http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}}
}

// do sends one request as the SDK does.
func (b *bench) do(t testing.TB, method, path, body string) (status int, answer map[string]any, err error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, b.URL()+path, bytes.NewBufferString(body))
	require.NoError(t, err)
	req.Header.Set("cdi-version", "3.1")
	req.Header.Set("rid", "passwordless")
	res, err := b.client.Do(req)
	if err != nil {
		return 0, nil, err
	}
	defer func() { _ = res.Body.Close() }()
	raw, err := io.ReadAll(res.Body)
	if err == nil && json.Unmarshal(raw, &answer) != nil {
		answer = map[string]any{"text": string(raw)}
	}
	return res.StatusCode, answer, err
}

const createPath = "/recipe/signinup/code"

func (b *bench) create(t testing.TB, phone string) (int, map[string]any, error) {
	t.Helper()
	return b.do(t, http.MethodPost, "/public"+createPath, `{"phoneNumber":"`+phone+`"}`)
}

func TestDownRefusesConnectionsAndForgetsNothing(t *testing.T) {
	t.Parallel()
	b := setup(t, supertokens.Options{})
	_, _, err := b.create(t, "6281234567890")
	require.NoError(t, err)
	for range 3 {
		b.Down(true)
		_, _, err = b.create(t, "6281234567890")
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		b.Down(true)
		b.Down(false)
		b.Down(false)
	}
	require.Equal(t, 1, b.Codes("6281234567890"))
	status, _, err := b.create(t, "6281234567890")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
	require.Equal(t, 2, b.Codes("6281234567890"))
}

func TestCloseEndsAnOutageForGood(t *testing.T) {
	t.Parallel()
	b := setup(t, supertokens.Options{})
	require.NoError(t, b.Close())
	b.Down(false)
	_, _, err := b.create(t, "6281234567890")
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

func TestUnavailableAnswers503(t *testing.T) {
	t.Parallel()
	b := setup(t, supertokens.Options{})
	b.Unavailable(true)
	status, _, err := b.create(t, "6281234567890")
	require.NoError(t, err)
	require.Equal(t, http.StatusServiceUnavailable, status)
	b.Unavailable(false)
	status, _, err = b.create(t, "6281234567890")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
}

func TestFailNextFailsJustThatManyAndDoesNoWork(t *testing.T) {
	t.Parallel()
	b := setup(t, supertokens.Options{})
	b.FailNext(2, http.StatusBadGateway)
	var got []int
	for range 3 {
		status, _, err := b.create(t, "6281234567890")
		require.NoError(t, err)
		got = append(got, status)
	}
	require.Equal(t, []int{http.StatusBadGateway, http.StatusBadGateway, http.StatusOK}, got)
	require.Equal(t, 1, b.Codes("6281234567890"))
	require.Equal(t, 3, b.Calls(createPath))
}

func TestLostResponseHasDoneTheWork(t *testing.T) {
	t.Parallel()
	b := setup(t, supertokens.Options{})
	b.LoseResponse(1, createPath)
	_, _, err := b.create(t, "6281234567890")
	require.ErrorIs(t, err, io.EOF)
	require.Equal(t, 1, b.Codes("6281234567890"))
	status, _, err := b.create(t, "6281234567890")
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, status)
}

func TestSlowOutlastsAnImpatientClient(t *testing.T) {
	t.Parallel()
	b := setup(t, supertokens.Options{})
	b.Slow(time.Hour)
	b.client.Timeout = 50 * time.Millisecond
	_, _, err := b.create(t, "6281234567890")
	require.ErrorContains(t, err, "Client.Timeout")
	b.Slow(0)
	b.client.Timeout = 10 * time.Second
	_, _, err = b.create(t, "6281234567890")
	require.NoError(t, err)
}

func TestHooksStandBeforeAndAfterTheWork(t *testing.T) {
	t.Parallel()
	b := setup(t, supertokens.Options{})
	seen := make(chan int, 2)
	b.Before(createPath, func() { seen <- b.Codes("6281234567890") })
	b.After(createPath, func() { seen <- b.Codes("6281234567890") })
	_, _, err := b.create(t, "6281234567890")
	require.NoError(t, err)
	require.Equal(t, 0, <-seen)
	require.Equal(t, 1, <-seen)

	b.Before(createPath, nil)
	b.After(createPath, func() { b.Down(true) })
	_, _, err = b.create(t, "6281234567890")
	require.Error(t, err, "a crash between work and answer")
	b.After(createPath, nil)
	b.Down(false)
	require.Equal(t, 2, b.Codes("6281234567890"))
}
