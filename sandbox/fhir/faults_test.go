package fhir_test

import (
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	server "github.com/konsulin-care/konsulin-bot/sandbox/fhir"
)

func TestDownRefusesConnectionsAndForgetsNothing(t *testing.T) {
	t.Parallel()
	b := setup(t, server.Options{})
	b.put(t, patient("62812"))
	for range 3 {
		b.Down(true)
		_, err := b.try(t, http.MethodGet, "/Patient/1", "")
		require.ErrorIs(t, err, syscall.ECONNREFUSED)
		b.Down(true)
		b.Down(false)
		b.Down(false)
	}
	require.Equal(t, http.StatusOK, b.do(t, http.MethodGet, "/Patient/1", "").status)
}

func TestCloseEndsAnOutageForGood(t *testing.T) {
	t.Parallel()
	b := setup(t, server.Options{})
	b.Down(true)
	require.NoError(t, b.Close())
	b.Down(false)
	_, err := b.try(t, http.MethodGet, "/Patient/1", "")
	require.ErrorIs(t, err, syscall.ECONNREFUSED)
}

func TestFailNextRefusesWithoutWork(t *testing.T) {
	t.Parallel()
	b := setup(t, server.Options{})
	for status, code := range map[int]string{409: "conflict", 412: "conflict", 429: "throttled", 500: "exception", 503: "transient", 403: "forbidden"} {
		b.FailNext(2, status, "7")
		for range 2 {
			g := b.do(t, http.MethodPost, "/Patient", patient("62812"))
			refused(t, g, status, code)
			require.Equal(t, "7", g.header.Get("Retry-After"))
		}
	}
	require.Empty(t, b.All("Patient"))
	require.Equal(t, 12, b.Calls("create Patient"))
	g := b.do(t, http.MethodPost, "/Patient", patient("62812"))
	require.Equal(t, http.StatusCreated, g.status)
	require.Empty(t, g.header.Get("Retry-After"))
	b.FailNext(1, 503, "")
	require.Empty(t, b.do(t, http.MethodGet, "/Patient/1", "").header.Get("Retry-After"))
}

func TestChaosFailsWithTheStatusesAndAlikeForASeed(t *testing.T) {
	t.Parallel()
	b := setup(t, server.Options{})
	run := func(p float64, statuses ...int) (seen []int) {
		b.Chaos(p, 7, statuses...)
		for range 60 {
			seen = append(seen, b.do(t, http.MethodGet, "/metadata", "").status)
		}
		return seen
	}
	first := run(0.5, 409, 429)
	require.Equal(t, first, run(0.5, 409, 429))
	for _, status := range []int{200, 409, 429} {
		require.Contains(t, first, status)
	}
	require.NotContains(t, run(1), 200)
	require.Contains(t, run(1), 503)
	require.NotContains(t, run(0), 503)
}

func TestALostResponseIsWorkWithoutAnswer(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"create Patient", ""} {
		b := setup(t, server.Options{})
		b.LoseResponse(1, name)
		_, err := b.try(t, http.MethodPost, "/Patient", patient("62812"))
		require.Error(t, err)
		require.Len(t, b.All("Patient"), 1)
		require.Equal(t, http.StatusCreated, b.do(t, http.MethodPost, "/Patient", patient("62812")).status)
	}
	b := setup(t, server.Options{})
	b.LoseResponse(1, "update Patient")
	require.Equal(t, http.StatusCreated, b.do(t, http.MethodPost, "/Patient", patient("62812")).status)
}

func TestHooksRunAroundTheWork(t *testing.T) {
	t.Parallel()
	b := setup(t, server.Options{})
	var seen []int
	look := func() { seen = append(seen, len(b.All("Patient"))) }
	b.Before("create Patient", look)
	b.After("create Patient", look)
	b.After("", look)
	b.do(t, http.MethodPost, "/Patient", patient("62812"))
	require.Equal(t, []int{0, 1, 1}, seen)
	b.do(t, http.MethodDelete, "/Patient/1", "")
	b.do(t, http.MethodGet, "/Patient/1", "")
	require.Equal(t, []int{0, 1, 1, 1, 1}, seen)
	b.Before("create Patient", nil)
	b.After("create Patient", nil)
	b.After("", nil)
	b.do(t, http.MethodPost, "/Patient", patient("62812"))
	require.Len(t, seen, 5)
}

func TestACrashAfterTheWorkKeepsIt(t *testing.T) {
	t.Parallel()
	b := setup(t, server.Options{})
	b.After("create Patient", func() { b.Down(true) })
	_, err := b.try(t, http.MethodPost, "/Patient", patient("62812"))
	require.Error(t, err)
	b.After("create Patient", nil)
	b.Down(false)
	require.Equal(t, http.StatusOK, b.do(t, http.MethodGet, "/Patient/1", "").status)
	b.Before("update Patient", func() { b.Down(true) })
	_, err = b.try(t, http.MethodPut, "/Patient/1", `{"resourceType":"Patient","id":"1"}`)
	require.Error(t, err)
}

func TestSlowLetsRequestsWait(t *testing.T) {
	t.Parallel()
	b := setup(t, server.Options{})
	b.Slow(60 * time.Millisecond)
	started := time.Now()
	b.do(t, http.MethodGet, "/metadata", "")
	require.GreaterOrEqual(t, time.Since(started), 60*time.Millisecond)
	b.Slow(time.Hour)
	done := make(chan error, 1)
	go func() {
		_, err := b.try(t, http.MethodGet, "/metadata", "")
		done <- err
	}()
	require.Eventually(t, func() bool { return b.Calls("capabilities") == 2 }, 5*time.Second, time.Millisecond)
	require.NoError(t, b.Close())
	select {
	case err := <-done:
		require.Error(t, err)
	case <-time.After(5 * time.Second):
		require.Fail(t, "Close leaves a slow request hanging")
	}
}
