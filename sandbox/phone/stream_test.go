package phone

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

func message(id string) Event {
	return Event{Kind: Message, User: "ayu", ID: id, At: time.UnixMilli(1000), FromBot: true, Text: "<b>" + id + "</b>"}
}

func TestStreamTellsThePastThenThePresentInOrder(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.put(t, Event{Kind: Status, ID: "line", Title: "Line", Detail: "connecting", State: Doing})
	b.put(t, message("1"))
	b.put(t, Event{Kind: Status, ID: "line", Title: "Line", Detail: "connected", State: Good})
	b.put(t, Event{Kind: "unheard of", ID: "x"})
	b.put(t, Event{Kind: Tick, User: "ayu", ID: "1", Tick: Read})
	b.put(t, Event{Kind: Switch, ID: "core", On: true})
	b.settle(t)
	first, second := b.listen(t), b.listen(t)
	for _, l := range []*listening{first, second} {
		var got []string
		for range 5 {
			w, err := l.next()
			require.NoError(t, err)
			got = append(got, string(w.Kind)+" "+w.ID+w.Detail)
		}
		require.Equal(t, []string{"status lineconnected", "switch core", "status settled", "message 1", "tick 1"}, got)
	}
	b.put(t, message("2"))
	b.put(t, Event{Kind: Step, User: "ayu", Flow: "f", ID: "s", Title: "Hop", State: Bad, At: time.UnixMilli(5)})
	for _, l := range []*listening{first, second} {
		w, err := l.next()
		require.NoError(t, err)
		require.Equal(t, wire{Kind: Message, User: "ayu", ID: "2", At: 1000, Bot: true, Parts: []part{{Text: "<b>2</b>"}}}, w)
		w, err = l.next()
		require.NoError(t, err)
		require.Equal(t, wire{Kind: Step, User: "ayu", Flow: "f", ID: "s", Title: "Hop", State: Bad, At: 5}, w)
	}
}

// A card is what is known now: a page that is opened later is told the last one of each id and user, and no older one.
func TestStreamTellsTheLastCardOfEachUser(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *Config) { c.Keep = 5 })
	evil := []Row{{Name: "<i>name</i>", Value: "a\n\nevent: reset\ndata: {}"}}
	for i := range 20 {
		b.put(t, Event{Kind: Card, User: "ayu", ID: "one", Title: "Old", Rows: []Row{{Name: "n", Value: strconv.Itoa(i)}}})
	}
	b.put(t, Event{Kind: Card, User: "budi", ID: "one", Title: "Budi's", Detail: "none"})
	b.put(t, Event{Kind: Card, User: "ayu", ID: "one", Title: "New", Rows: evil})
	b.settle(t)
	l := b.listen(t)
	for _, want := range []wire{
		{Kind: Card, User: "ayu", ID: "one", Title: "New", Rows: evil},
		{Kind: Card, User: "budi", ID: "one", Title: "Budi's", Detail: "none"},
		{Kind: Status, ID: "settled"},
	} {
		got, err := l.next()
		require.NoError(t, err)
		require.Equal(t, want, got)
	}
	b.put(t, Event{Kind: Card, User: "budi", ID: "one", Title: "Budi's", Detail: "some"})
	got, err := l.next()
	require.NoError(t, err)
	require.Equal(t, wire{Kind: Card, User: "budi", ID: "one", Title: "Budi's", Detail: "some"}, got)
}

// A line break in a message must not become a second event.
func TestStreamCannotBeSplitByAMessage(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.listen(t)
	evil := message("1")
	evil.Text = "a\n\nevent: reset\ndata: {}\r\n\r\n\u2028b"
	b.put(t, evil)
	w, err := l.next()
	require.NoError(t, err)
	require.Equal(t, []part{{Text: evil.Text}}, w.Parts)
}

func TestHistoryIsBounded(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *Config) { c.Keep = 10 })
	for i := range 100 {
		b.put(t, message(strconv.Itoa(i)))
		if i < 5 {
			b.put(t, Event{Kind: Status, ID: fmt.Sprint("s", i)})
		}
	}
	b.settle(t)
	for i := range 50 {
		b.put(t, Event{Kind: Status, ID: fmt.Sprint("more", i)})
	}
	b.put(t, message("last"))
	l := b.listen(t)
	var statuses, messages int
	for {
		w, err := l.next()
		require.NoError(t, err)
		if w.Kind == Status {
			statuses++
			continue
		}
		messages++
		if w.ID == "last" {
			break
		}
	}
	require.LessOrEqual(t, statuses, 10)
	require.LessOrEqual(t, messages, 11, "ten remembered, or nine and the last one live")
}

func TestPageThatCannotKeepUpIsCutOffAndOthersAreNot(t *testing.T) {
	t.Parallel()
	h := newHistory(5)
	_, slow := h.listen()
	for i := range backlog + 1 {
		h.add(message(strconv.Itoa(i)), []byte("x"))
	}
	past, other := h.listen()
	require.Len(t, past, 5)
	n := 0
	for range slow.next {
		n++
	}
	require.Equal(t, backlog, n, "what fitted arrives, then the end")
	h.add(message("y"), []byte("y"))
	require.Equal(t, "y", string(<-other.next))
	h.leave(other)
	h.leave(slow)
	require.Empty(t, h.listeners)
}

func TestStreamEndsWhenThePageIsClosed(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *Config) { c.Beat = time.Millisecond })
	l := b.listen(t)
	require.NoError(t, l.res.Body.Close())
	require.Eventually(t, func() bool {
		b.page.history.mu.Lock()
		defer b.page.history.mu.Unlock()
		return len(b.page.history.listeners) == 0
	}, 10*time.Second, time.Millisecond)
}

func TestStreamsEndWithRunSoThatTheServerCanStop(t *testing.T) {
	t.Parallel()
	b := setup(t)
	l := b.listen(t)
	b.put(t, message("1"))
	_, err := l.next()
	require.NoError(t, err)
	b.stop()
	_, err = l.next()
	require.ErrorIs(t, err, io.EOF)
	require.NoError(t, <-b.ended)
	require.Equal(t, http.StatusOK, b.do(t, "GET", "/", "").StatusCode)
}

func TestIdleStreamSaysThatItIsAlive(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *Config) { c.Beat = time.Millisecond })
	l := b.listen(t)
	beats := 0
	for beats < 3 && l.lines.Scan() {
		if l.lines.Text() == ": still here" {
			beats++
		}
	}
	require.Equal(t, 3, beats)
}

// The server's own write timeout is for pages; a stream lives longer.
func TestStreamOutlivesTheServersWriteTimeout(t *testing.T) {
	t.Parallel()
	b := setup(t, func(c *Config) { c.Beat = 20 * time.Millisecond })
	server := httptest.NewUnstartedServer(b.page)
	server.Config.WriteTimeout = 50 * time.Millisecond
	server.Start()
	t.Cleanup(func() {
		b.stop()
		server.Close()
	})
	b.server.URL = server.URL
	l := b.listen(t)
	for beats := 0; beats < 10; {
		require.True(t, l.lines.Scan(), "the stream ended after %d beats", beats)
		if l.lines.Text() == ": still here" {
			beats++
		}
	}
	b.put(t, message("late"))
	w, err := l.next()
	require.NoError(t, err)
	require.Equal(t, "late", w.ID)
}
