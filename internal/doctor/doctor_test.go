package doctor

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func TestEveryAreaIsReportedAndCounted(t *testing.T) {
	t.Parallel()
	var got []Finding
	sum := Run(t.Context(), []Look{
		{Area: "a", Into: func(context.Context) []Finding { return []Finding{Well("fine"), Odd("look", "odd")} }},
		{Area: "b", Limit: time.Millisecond, Into: func(ctx context.Context) []Finding {
			<-ctx.Done() // a look that hangs is ended
			return []Finding{Broken("mend", "late")}
		}},
		{Area: "c", Into: func(ctx context.Context) []Finding {
			require.NoError(t, ctx.Err(), "and the next one has its own time")
			return []Finding{Well("fine")}
		}},
	}, func(f Finding) { got = append(got, f) })
	require.Equal(t, Summary{OK: 2, Warn: 1, Fail: 1}, sum)
	require.Equal(t, []Finding{
		{Area: "a", Level: OK, Says: "fine"}, {Area: "a", Level: Warn, Says: "odd", Do: "look"},
		{Area: "b", Level: Fail, Says: "late", Do: "mend"}, {Area: "c", Level: OK, Says: "fine"},
	}, got)
}

func TestClocksAreComparedWithinWhatTheHeaderCanTell(t *testing.T) {
	t.Parallel()
	then := time.Date(2026, 3, 1, 8, 0, 10, 0, time.UTC)
	for name, c := range map[string]struct {
		date            time.Time
		asked, answered time.Duration
		want            Level
		says            string
	}{
		"the same":              {then, 0, 0, OK, "agrees"},
		"within the second":     {then, 999 * time.Millisecond, 1100 * time.Millisecond, OK, "agrees"},
		"a slow answer":         {then, -20 * time.Second, 20 * time.Second, OK, "agrees"},
		"four seconds":          {then, 4 * time.Second, 4 * time.Second, OK, "agrees"},
		"six seconds ahead":     {then, 6 * time.Second, 6 * time.Second, Warn, "6s ahead of"},
		"six seconds behind":    {then, -6 * time.Second, -6 * time.Second, Warn, "6s behind"},
		"a minute ahead":        {then, time.Minute, time.Minute, Fail, "1m0s ahead of"},
		"thirty-one sec behind": {then, -31 * time.Second, -31 * time.Second, Fail, "31s behind"},
	} {
		f := apart("the core", c.date, then.Add(c.asked), then.Add(c.answered))
		require.Equal(t, c.want, f.Level, name)
		require.Contains(t, f.Says, c.says, name)
	}
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string][2]bool{ // encrypted, loopback
		"https://login.example.org": {true, false}, "http://login.example.org": {false, false},
		"http://127.0.0.1:8080": {true, true}, "http://localhost": {true, true}, "https://[::1]:1": {true, true},
		"http://10.0.0.1": {false, false}, "::": {false, false},
	} {
		require.Equal(t, want, [2]bool{Encrypted(raw), Loopback(raw)}, raw)
	}
}

func TestWhySaysWhatIsWrongWithAnAddress(t *testing.T) {
	t.Parallel()
	untrusted := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(untrusted.Close)
	plain := httptest.NewServer(http.NotFoundHandler())
	t.Cleanup(plain.Close)
	slow := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }))
	t.Cleanup(slow.Close)
	client := NewClient(time.Second)
	t.Cleanup(client.CloseIdleConnections)
	for place, want := range map[string]string{
		untrusted.URL:                     "signed by nobody",
		"https" + plain.URL[len("http"):]: "does not speak TLS",
		slow.URL:                          "no answer in time",
		"http://127.0.0.1:1":              "cannot be reached",
		"https://no.such.name.invalid":    "DNS",
	} {
		_, err := Status(t.Context(), client, place)
		require.Error(t, err, place)
		require.Contains(t, Why(err), want)
		require.NotContains(t, Why(err), "127.0.0.1")
		require.Equal(t, place == untrusted.URL, Certificate(err), place)
	}
	status, err := Status(t.Context(), client, plain.URL)
	require.NoError(t, err)
	require.Equal(t, http.StatusNotFound, status)
}
