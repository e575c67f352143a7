package app

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/admin"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"
	"github.com/stretchr/testify/require"
)

const alertSecret = "whsec_MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY="

func TestAlertWebhookIsSigned(t *testing.T) {
	t.Parallel()
	check, err := standard.NewWebhook(alertSecret)
	require.NoError(t, err)
	status := http.StatusNoContent
	var got map[string]any
	hook := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err == nil {
			err = check.Verify(body, r.Header)
		}
		if err != nil || json.Unmarshal(body, &got) != nil {
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		w.WriteHeader(status)
	}))
	defer hook.Close()
	h, err := newAlertHook(AlertsConfig{WebhookURL: hook.URL + "/key-in-the-path", Secret: alertSecret}, time.Now)
	require.NoError(t, err)
	payload, err := json.Marshal(admin.Telling{ID: "line/1", Alert: admin.AlertLine, Value: 4, State: "logged out", At: time.Now()})
	require.NoError(t, err)
	job := jobs.Job{Kind: admin.JobTellWebhook, Payload: payload}
	require.NoError(t, h.tell(t.Context(), job))
	require.Equal(t, "alert.line", got["type"])
	require.Equal(t, map[string]any{"alert": "line", "value": 4.0, "over": false, "state": "logged out"}, got["data"])

	status = http.StatusInternalServerError
	err = h.tell(t.Context(), job)
	require.ErrorContains(t, err, "500")
	require.False(t, jobs.IsPermanent(err), "it is tried again")
	require.True(t, jobs.IsPermanent(h.tell(t.Context(), jobs.Job{Payload: []byte("x")})))
	hook.Close()
	err = h.tell(t.Context(), job)
	require.Error(t, err)
	require.NotContains(t, err.Error(), "key-in-the-path")
}

func TestAlertWebhookNeedsItsSecret(t *testing.T) {
	t.Parallel()
	cfg := Default()
	cfg.Alerts.WebhookURL = "https://alerts.example/hook"
	require.ErrorContains(t, validateTogether(cfg), "alerts.secret")
}
