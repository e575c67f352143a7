// Package webhook signs the calls that we make to others' webhooks, as https://www.standardwebhooks.com describes it.
//
// It owns the secrets and the three headers. It knows nobody whom we call.
package webhook
