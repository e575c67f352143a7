package storage

import (
	"context"
	"testing"

	"github.com/stretchr/testify/require"
)

// refusedAtCommit makes a table whose rows are checked as late as at the commit, which refuses them.
func (b bundle) refusedAtCommit(tb testing.TB) {
	tb.Helper()
	require.NoError(tb, b.raw(tb, "CREATE TABLE parents (id INTEGER PRIMARY KEY)"))
	require.NoError(tb, b.raw(tb, "CREATE TABLE orphans (parent INTEGER REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED)"))
}

func TestAFailedCommitIsAnErrorAndWritesNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		b.refusedAtCommit(t)
		ran := false
		err := b.write(t.Context(), func(ctx context.Context, q querier) error {
			ran = true
			if _, err := q.ExecContext(ctx, "INSERT INTO parents (id) VALUES (1)"); err != nil {
				return err
			}
			_, err := q.ExecContext(ctx, "INSERT INTO orphans (parent) VALUES (7)")
			require.NoError(t, err, "the statement itself goes through")
			return nil
		})
		require.True(t, ran)
		require.Error(t, err)
		require.Zero(t, b.count(t, "parents"))
		require.Zero(t, b.count(t, "orphans"))
		require.NoError(t, b.raw(t, "INSERT INTO parents (id) VALUES (1)"), "and the next write begins afresh")
		require.Equal(t, 1, b.count(t, "parents"))
	})
}

func TestAFailedCommitIsToldToEverybodyInIt(t *testing.T) {
	t.Parallel()
	b := setup(t, SQLite)
	b.refusedAtCommit(t)
	var batch []*call
	for _, statement := range []string{
		"INSERT INTO parents (id) VALUES (1)", "INSERT INTO orphans (parent) VALUES (7)", "INSERT INTO parents (id) VALUES (2)",
	} {
		batch = append(batch, &call{ctx: t.Context(), done: make(chan error, 1), fn: func(ctx context.Context, q querier) error {
			_, err := q.ExecContext(ctx, statement)
			return err
		}})
	}
	b.engine.(*liteEngine).writer.run(batch)
	for _, c := range batch {
		require.Error(t, <-c.done)
	}
	require.Zero(t, b.count(t, "parents"))
	require.Zero(t, b.count(t, "orphans"))
}
