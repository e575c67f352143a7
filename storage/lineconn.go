package storage

import (
	"context"
	"database/sql/driver"
	"time"

	"github.com/mattn/go-sqlite3"
)

// turns lets the line's connections write one after the other. SQLite lets one write as well, but the others sleep and try
// again, for longer and longer, and each of them keeps a message waiting.
type turns chan struct{}

// turnWait is when a connection stops waiting for its turn: as long as it would wait for another process.
const turnWait = 5 * time.Second

func (t turns) take(ctx context.Context) error {
	select {
	case t <- struct{}{}:
		return nil
	default:
	}
	wait := time.NewTimer(turnWait)
	defer wait.Stop()
	select {
	case t <- struct{}{}:
		return nil
	case <-wait.C:
		return sqlite3.Error{Code: sqlite3.ErrBusy}
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

func (t turns) give() { <-t }

// turnConnector opens connections that take turns.
type turnConnector struct {
	driver.Connector
	turns turns
}

// Connect implements [driver.Connector].
func (c turnConnector) Connect(ctx context.Context) (driver.Conn, error) {
	conn, err := c.Connector.Connect(ctx)
	if err != nil {
		return nil, err
	}
	return &turnConn{SQLiteConn: conn.(*sqlite3.SQLiteConn), turns: c.turns}, nil
}

// turnConn is a connection that waits for its turn before it writes. Queries, and statements that were prepared, do not:
// those of the WhatsApp library read.
type turnConn struct {
	*sqlite3.SQLiteConn
	turns turns
	has   bool // the turn, until its transaction ends
}

var (
	_ driver.ConnBeginTx        = (*turnConn)(nil)
	_ driver.ConnPrepareContext = (*turnConn)(nil)
	_ driver.ExecerContext      = (*turnConn)(nil)
	_ driver.QueryerContext     = (*turnConn)(nil)
	_ driver.Pinger             = (*turnConn)(nil)
)

// BeginTx implements [driver.ConnBeginTx]. The driver begins every transaction as one that writes.
func (c *turnConn) BeginTx(ctx context.Context, opts driver.TxOptions) (driver.Tx, error) {
	if err := c.turns.take(ctx); err != nil {
		return nil, err
	}
	tx, err := c.SQLiteConn.BeginTx(ctx, opts)
	if err != nil {
		c.turns.give()
		return nil, err
	}
	c.has = true
	return turnTx{tx, c}, nil
}

// ExecContext implements [driver.ExecerContext].
func (c *turnConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if !c.has {
		if err := c.turns.take(ctx); err != nil {
			return nil, err
		}
		defer c.turns.give()
	}
	return c.SQLiteConn.ExecContext(ctx, query, args)
}

// Close implements [driver.Conn].
func (c *turnConn) Close() error {
	defer c.end()
	return c.SQLiteConn.Close()
}

func (c *turnConn) end() {
	if c.has {
		c.has = false
		c.turns.give()
	}
}

// turnTx is a transaction whose end is the end of a turn.
type turnTx struct {
	driver.Tx
	conn *turnConn
}

// Commit implements [driver.Tx].
func (t turnTx) Commit() error {
	defer t.conn.end()
	return t.Tx.Commit()
}

// Rollback implements [driver.Tx].
func (t turnTx) Rollback() error {
	defer t.conn.end()
	return t.Tx.Rollback()
}
