package whatsapp

import (
	"database/sql"
	"fmt"
	"testing"

	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/stretchr/testify/require"
)

// leftBy counts the rows and bytes of values that the line's store holds, by table.
func leftBy(t *testing.T, db *sql.DB) (rows, size map[string]int) {
	t.Helper()
	rows, size = map[string]int{}, map[string]int{}
	for name, sum := range sumsOf(t, db) {
		var n, bytes int
		require.NoError(t, db.QueryRowContext(t.Context(), fmt.Sprintf("SELECT count(*), COALESCE(SUM(%s), 0) FROM %s", sum, name)).Scan(&n, &bytes))
		rows[name], size[name] = n, bytes
	}
	return rows, size
}

// sumsOf is, by table, the SQL for the bytes of a row's values.
func sumsOf(t *testing.T, db *sql.DB) map[string]string {
	t.Helper()
	names, err := db.QueryContext(t.Context(), `SELECT m.name, group_concat('COALESCE(length(' || c.name || '), 0)', '+')
		FROM sqlite_master m, pragma_table_info(m.name) c WHERE m.type = 'table' AND m.name LIKE 'whatsmeow_%' GROUP BY m.name`)
	require.NoError(t, err)
	defer func() { require.NoError(t, names.Close()) }()
	sums := map[string]string{}
	for names.Next() {
		var name, sum string
		require.NoError(t, names.Scan(&name, &sum))
		sums[name] = sum
	}
	require.NoError(t, names.Err())
	return sums
}

// TestWhatOneNumberLeavesInTheLinesStore: somebody who wrote and was answered leaves rows in the tables of which
// docs/growth.md says so, and nowhere else; not their name, and not their message.
func TestWhatOneNumberLeavesInTheLinesStore(t *testing.T) {
	w := connected(t)
	w.acquainted(t, w.user(t, 1)) // what the first one brings about is the account's own
	before, _ := leftBy(t, w.db)
	_, sizeBefore := leftBy(t, w.db)
	const people = 5
	for i := range people {
		u := w.user(t, 10+i)
		m := w.message(t, w.text(t, u))
		require.NoError(t, w.line.Send(t.Context(), bot.Outgoing{ID: fmt.Sprintf("3EB0AAAAAAAAAAAA%04d", i), Chat: m.Chat, Text: "hello"}))
		next1(t, u)
	}
	after, sizeAfter := leftBy(t, w.db)
	grows := map[string]bool{
		"whatsmeow_sessions": true, "whatsmeow_identity_keys": true, "whatsmeow_lid_map": true, "whatsmeow_privacy_tokens": true,
		"whatsmeow_event_buffer": true, "whatsmeow_retry_buffer": true, "whatsmeow_pre_keys": true,
	}
	total := 0
	for table, n := range after {
		if n > before[table] {
			require.True(t, grows[table], "%s grows with every number that writes", table)
			require.LessOrEqual(t, n-before[table], 4*people, table)
		}
		total += sizeAfter[table] - sizeBefore[table]
	}
	require.Zero(t, after["whatsmeow_contacts"])
	require.Zero(t, after["whatsmeow_message_secrets"])
	require.Zero(t, after["whatsmeow_chat_settings"])
	require.Less(t, total/people, 8<<10)
	for table := range grows {
		t.Logf("%s: %d rows, %d bytes a number", table, (after[table]-before[table])/people, (sizeAfter[table]-sizeBefore[table])/people)
	}
	t.Logf("%d bytes a number", total/people)
}
