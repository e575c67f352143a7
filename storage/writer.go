package storage

import (
	"context"
	"database/sql"
	"fmt"
	"slices"
	"sync"
)

// writer is the only one in this process that writes our SQLite file. What waits while a transaction runs goes into
// the next one together, each call under its own savepoint: the calls share one sync of the disk and nothing else.
type writer struct {
	db    *sql.DB
	full  string // PRAGMA synchronous of a transaction that the disk must have: FULL, but for the benchmarks
	lazy  bool   // the connection is set to wait for no disk; the loop's own
	most  int    // calls in one transaction: enough to share a sync, few enough that nobody waits long
	calls chan *call
	quit  chan struct{}
	once  sync.Once
	ended chan struct{}
}

// call is one caller's closure. done gets exactly one answer once the writer has taken the call.
type call struct {
	ctx  context.Context // of the waiting caller; lives as long as the call
	d    durability
	fn   func(ctx context.Context, q querier) error
	done chan error
	err  error
}

func newWriter(db *sql.DB, full string, most int) *writer {
	w := &writer{db: db, full: full, most: most, calls: make(chan *call), quit: make(chan struct{}), ended: make(chan struct{})}
	go w.loop()
	return w
}

// do runs fn in a transaction. A caller whose ctx ends while others' work is before its own gets ctx's error and
// nothing is written; once the writer has taken the call, its outcome is awaited, so that it is never unknown.
func (w *writer) do(ctx context.Context, d durability, fn func(ctx context.Context, q querier) error) error {
	c, err := w.hand(ctx, d, fn)
	if err != nil {
		return err
	}
	return <-c.done
}

// probe asks whether a transaction can begin and end now. Nothing is written, so its outcome need not be awaited.
func (w *writer) probe(ctx context.Context) error {
	c, err := w.hand(ctx, inOrder, func(context.Context, querier) error { return nil })
	if err != nil {
		return err
	}
	select {
	case err := <-c.done:
		return err
	case <-ctx.Done():
		return fmt.Errorf("%w: another process holds its write lock", ErrUnavailable)
	}
}

// hand waits until the writer has taken the call, or ctx has ended.
func (w *writer) hand(ctx context.Context, d durability, fn func(ctx context.Context, q querier) error) (*call, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	c := &call{ctx: ctx, d: d, fn: fn, done: make(chan error, 1)}
	select {
	case w.calls <- c:
		return c, nil
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-w.quit:
		return nil, ErrClosed
	}
}

func (w *writer) close() error {
	w.once.Do(func() { close(w.quit) })
	<-w.ended
	return w.db.Close()
}

func (w *writer) loop() {
	defer close(w.ended)
	for {
		select {
		case first := <-w.calls:
			w.run(w.gather(first))
		case <-w.quit:
			return
		}
	}
}

// gather takes whoever waits right now.
func (w *writer) gather(first *call) []*call {
	batch := []*call{first}
	for len(batch) < w.most {
		select {
		case next := <-w.calls:
			batch = append(batch, next)
		default:
			return batch
		}
	}
	return batch
}

// run answers every call of the batch, after the commit.
func (w *writer) run(batch []*call) {
	if err := w.transact(batch); err != nil {
		for _, c := range batch {
			if c.err == nil {
				c.err = err
			}
		}
	}
	for _, c := range batch {
		c.done <- c.err
	}
}

// transact runs the batch. Its error is about the whole batch: nothing of it was committed.
func (w *writer) transact(batch []*call) error {
	// Cancelling a statement would roll back the others' work too.
	ctx := context.Background()
	conn, err := w.db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	if err := w.sync(ctx, conn, batch); err != nil {
		return err
	}
	if _, err := conn.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	if err := work(ctx, conn, batch); err != nil {
		_, _ = conn.ExecContext(ctx, "ROLLBACK") // fails when SQLite has rolled back already
		return err
	}
	if _, err := conn.ExecContext(ctx, "COMMIT"); err != nil {
		_, _ = conn.ExecContext(ctx, "ROLLBACK")
		return err
	}
	return nil
}

// sync decides whether the commit of this batch waits for the disk: it does when one of its callers needs that.
func (w *writer) sync(ctx context.Context, conn *sql.Conn, batch []*call) error {
	lazy := !slices.ContainsFunc(batch, func(c *call) bool { return c.d == onDisk })
	if lazy == w.lazy {
		return nil
	}
	level := w.full
	if lazy {
		level = "NORMAL"
	}
	if _, err := conn.ExecContext(ctx, "PRAGMA synchronous = "+level); err != nil {
		return err
	}
	w.lazy = lazy
	return nil
}

// work runs each call under its own savepoint; a call that fails takes only its own writes back. Some failures (disk
// full, I/O error) make SQLite roll back the whole transaction: then the savepoint is gone, and so is the batch.
func work(ctx context.Context, conn *sql.Conn, batch []*call) error {
	if len(batch) == 1 {
		c := batch[0]
		c.err = c.fn(context.WithoutCancel(c.ctx), numbered{conn})
		return c.err
	}
	for _, c := range batch {
		if _, err := conn.ExecContext(ctx, "SAVEPOINT one_call"); err != nil {
			return err
		}
		// The caller's values (its logger) stay, its end does not.
		if c.err = c.fn(context.WithoutCancel(c.ctx), numbered{conn}); c.err != nil {
			if _, err := conn.ExecContext(ctx, "ROLLBACK TO one_call"); err != nil {
				return fmt.Errorf("%w (after: %w)", c.err, err)
			}
		}
		if _, err := conn.ExecContext(ctx, "RELEASE one_call"); err != nil {
			return err
		}
	}
	return nil
}
