package app

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/konsulin-care/konsulin-bot/admin"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/konsulin-care/konsulin-bot/internal/webhook"
)

const (
	alertEvery   = 30 * time.Second // how often the line's owner looks whether something needs a person
	alertTimeout = 10 * time.Second // of one call of the webhook
)

// newWatch makes what looks for troubles. All admins from support on are told.
func newWatch(a *App) *admin.Watch {
	cfg := a.cfg.Alerts
	var told []phone.Number
	for _, list := range [][]string{a.cfg.Admins.Support, a.cfg.Admins.Owner} {
		for _, s := range list {
			if n, err := phone.Parse(s); err == nil { // validated before
				told = append(told, n)
			}
		}
	}
	return admin.NewWatch(admin.WatchConfig{
		Store: a.store, Desk: a.desk, PhoneSeen: a.store.LastPhoneSeen, DownAfter: cfg.DownAfter, PhoneAfter: cfg.PhoneAfter,
		Pause: cfg.Pause, Admins: told, Webhook: cfg.WebhookURL != "", Now: a.opt.Now, Log: a.log,
	})
}

// watchTroubles looks once. The line's owner does it, so that everything is told once.
func (a *App) watchTroubles(w *admin.Watch) func(context.Context) {
	return func(ctx context.Context) {
		if err := w.Look(ctx); err != nil && ctx.Err() == nil {
			a.log.Warn().Err(err).Msg("cannot look for what needs a person; trying again")
		}
	}
}

// phoneSeen remembers that the account's phone is alive. That it could not be written down is made up for the next time.
func (a *App) phoneSeen(ctx context.Context, at time.Time) {
	if err := a.store.PhoneSeen(ctx, at); err != nil {
		a.log.Warn().Err(err).Msg("cannot note that the phone was seen")
	}
}

// alertHook tells alerts to a webhook, signed by the rules of standardwebhooks.com.
type alertHook struct {
	url    string
	signer *webhook.Signer
	http   *http.Client
	now    func() time.Time
}

func newAlertHook(cfg AlertsConfig, now func() time.Time) (*alertHook, error) {
	signer, err := webhook.New(cfg.Secret.Reveal())
	if err != nil {
		return nil, fmt.Errorf("alerts.secret: %w", err)
	}
	return &alertHook{url: cfg.WebhookURL, signer: signer, now: now, http: &http.Client{
		Timeout:       alertTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}, nil
}

// tell works a job of kind alert.webhook. Its id is the same for every try.
func (h *alertHook) tell(ctx context.Context, j jobs.Job) error {
	var t admin.Telling
	if json.Unmarshal(j.Payload, &t) != nil {
		return jobs.Permanent(errors.New("the job's payload cannot be read"))
	}
	body, err := json.Marshal(map[string]any{"type": "alert." + t.Alert, "timestamp": t.At.UTC().Format(time.RFC3339),
		"data": map[string]any{"alert": t.Alert, "value": t.Value, "over": t.Value == 0, "state": t.State}})
	if err != nil {
		return jobs.Permanent(err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, h.url, bytes.NewReader(body))
	if err != nil {
		return jobs.Permanent(errors.New("alerts.webhook_url is not an address"))
	}
	req.Header.Set("Content-Type", "application/json")
	if err := h.signer.Sign(req.Header, t.ID, h.now(), body); err != nil {
		return jobs.Permanent(fmt.Errorf("sign an alert: %w", err))
	}
	resp, err := h.http.Do(req)
	if err != nil {
		return errors.New("the alert webhook cannot be reached") // the library's error repeats the address, which may hold a key
	}
	defer func() { _ = resp.Body.Close() }()
	if resp.StatusCode/100 != 2 {
		return fmt.Errorf("the alert webhook answered with status %d", resp.StatusCode)
	}
	return nil
}
