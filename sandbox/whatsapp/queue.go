package whatsapp

import (
	"container/list"
	"iter"

	waBinary "go.mau.fi/whatsmeow/binary"
)

// maxSettled bounds what is remembered of settled stanzas, for Settlement and Redeliver.
const maxSettled = 4096

// Settlement is how the client settled a message. The zero value: not yet.
type Settlement struct {
	Settled bool
	Receipt string // type of its receipt: "delivery", "inactive", "sender", "peer_msg", ...; empty if it sent none
	Acked   bool   // settled by a bare ack
	Nack    int    // error code of that ack, 0 if none
	Retries int    // how often the client asked for the message again
}

// queued is one stanza on its way to the client.
type queued struct {
	class, id  string
	node       waBinary.Node
	on         *conn // the connection that carried it last
	settlement Settlement
	place      *list.Element // nil once settled
}

// queue keeps stanzas in order until they are settled. The zero value is ready. It is not safe for concurrent use.
type queue struct {
	order   list.List
	byID    map[string][]*queued // waiting ones, oldest first; an id may wait twice
	known   map[string]*queued   // the latest of an id, waiting or settled
	settled []*queued            // ring
	next    int
}

func (q *queue) add(class, id string, n waBinary.Node) *queued {
	if q.byID == nil {
		q.byID, q.known = map[string][]*queued{}, map[string]*queued{}
	}
	entry := &queued{class: class, id: id, node: n}
	entry.place = q.order.PushBack(entry)
	key := class + " " + id
	q.byID[key] = append(q.byID[key], entry)
	if old, ok := q.known[key]; ok {
		entry.settlement.Retries = old.settlement.Retries
	}
	q.known[key] = entry
	return entry
}

// find is the latest stanza with this id.
func (q *queue) find(class, id string) (*queued, bool) {
	entry, ok := q.known[class+" "+id]
	return entry, ok
}

// settle takes the oldest waiting stanza with this id out of the queue.
func (q *queue) settle(class, id string, how Settlement) bool {
	key := class + " " + id
	waiting := q.byID[key]
	if len(waiting) == 0 {
		return false
	}
	entry := waiting[0]
	if len(waiting) == 1 {
		delete(q.byID, key)
	} else {
		q.byID[key] = waiting[1:]
	}
	q.order.Remove(entry.place)
	how.Settled, how.Retries = true, entry.settlement.Retries
	entry.place, entry.settlement = nil, how
	q.remember(key, entry)
	return true
}

// remember keeps a settled stanza for a while, in the place of the oldest one.
func (q *queue) remember(key string, entry *queued) {
	if len(q.settled) < maxSettled {
		q.settled = append(q.settled, entry)
		return
	}
	old := q.settled[q.next]
	if oldKey := old.class + " " + old.id; oldKey != key && q.known[oldKey] == old {
		delete(q.known, oldKey)
	}
	q.settled[q.next] = entry
	q.next = (q.next + 1) % maxSettled
}

func (q *queue) len() int { return q.order.Len() }

// counts is how many stanzas of each class wait that this connection has not carried. Without a connection: all.
func (q *queue) counts(c *conn) (byClass map[string]int, total int) {
	byClass = map[string]int{}
	for entry := range q.all() {
		if c == nil || entry.on != c {
			byClass[entry.class]++
			total++
		}
	}
	return byClass, total
}

// all goes over what waits, oldest first.
func (q *queue) all() iter.Seq[*queued] {
	return func(yield func(*queued) bool) {
		for e := q.order.Front(); e != nil; e = e.Next() {
			if !yield(e.Value.(*queued)) {
				return
			}
		}
	}
}
