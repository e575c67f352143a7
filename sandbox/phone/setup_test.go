package phone

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// world is a phone in memory: what the page sends can be read, what it shows is put in.
type world struct {
	users  []User
	faults []Fault
	events chan Event

	mu   sync.Mutex
	sent []string
	err  error
}

func (f *world) Users() []User   { return f.users }
func (f *world) Faults() []Fault { return f.faults }

func (f *world) Send(_ context.Context, user, text string) error { return f.did(user + ": " + text) }

func (f *world) Set(_ context.Context, id string, on bool) error {
	return f.did(map[bool]string{true: "on ", false: "off "}[on] + id)
}

func (f *world) did(what string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent = append(f.sent, what)
	return f.err
}

func (f *world) done() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([]string{}, f.sent...)
}

func (f *world) Events(ctx context.Context) <-chan Event {
	out := make(chan Event)
	go func() {
		defer close(out)
		for {
			select {
			case <-ctx.Done():
				return
			case e := <-f.events:
				select {
				case out <- e:
				case <-ctx.Done():
					return
				}
			}
		}
	}()
	return out
}

// bundle is a served page whose Run is going.
type bundle struct {
	world  *world
	page   *Page
	server *httptest.Server
	stop   context.CancelFunc
	ended  chan error
}

func setup(t *testing.T, change ...func(*Config)) *bundle {
	t.Helper()
	b := &bundle{
		world: &world{
			users: []User{
				{ID: "ayu", Name: "Ayu", Number: "+62 812-3456-7890", About: "Writes with her number."},
				{ID: "budi", Name: `Budi <script>alert("x")</script>`, Number: "hidden"},
			},
			faults: []Fault{{ID: "drop", Label: "Drop the line", Once: true}, {ID: "core", Label: "Core down"}},
			events: make(chan Event),
		},
		ended: make(chan error, 1),
	}
	cfg := Config{Phone: b.world, Faults: b.world, BotURL: "http://127.0.0.1:8080"}
	for _, c := range change {
		c(&cfg)
	}
	var err error
	b.page, err = New(cfg)
	require.NoError(t, err)
	b.server = httptest.NewServer(b.page)
	ctx, stop := context.WithCancel(t.Context())
	b.stop = stop
	go func() { b.ended <- b.page.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		b.server.Close() // waits for every stream
		require.Empty(t, b.page.history.listeners, "a stream left its listener behind")
	})
	return b
}

// put gives an event to the page.
func (b *bundle) put(t *testing.T, e Event) {
	t.Helper()
	select {
	case b.world.events <- e:
	case <-time.After(10 * time.Second):
		require.Fail(t, "the page does not take events")
	}
}

// settle waits until what was put has been remembered.
func (b *bundle) settle(t *testing.T) {
	t.Helper()
	b.put(t, Event{Kind: Status, ID: "settled"})
	require.Eventually(t, func() bool {
		b.page.history.mu.Lock()
		defer b.page.history.mu.Unlock()
		for _, r := range b.page.history.current {
			if r.event.ID == "settled" {
				return true
			}
		}
		return false
	}, 10*time.Second, time.Millisecond)
}

func (b *bundle) do(t *testing.T, method, path, body string, header ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, b.server.URL+path, strings.NewReader(body))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	res, err := b.server.Client().Do(req)
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, res.Body.Close()) })
	return res
}

func text(t *testing.T, res *http.Response) string {
	t.Helper()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return string(body)
}

// listening is an open stream.
type listening struct {
	res   *http.Response
	lines *bufio.Scanner
}

func (b *bundle) listen(t *testing.T) *listening {
	t.Helper()
	res := b.do(t, http.MethodGet, "/events", "")
	require.Equal(t, http.StatusOK, res.StatusCode)
	require.Equal(t, "text/event-stream", res.Header.Get("Content-Type"))
	return &listening{res: res, lines: bufio.NewScanner(res.Body)}
}

// next is the next event, or the error with which the stream ended.
func (l *listening) next() (wire, error) {
	for l.lines.Scan() {
		data, ok := strings.CutPrefix(l.lines.Text(), "data: ")
		if !ok || data == "{}" {
			continue
		}
		var w wire
		err := json.Unmarshal([]byte(data), &w)
		return w, err
	}
	if err := l.lines.Err(); err != nil {
		return wire{}, err
	}
	return wire{}, io.EOF
}
