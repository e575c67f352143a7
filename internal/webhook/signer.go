package webhook

import (
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	webhooks "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// minSecret is how many bytes a secret has at least, and maxSecrets how many are in use at once.
const (
	minSecret  = 24
	maxSecrets = 2
)

// Signer signs calls. Make it with [New].
type Signer struct{ keys []*webhooks.Webhook }

// New takes a secret, whsec_<base64> of 24 bytes or more; or two, with a space between them, while one takes the other's
// place: then each call carries a signature of either, and whoever checks it needs only one. Errors never repeat a secret.
func New(secrets string) (*Signer, error) {
	var s Signer
	for _, secret := range strings.Fields(secrets) {
		raw, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(secret, "whsec_"))
		if err != nil || len(raw) < minSecret {
			return nil, fmt.Errorf("a secret is whsec_<base64> of %d bytes or more", minSecret)
		}
		key, err := webhooks.NewWebhookRaw(raw)
		if err != nil {
			return nil, errors.New("the secret cannot be used")
		}
		s.keys = append(s.keys, key)
	}
	if len(s.keys) == 0 || len(s.keys) > maxSecrets {
		return nil, fmt.Errorf("one secret whsec_<base64> is needed, or %d while one takes the other's place", maxSecrets)
	}
	return &s, nil
}

// Sign adds the headers of one call. id is the same each time the same thing is told, so that a receiver can drop what
// it has seen; at is now: receivers refuse what is older than five minutes.
func (s *Signer) Sign(h http.Header, id string, at time.Time, body []byte) error {
	signatures := make([]string, 0, len(s.keys))
	for _, key := range s.keys {
		signed, err := key.Sign(id, at, body)
		if err != nil {
			return errors.New("the call cannot be signed with the configured secret")
		}
		signatures = append(signatures, signed)
	}
	h.Set(webhooks.HeaderWebhookID, id)
	h.Set(webhooks.HeaderWebhookTimestamp, strconv.FormatInt(at.Unix(), 10))
	h.Set(webhooks.HeaderWebhookSignature, strings.Join(signatures, " "))
	return nil
}
