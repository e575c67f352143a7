package main

import (
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestHealthAsksTheRunningServe(t *testing.T) {
	t.Parallel()
	answers := map[string]string{"/livez": `{"alive":true}`, "/readyz": `{"ready":true,"checks":[]}`}
	status := http.StatusOK
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(status)
		_, _ = w.Write([]byte(answers[r.URL.Path] + "\n"))
	}))
	at := strings.TrimPrefix(server.URL, "http://")
	_, port, err := net.SplitHostPort(at)
	require.NoError(t, err)
	config := func(listen string) string {
		return configFile(t, "whatsapp: {number: \"+6281234567890\"}\nhttp: {listen: \""+listen+"\"}\n")
	}
	for _, listen := range []string{at, ":" + port, "0.0.0.0:" + port} {
		out, code, err := execute(t, "health", "-c", config(listen))
		require.NoError(t, err, listen)
		require.Zero(t, code)
		require.Equal(t, "alive\n", out)
	}
	out, _, err := execute(t, "health", "--ready", "-c", config(at))
	require.NoError(t, err)
	require.Equal(t, "ready: logins work\n", out)

	status = http.StatusServiceUnavailable
	answers = map[string]string{
		"/livez":  `{"alive":false,"reason":"the loop of the line has not moved for 2m0s"}`,
		"/readyz": `{"ready":false,"checks":[{"name":"line","ok":false,"reason":"logged out"},{"name":"core","ok":true}]}`,
	}
	_, code, err := execute(t, "health", "-c", config(at))
	require.EqualError(t, err, "the loop of the line has not moved for 2m0s")
	require.Equal(t, exitFailed, code)
	out, code, err = execute(t, "health", "--ready", "--json", "-c", config(at))
	require.EqualError(t, err, "line: logged out")
	require.Equal(t, exitFailed, code)
	require.Equal(t, answers["/readyz"]+"\n", out)

	answers["/livez"] = "<html>somebody else</html>"
	_, _, err = execute(t, "health", "-c", config(at))
	require.ErrorContains(t, err, "is no konsulin-bot")
	server.Close()
	_, code, err = execute(t, "health", "-c", config(at))
	require.ErrorContains(t, err, "is serve running?")
	require.Equal(t, exitFailed, code)
	_, code, err = execute(t, "health", "now", "-c", config(at))
	require.Error(t, err)
	require.Equal(t, exitUsage, code)
}
