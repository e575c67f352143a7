package storage

import (
	"context"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/stretchr/testify/require"
)

// TestPromisesToOthersWaitForTheDisk: what WhatsApp, a phone or a browser is told afterwards is on the disk; what the bot
// would do again after a power cut is only in order.
func TestPromisesToOthersWaitForTheDisk(t *testing.T) {
	t.Parallel()
	b := setup(t, SQLite)
	const normal, full = "1", "2"
	record := auth.LinkRecord{ReplyID: "R1", CodeID: "C1", PreAuthHash: "H1", Number: number(t, 1), Sealed: []byte("x"),
		RequestedAt: b.now(), CreatedAt: b.now(), ExpiresAt: b.now().Add(time.Minute), State: auth.LinkOpen}
	for _, step := range []struct {
		name string
		do   func(ctx context.Context) error
		want string
	}{
		{"accept", func(ctx context.Context) error {
			_, err := b.Accept(ctx, accepted("62811", "A", b.now()))
			return err
		}, full},
		{"spend", func(ctx context.Context) error {
			_, err := b.Spend(ctx, "h", b.now(), bot.Budget{Key: "k", Burst: 1, Every: time.Second})
			return err
		}, normal},
		{"save link", func(ctx context.Context) error { return b.SaveLink(ctx, record) }, full},
		{"link alone", func(ctx context.Context) error { return b.LinkAlone(ctx, record.ReplyID) }, normal},
		{"refused", func(ctx context.Context) error { return b.Refused(ctx, "62811", "A", "stale") }, full},
		{"lease", func(ctx context.Context) error {
			_, err := b.LeaseJobs(ctx, leaseOf(b))
			return err
		}, normal},
		{"audit", func(ctx context.Context) error { return b.Audit(ctx, AuditRow{At: b.now(), Event: "x"}) }, full},
		{"settle", func(ctx context.Context) error {
			return b.SettleJobs(ctx, []jobs.Settlement{{ID: 1, Owner: "line", Outcome: jobs.Done, At: b.now()}})
		}, normal},
	} {
		require.NoError(t, step.do(t.Context()), step.name)
		var level string
		require.NoError(t, b.engine.(*liteEngine).writer.db.QueryRowContext(t.Context(), "PRAGMA synchronous").Scan(&level))
		require.Equal(t, step.want, level, step.name)
	}
}
