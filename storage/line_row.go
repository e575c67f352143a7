package storage

import (
	"context"
	"crypto/rand"
	"database/sql"
	"database/sql/driver"
	"os"
	"strconv"
	"sync"
	"time"
)

// dbClock is PostgreSQL's own time: processes on several hosts agree on it, and on nothing else. It moves within a
// transaction too.
const dbClock = "(EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint"

// sign is the connection whose session shows, by the lock, that this process lives.
type sign struct {
	conn   *sql.Conn
	locked bool // false: the lock is not had yet
}

// lifeLock is the class of the advisory locks by which an owner's database session shows that it lives.
const lifeLock = 7749

// ownRow takes the lease if nobody holds a live one, and starts its renewal. A lease is over when it has run out, or
// at once when the session of its holder has ended, as it does when a process is killed: then nobody has to wait.
func (t *Tenure) ownRow(ctx context.Context, e *pgEngine) error {
	conn, err := e.db.Conn(ctx)
	if err != nil {
		return err
	}
	asked := t.store.now()
	held, err := t.takeRow(ctx, conn)
	if err != nil {
		hangUp(conn) // it may have the lock
		return err
	}
	if held != nil {
		_ = conn.Close()
		return held
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	life := sign{conn: conn, locked: true}
	go func() {
		defer close(ended)
		life = t.renew(ctx, e, life, asked.Add(t.store.lineLease))
	}()
	t.release = sync.OnceValue(func() error {
		cancel()
		<-ended
		defer hangUp(life.conn)
		ctx, cancel := context.WithTimeout(context.Background(), t.store.lineLease)
		defer cancel()
		_, err := change(ctx, e.db, `UPDATE line_owner SET until = 0 WHERE epoch = $1`, t.epoch)
		return classify(err)
	})
	return nil
}

// takeRow makes this process the owner, or says who is. The session of conn then holds the lock of the new epoch,
// before anybody else can know that epoch.
func (t *Tenure) takeRow(ctx context.Context, conn *sql.Conn) (*HeldError, error) {
	tx, err := conn.BeginTx(ctx, nil)
	if err != nil {
		return nil, err
	}
	defer func() { _ = tx.Rollback() }() // does nothing after Commit
	held := &HeldError{What: "the WhatsApp line of this database"}
	var last, since int64
	var free bool
	_, err = one(ctx, tx, `SELECT epoch, until <= `+dbClock+`, pid, host, since FROM line_owner`, nil,
		&last, &free, &held.PID, &held.Host, &since)
	held.Since = at(since)
	if err == nil && !free {
		_, err = one(ctx, tx, `SELECT pg_try_advisory_xact_lock($1::int, $2::int)`, []any{lifeLock, last}, &free)
	}
	if err != nil || !free {
		return held, err
	}
	// This waits for transactions that passed the fence of the last tenure, see fenceRow.
	var mine int64
	found, err := one(ctx, tx, `SELECT 1 FROM line_owner WHERE epoch = $1 FOR UPDATE`, []any{last}, &mine)
	if err != nil || !found {
		return held, err
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	if _, err = one(ctx, tx, `UPDATE line_owner SET epoch = epoch + 1, holder = $1, pid = $2, host = $3,
		since = `+dbClock+`, until = `+dbClock+` + $4 RETURNING epoch`,
		[]any{rand.Text(), os.Getpid(), host, t.store.lineLease.Milliseconds()}, &t.epoch); err != nil {
		return nil, err
	}
	if _, err := tx.ExecContext(ctx, `SELECT pg_advisory_lock($1::int, $2::int)`, lifeLock, t.epoch); err != nil {
		return nil, err
	}
	return nil, tx.Commit()
}

// hangUp ends the session of a connection, and its locks with it, instead of giving it back to the pool.
func hangUp(c *sql.Conn) {
	_ = c.Raw(func(any) error { return driver.ErrBadConn })
	_ = c.Close()
}

// renew keeps the lease until ctx ends, or closes Lost: when another process has taken it, or when it could not be
// renewed until it ran out. The clock of this process only ever makes that earlier: the time counts from before the
// question. It returns the sign of life, whose connection may have had to be made anew.
func (t *Tenure) renew(ctx context.Context, e *pgEngine, life sign, until time.Time) sign {
	lease := t.store.lineLease
	tick := time.NewTicker(lease / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return life
		case <-tick.C:
		}
		asked := t.store.now()
		limit, cancel := context.WithTimeout(ctx, lease/4)
		life = t.showLife(limit, e, life)
		renewed, err := change(limit, e.db, `UPDATE line_owner SET until = `+dbClock+` + $2
			WHERE epoch = $1 AND until > `+dbClock, t.epoch, lease.Milliseconds())
		cancel()
		switch {
		case err == nil && renewed == 1:
			until = asked.Add(lease)
		case err == nil, t.store.now().After(until.Add(-lease / 4)):
			t.lose()
			return life
		}
	}
}

// showLife replaces the connection whose session holds the lock when it broke, and asks for the lock until it has it:
// the server may not have noticed the end of the old session, which holds it until then. Whoever asked for the line in
// between has it: then the renewal finds out.
func (t *Tenure) showLife(ctx context.Context, e *pgEngine, life sign) sign {
	if life.conn.PingContext(ctx) != nil {
		fresh, err := e.db.Conn(ctx)
		if err != nil {
			return life // asked again at the next tick
		}
		hangUp(life.conn)
		life = sign{conn: fresh}
	}
	if !life.locked {
		var got bool
		_, err := one(ctx, life.conn, `SELECT pg_try_advisory_lock($1::int, $2::int)`, []any{lifeLock, t.epoch}, &got)
		life.locked = err == nil && got
	}
	return life
}

// fenceRow asks the database whether this tenure is the last one and lives. With lock, a new owner waits until the
// transaction is over (renewal does not), and the server ends the transaction of a process that is paused in it.
func (t *Tenure) fenceRow(ctx context.Context, q querier, lock bool) error {
	query, args := `SELECT 1 FROM line_owner WHERE epoch = $1 AND until > `+dbClock, []any{t.epoch}
	if lock {
		query = `SELECT 1 FROM line_owner, set_config('idle_in_transaction_session_timeout', $2, true)
			WHERE epoch = $1 AND until > ` + dbClock + ` FOR KEY SHARE OF line_owner`
		args = append(args, strconv.FormatInt(t.store.lineLease.Milliseconds(), 10))
	}
	var live int64
	found, err := one(ctx, q, query, args, &live)
	if err != nil {
		return err
	}
	if !found {
		t.lose()
		return ErrLineLost
	}
	return nil
}
