package storage

import (
	"context"
	"crypto/rand"
	"os"
	"strconv"
	"sync"
	"time"
)

// dbClock is PostgreSQL's own time: processes on several hosts agree on it, and on nothing else. It moves within a
// transaction too.
const dbClock = "(EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint"

// ownRow takes the lease if nobody holds a live one, and starts its renewal.
func (t *Tenure) ownRow(ctx context.Context, e *pgEngine) error {
	host, err := os.Hostname()
	if err != nil {
		host = "unknown host"
	}
	asked, id := t.store.now(), rand.Text()
	var held *HeldError
	err = e.write(ctx, func(ctx context.Context, q querier) error {
		held = nil
		// FOR UPDATE waits for transactions that passed the fence of the last tenure, see fenceRow.
		var free int64
		found, err := one(ctx, q, `SELECT 1 FROM line_owner WHERE until <= `+dbClock+` FOR UPDATE`, nil, &free)
		if err == nil && found {
			_, err = one(ctx, q, `UPDATE line_owner SET epoch = epoch + 1, holder = $1, pid = $2, host = $3,
				since = `+dbClock+`, until = `+dbClock+` + $4 RETURNING epoch`,
				[]any{id, os.Getpid(), host, t.store.lineLease.Milliseconds()}, &t.epoch)
		}
		if err != nil || found {
			return err
		}
		held = &HeldError{What: "the WhatsApp line of this database"}
		var since int64
		_, err = one(ctx, q, `SELECT pid, host, since FROM line_owner`, nil, &held.PID, &held.Host, &since)
		held.Since = at(since)
		return err
	})
	if err != nil {
		return err
	}
	if held != nil {
		return held
	}
	ctx, cancel := context.WithCancel(context.WithoutCancel(ctx))
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		t.renew(ctx, e, asked.Add(t.store.lineLease))
	}()
	t.release = sync.OnceValue(func() error {
		cancel()
		<-ended
		ctx, cancel := context.WithTimeout(context.Background(), t.store.lineLease)
		defer cancel()
		_, err := change(ctx, e.db, `UPDATE line_owner SET until = 0 WHERE epoch = $1`, t.epoch)
		return classify(err)
	})
	return nil
}

// renew keeps the lease until ctx ends, or closes Lost: when another process has taken it, or when it could not be
// renewed until it ran out. The clock of this process only ever makes that earlier: the time counts from before the
// question.
func (t *Tenure) renew(ctx context.Context, e *pgEngine, until time.Time) {
	lease := t.store.lineLease
	tick := time.NewTicker(lease / 4)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		asked := t.store.now()
		limit, cancel := context.WithTimeout(ctx, lease/4)
		renewed, err := change(limit, e.db, `UPDATE line_owner SET until = `+dbClock+` + $2
			WHERE epoch = $1 AND until > `+dbClock, t.epoch, lease.Milliseconds())
		cancel()
		switch {
		case err == nil && renewed == 1:
			until = asked.Add(lease)
		case err == nil, t.store.now().After(until.Add(-lease / 4)):
			t.lose()
			return
		}
	}
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
