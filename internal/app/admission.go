package app

import (
	"context"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/bot"
)

// admission bounds what browsers begin. Its budgets are kept in storage, so all processes share them, and a restart does not
// fill them.
type admission struct {
	budgets     bot.Budgets
	client, all RateConfig
	now         func() time.Time
}

var _ auth.Admission = admission{}

func newAdmission(a *App) admission {
	return admission{budgets: a.store, client: a.cfg.Web.Limits.Client, all: a.cfg.Web.Limits.Global, now: a.opt.Now}
}

// Admit implements [auth.Admission].
func (a admission) Admit(ctx context.Context, kind, client string) (wait time.Duration, everybody bool, err error) {
	own := bot.Budget{Key: "begin:" + kind + ":" + client, Burst: a.client.Burst, Every: a.client.Every}
	all := bot.Budget{Key: "begin:" + kind, Burst: a.all.Burst, Every: a.all.Every}
	switch empty, err := a.budgets.Spend(ctx, "", a.now(), own, all); {
	case err != nil:
		return 0, false, err
	case empty == own.Key:
		return own.Every, false, nil
	case empty == all.Key:
		return all.Every, true, nil
	}
	return 0, false, nil
}
