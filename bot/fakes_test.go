package bot

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/stretchr/testify/require"
)

// world is everything around a Bot, in memory, with one clock. It survives the Bot's crashes, as storage, the core and
// people's phones do. It is not for concurrent use, except where a test says so.
type world struct {
	now    time.Time
	bot    *Bot
	cfg    Config
	woken  int
	counts map[string]int

	inbox   map[[2]string]*row
	budgets map[string]*bucket
	human   map[string]time.Time
	links   map[string]*link
	order   []string // reply ids, as their links were made
	queue   []*work
	eager   bool // jobs are tried again every second, whatever pause they asked for

	desk   *desk
	barred map[phone.Number]string

	lineDown error
	coreDown error
	code     string            // that links come with
	named    []string          // references that links were asked for with
	shown    map[string]string // what a recipient sees: the first text of each message id
	sent     []Outgoing        // everything that was put on the line

	fault func(op string) error // called before and after every step; may return an error or panic
}

type row struct {
	Accepted
	refused []string
}

type bucket struct {
	credit time.Duration // an event costs Every
	at     time.Time
	holder string
}

type link struct {
	number  phone.Number
	sentAt  time.Time
	expires time.Time
	state   string // "open", "used", "revoked"
	alone   bool
}

type work struct {
	jobs.Job
	runAt time.Time
	state string // "", "done", "dead"
	runs  int
	err   error
	later bool // the last run asked for another one, uncounted
}

const linkLife = 10 * time.Minute

// setup returns a fresh world whose Bot is configured as shipped, with other text answered and three admins.
func setup(t require.TestingT, change ...func(*Config)) *world {
	w := &world{
		now:     time.Date(2026, 3, 1, 9, 0, 0, 0, time.UTC),
		counts:  map[string]int{},
		inbox:   map[[2]string]*row{},
		budgets: map[string]*bucket{}, human: map[string]time.Time{},
		links: map[string]*link{}, shown: map[string]string{}, barred: map[phone.Number]string{},
	}
	w.desk = &desk{w: w, questions: map[phone.Number]asked{}}
	w.cfg = Config{
		Line: w, Links: w, Inbox: w, Budgets: w, Chats: w, Bars: w, Desk: DeskOf(w.desk), Counter: w,
		Wake: func() { w.woken++ }, Now: func() time.Time { return w.now },
		Limits: DefaultLimits(), Times: DefaultTimes(),
		Language: Language{Default: "en", ByCountry: map[string]string{"62": "id"}, Hidden: "id"},
		Other:    Other{Policy: OtherReply, Human: "+62 21 555 0100", Emergency: "119 ext. 8"},
		WayOut:   "https://help.example/masuk",
		Admins:   []Admin{{number(t, 1), Owner}, {number(t, 2), Support}, {number(t, 3), Viewer}},
		IDKey:    []byte("sixteen bytes at least"),
	}
	for _, c := range change {
		c(&w.cfg)
	}
	w.restart(t)
	return w
}

// restart puts a new Bot in the place of the old one.
func (w *world) restart(t require.TestingT) {
	b, err := New(w.cfg)
	require.NoError(t, err)
	w.bot = b
}

// number makes Indonesian numbers; 1 to 3 are admins.
func number(t require.TestingT, i int) phone.Number {
	n, err := phone.FromDigits(fmt.Sprintf("62812000%05d", i))
	require.NoError(t, err)
	return n
}

func british(t require.TestingT, i int) phone.Number {
	n, err := phone.FromDigits(fmt.Sprintf("4474000%05d", i))
	require.NoError(t, err)
	return n
}

func (w *world) message(n phone.Number, id, text string) Message {
	return Message{ID: id, From: n, Chat: n.Digits() + "@chat", Text: text, SentAt: w.now, PushName: "Somebody"}
}

// receive hands a message over and requires that it is taken.
func (w *world) receive(t require.TestingT, n phone.Number, id, text string) {
	require.NoError(t, w.bot.Receive(context.Background(), w.message(n, id, text)))
}

// run works what is due until nothing is; it returns how many runs that took.
func (w *world) run() int {
	for runs := 0; ; runs++ {
		next := w.due()
		if next == nil {
			return runs
		}
		w.work(next)
	}
}

// due is the oldest job that may run now: none whose Serial has an earlier unfinished one.
func (w *world) due() *work {
	busy := map[string]bool{}
	for _, j := range w.queue {
		if j.state != "" || (j.Serial != "" && busy[j.Serial]) {
			continue
		}
		if !j.runAt.After(w.now) {
			return j
		}
		busy[j.Serial] = true
	}
	return nil
}

// work runs one job and settles it. What After asked for is not to be seen from here, so the Bot is asked again.
func (w *world) work(j *work) {
	j.runs++
	j.Attempt = 1
	j.err = w.bot.Handlers()[j.Kind](context.Background(), j.Job)
	j.later = reflect.TypeOf(j.err) == reflect.TypeOf(jobs.After(0, nil))
	switch {
	case j.err == nil:
		j.state = "done"
	case j.later:
		var of ticket
		_ = json.Unmarshal(j.Payload, &of)
		pause, _ := w.bot.pause(request{ticket: of, blocks: j.Kind == JobLogin && !of.Late})
		if w.eager {
			pause = time.Second
		}
		j.runAt = w.now.Add(pause)
	case jobs.IsPermanent(j.err):
		j.state = "dead"
	default:
		j.runAt = w.now.Add(time.Minute)
	}
}

// wait lets time pass in steps and works what comes due.
func (w *world) wait(d, step time.Duration) {
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(min(step, end.Sub(w.now)))
		w.run()
	}
}

// seen lists what the recipients see in chats that begin with prefix, in the order of sending.
func (w *world) seen(chat string) []string {
	var texts []string
	once := map[string]bool{}
	for _, m := range w.sent {
		if strings.HasPrefix(m.Chat, chat) && !once[m.ID] {
			once[m.ID] = true
			texts = append(texts, w.shown[m.ID])
		}
	}
	return texts
}

// shownLinks counts the bubbles of a chat that carry a link.
func (w *world) shownLinks(chat string) int {
	return len(slices.DeleteFunc(w.seen(chat), func(s string) bool { return !strings.Contains(s, linkBase) }))
}

func (w *world) refused(n phone.Number, id string) []string {
	return w.inbox[[2]string{n.Digits(), id}].refused
}

func (w *world) step(op string) error {
	if w.fault == nil {
		return nil
	}
	return w.fault(op)
}

// around runs one effect with a fault possible before and after it.
func (w *world) around(op string, effect func() error) error {
	if err := w.step("before " + op); err != nil {
		return err
	}
	if err := effect(); err != nil {
		return err
	}
	return w.step("after " + op)
}

// Count is the world's Counter.
func (w *world) Count(event, reason string) { w.counts[event+" "+reason]++ }

// Send is the world's Line.
func (w *world) Send(_ context.Context, m Outgoing) error {
	return w.around("send", func() error {
		if w.lineDown != nil {
			return w.lineDown
		}
		w.sent = append(w.sent, m)
		if _, ok := w.shown[m.ID]; !ok {
			w.shown[m.ID] = m.Text
		}
		return nil
	})
}

const linkBase = "https://login.example/verify?"

// CreateLink is the world's Links.
func (w *world) CreateLink(_ context.Context, r LinkRequest) (Link, error) {
	n, replyID, requested := r.Number, r.ReplyID, r.Requested
	var url string
	var expires time.Time
	w.named = append(w.named, r.Reference)
	err := w.around("create link", func() error {
		if w.coreDown != nil {
			return w.coreDown
		}
		l := w.links[replyID]
		if l == nil {
			l = &link{number: n, sentAt: requested, expires: w.now.Add(linkLife), state: "open"}
			w.links[replyID] = l
			w.order = append(w.order, replyID)
			if err := w.step("link saved"); err != nil {
				return err
			}
		}
		if l.state != "open" || !w.now.Before(l.expires) {
			return fmt.Errorf("the link: %w", ErrLinkSpent)
		}
		for id, other := range w.links {
			if !l.alone && id != replyID && other.number == n && other.state == "open" {
				other.state = "revoked"
			}
		}
		l.alone = true
		url, expires = linkBase+"id="+replyID+"#code", l.expires
		return nil
	})
	return Link{URL: url, Expires: expires, Code: w.code}, err
}

// Accept is the world's Inbox.
func (w *world) Accept(_ context.Context, a Accepted) (fresh bool, err error) {
	err = w.around("accept", func() error {
		key := [2]string{a.Sender, a.ID}
		if w.inbox[key] != nil {
			return nil
		}
		fresh = true
		w.inbox[key] = &row{Accepted: a}
		w.queue = append(w.queue, &work{Job: jobs.Job{
			ID: int64(len(w.queue) + 1), Kind: a.Job.Kind, Key: a.Job.Key, Serial: a.Job.Serial, Payload: a.Job.Payload,
		}, runAt: a.Job.RunAt})
		return nil
	})
	return fresh, err
}

// Postpone adds a job, once.
func (w *world) Postpone(_ context.Context, j jobs.New) error {
	return w.around("postpone", func() error {
		if !slices.ContainsFunc(w.queue, func(have *work) bool { return have.Kind == j.Kind && have.Key == j.Key }) {
			w.queue = append(w.queue, &work{Job: jobs.Job{
				ID: int64(len(w.queue) + 1), Kind: j.Kind, Key: j.Key, Serial: j.Serial, Payload: j.Payload,
			}, runAt: j.RunAt})
		}
		return nil
	})
}

// Refused records a reason.
func (w *world) Refused(_ context.Context, sender, id, reason string) error {
	return w.around("refused", func() error {
		r := w.inbox[[2]string{sender, id}]
		if r == nil {
			return errors.New("refused a message that was never accepted")
		}
		if len(r.refused) == 0 { // the first reason stays
			r.refused = append(r.refused, reason)
		}
		return nil
	})
}

// Spend is the world's Budgets: buckets with holders, as the interface describes them.
func (w *world) Spend(_ context.Context, holder string, now time.Time, b ...Budget) (empty string, err error) {
	err = w.around("spend", func() error {
		if first := w.budgets[b[0].Key]; first != nil && first.holder == holder {
			return nil
		}
		for _, one := range b {
			if w.fill(one, now).credit < one.Every {
				empty = one.Key
				return nil
			}
		}
		for _, one := range b {
			w.budgets[one.Key].credit -= one.Every
			w.budgets[one.Key].holder = holder
		}
		return nil
	})
	return empty, err
}

func (w *world) fill(b Budget, now time.Time) *bucket {
	full := time.Duration(b.Burst) * b.Every
	have := w.budgets[b.Key]
	if have == nil {
		have = &bucket{credit: full, at: now}
		w.budgets[b.Key] = have
	}
	if now.After(have.at) {
		have.credit = min(full, have.credit+now.Sub(have.at))
		have.at = now
	}
	return have
}

// HumanWrote is part of the world's Chats.
func (w *world) HumanWrote(_ context.Context, chat string, at time.Time) error {
	return w.around("human wrote", func() error { w.human[chat] = at; return nil })
}

// LastHuman is part of the world's Chats.
func (w *world) LastHuman(_ context.Context, chat string) (time.Time, error) {
	return w.human[chat], w.step("last human")
}

// LastLogin is part of the world's Chats.
func (w *world) LastLogin(_ context.Context, n phone.Number, replyID string) (time.Time, error) {
	var times []time.Time
	for id, l := range w.links {
		if id != replyID && l.number == n {
			times = append(times, l.sentAt)
		}
	}
	if len(times) == 0 {
		return time.Time{}, w.step("last login")
	}
	return slices.MaxFunc(times, func(a, b time.Time) int { return cmp.Compare(a.UnixNano(), b.UnixNano()) }), w.step("last login")
}

// Bar is the world's Bars.
func (w *world) Bar(_ context.Context, n phone.Number, _ time.Time) (string, error) {
	return w.barred[n], w.step("bar")
}

var (
	_ Line    = (*world)(nil)
	_ Links   = (*world)(nil)
	_ Inbox   = (*world)(nil)
	_ Budgets = (*world)(nil)
	_ Chats   = (*world)(nil)
	_ Counter = (*world)(nil)
)
