package phone

import (
	"slices"
	"sync"
)

// history remembers enough for a page that is opened later, and passes on what comes next. Whoever listens gets
// everything in order or is cut off: a page that cannot keep up connects again and starts from the history.
type history struct {
	keep int

	mu        sync.Mutex
	events    []remembered
	current   []remembered // the last Status, Card and Switch of each ID, in the order in which they first came
	listeners map[*listener]struct{}
}

type remembered struct {
	event Event
	data  []byte
}

// listener is one open page. next is closed when it is cut off.
type listener struct{ next chan []byte }

// backlog is how far a page may fall behind.
const backlog = 256

func newHistory(keep int) *history {
	return &history{keep: keep, listeners: map[*listener]struct{}{}}
}

func (h *history) add(e Event, data []byte) {
	h.mu.Lock()
	defer h.mu.Unlock()
	entry := remembered{event: e, data: data}
	if e.Kind == Status || e.Kind == Card || e.Kind == Switch {
		i := slices.IndexFunc(h.current, func(r remembered) bool {
			return r.event.Kind == e.Kind && r.event.ID == e.ID && r.event.User == e.User
		})
		switch {
		case i >= 0:
			h.current[i] = entry
		case len(h.current) < h.keep:
			h.current = append(h.current, entry)
		}
	} else {
		if len(h.events) >= h.keep {
			h.events = slices.Delete(h.events, 0, len(h.events)-h.keep+1)
		}
		h.events = append(h.events, entry)
	}
	for l := range h.listeners {
		select {
		case l.next <- data:
		default:
			h.drop(l)
		}
	}
}

// listen answers what is remembered and a listener for all that follows. It must be given to leave.
func (h *history) listen() ([][]byte, *listener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var past [][]byte
	for _, r := range slices.Concat(h.current, h.events) {
		past = append(past, r.data)
	}
	l := &listener{next: make(chan []byte, backlog)}
	h.listeners[l] = struct{}{}
	return past, l
}

func (h *history) leave(l *listener) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.drop(l)
}

func (h *history) drop(l *listener) {
	if _, ok := h.listeners[l]; ok {
		delete(h.listeners, l)
		close(l.next)
	}
}
