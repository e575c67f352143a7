package storage

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/konsulin-care/konsulin-bot/bot"
)

var _ bot.Budgets = (*Store)(nil)

// errNothingSpent rolls back the transaction of a Spend that changes nothing.
var errNothingSpent = errors.New("nothing is spent")

// spending is one budget's row. The generic cell rate algorithm needs nothing but the theoretical arrival time of the
// next event, in nanoseconds, because some rates have events closer than a millisecond apart.
type spending struct {
	tat    int64
	holder string
}

// Spend implements [bot.Budgets].
func (s *Store) Spend(ctx context.Context, holder string, now time.Time, budgets ...bot.Budget) (empty string, err error) {
	if len(budgets) == 0 {
		return "", nil
	}
	holder = name(holder)
	err = s.note(ctx, func(ctx context.Context, q querier) error {
		empty = ""
		rows, err := lockBudgets(ctx, q, budgets)
		if err != nil {
			return err
		}
		if holder != "" && rows[budgets[0].Key].holder == holder {
			return errNothingSpent // it was granted to this holder before
		}
		healed, err := healBudgets(ctx, q, budgets, rows, now)
		if err != nil {
			return err
		}
		if empty = take(budgets, rows, holder, now); empty == "" {
			return saveBudgets(ctx, q, rows)
		}
		if healed {
			return nil
		}
		return errNothingSpent
	})
	if err != nil && !errors.Is(err, errNothingSpent) {
		return "", fmt.Errorf("spend: %w", err)
	}
	return empty, nil
}

// take spends one event of each budget in rows, or names the first budget that is empty.
func take(budgets []bot.Budget, rows map[string]spending, holder string, now time.Time) (empty string) {
	for _, b := range budgets {
		tat := max(rows[b.Key].tat, now.UnixNano())
		if tat-now.UnixNano() > span(b.Every, b.Burst-1) {
			return b.Key
		}
		rows[b.Key] = spending{tat: later(tat, int64(b.Every)), holder: holder}
	}
	return ""
}

// span is how many nanoseconds n events take, or the most there are: a wide burst of a slow rate takes centuries.
func span(every time.Duration, n int) int64 {
	if n > 0 && int64(every) > math.MaxInt64/int64(n) {
		return math.MaxInt64
	}
	return int64(every) * int64(n)
}

// later is a time so many nanoseconds after another, or the last there is.
func later(tat, by int64) int64 {
	if by > math.MaxInt64-tat {
		return math.MaxInt64
	}
	return tat + by
}

// healBudgets notices a theoretical arrival time that is further ahead than a wholly spent budget's. Only a clock that
// was wrong, or a wider budget of an older configuration, gets so far. It counts as wholly spent now, for good.
func healBudgets(ctx context.Context, q querier, budgets []bot.Budget, rows map[string]spending, now time.Time) (healed bool, err error) {
	for _, b := range budgets {
		most := later(now.UnixNano(), span(b.Every, b.Burst))
		if row := rows[b.Key]; row.tat > most {
			rows[b.Key] = spending{tat: most, holder: row.holder}
			if err := saveBudgets(ctx, q, map[string]spending{b.Key: rows[b.Key]}); err != nil {
				return false, err
			}
			healed = true
		}
	}
	return healed, nil
}

// lockBudgets reads the rows, making what is missing, and keeps others from spending them until the transaction
// ends. Rows are locked in the order of their keys, so that two callers never wait for each other.
func lockBudgets(ctx context.Context, q querier, budgets []bot.Budget) (map[string]spending, error) {
	rows := make(map[string]spending, len(budgets))
	keys := make(map[string]string, len(budgets)) // by what a row calls them
	for _, b := range budgets {
		rows[b.Key], keys[name(b.Key)] = spending{}, b.Key
	}
	statement, args := upsertBudgets(rows, "key = excluded.key RETURNING key, tat, holder")
	err := each(ctx, q, statement, args, func(found *sql.Rows) error {
		var stored string
		var row spending
		err := found.Scan(&stored, &row.tat, &row.holder)
		rows[keys[stored]] = row
		return err
	})
	return rows, err
}

func saveBudgets(ctx context.Context, q querier, rows map[string]spending) error {
	statement, args := upsertBudgets(rows, "tat = excluded.tat, holder = excluded.holder")
	_, err := change(ctx, q, statement, args...)
	return err
}

// upsertBudgets is the statement that makes the rows which are missing and changes the others, in the order of their keys.
func upsertBudgets(rows map[string]spending, set string) (statement string, args []any) {
	var values strings.Builder
	for _, key := range slices.Sorted(maps.Keys(rows)) {
		if len(args) > 0 {
			values.WriteString(", ")
		}
		fmt.Fprintf(&values, "($%d, $%d, $%d)", len(args)+1, len(args)+2, len(args)+3)
		args = append(args, name(key), rows[key].tat, rows[key].holder)
	}
	return "INSERT INTO budgets (key, tat, holder) VALUES " + values.String() + " ON CONFLICT (key) DO UPDATE SET " + set, args
}
