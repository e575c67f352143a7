package app

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"reflect"
	"strings"
	"unicode"

	"github.com/go-playground/validator/v10"
	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/fhir"
	"github.com/konsulin-care/konsulin-bot/internal/metrics"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/konsulin-care/konsulin-bot/internal/returnpath"
)

// validate checks cfg and names the first key that is wrong and what it should be.
func validate(cfg Config) error {
	v := validator.New(validator.WithRequiredStructEnabled())
	v.RegisterTagNameFunc(func(f reflect.StructField) string { return f.Tag.Get("yaml") })
	for tag, ok := range map[string]func(string) bool{
		"phone":      func(s string) bool { _, err := phone.Parse(s); return err == nil },
		"origin":     isOrigin,
		"basepath":   isBasePath,
		"returnpath": returnpath.Safe,
		"headername": isHeaderName,
		"oneline":    bot.IsOneLine,
	} {
		check := ok
		if err := v.RegisterValidation(tag, func(fl validator.FieldLevel) bool { return check(fl.Field().String()) }); err != nil {
			return fmt.Errorf("register validation %s: %w", tag, err)
		}
	}
	err := v.Struct(cfg)
	var wrong validator.ValidationErrors
	if errors.As(err, &wrong) {
		first := wrong[0]
		key := strings.TrimPrefix(first.Namespace(), "Config.")
		return fmt.Errorf("%s: %s (environment: %s)", key, should(first), envName(key))
	}
	if err != nil {
		return fmt.Errorf("validate configuration: %w", err)
	}
	if err := validateTogether(cfg); err != nil {
		return err
	}
	return validateRooms(cfg)
}

// validateTogether checks what no single key can say.
func validateTogether(cfg Config) error {
	if cfg.Storage.Engine == "postgres" && cfg.Storage.DSN == "" {
		return errors.New("storage.dsn: needed when storage.engine is postgres (or storage.dsn_file)")
	}
	if !cfg.Auth.elsewhere() && cfg.Auth.APIDomain != cfg.Auth.WebsiteDomain {
		return errors.New("auth.website_domain: must equal auth.api_domain; the bot serves the pages and the API under one origin")
	}
	if cfg.Auth.elsewhere() && cfg.Guest.Claim == "bot" {
		return errors.New("guest.claim: bot needs auth.consume: self; elsewhere the bot never sees the browser, so it knows of no guest")
	}
	if cfg.Auth.elsewhere() && fhir.Spelling(cfg.FHIR.Telecom) == fhir.E164 {
		return errors.New("fhir.telecom: must be digits with auth.consume: elsewhere; the other program finds Patients by the digits and would make second ones")
	}
	if cfg.Auth.CookieSameSite == "none" && !strings.HasPrefix(cfg.Auth.APIDomain, "https://") {
		return errors.New("auth.cookie_same_site: none needs an https auth.api_domain; browsers drop such cookies otherwise")
	}
	if cfg.Login.DesktopCode && !cfg.Login.Reference {
		return errors.New("login.desktop_code: needs login.reference; the code belongs to the login that the message names")
	}
	if cfg.Login.Reference && cfg.Auth.elsewhere() {
		return errors.New("login.reference: needs auth.consume: self; the other program's pages begin no logins here")
	}
	if cfg.Metrics.Listen != "" {
		if err := metrics.CheckListen(cfg.Metrics.Listen); err != nil {
			return fmt.Errorf("metrics.listen: %w", err)
		}
	}
	if cfg.Contact.BaseURL != "" && cfg.FHIR.BaseURL == "" {
		return errors.New("contact.base_url: needs fhir.base_url; the contact's name and id live in the Patient")
	}
	if err := needsSecret("fhir", cfg.FHIR.Auth, cfg.FHIR.Secret); err != nil {
		return err
	}
	if err := needsSecret("contact", cfg.Contact.Auth, cfg.Contact.Secret); err != nil {
		return err
	}
	if cfg.Alerts.WebhookURL != "" {
		if _, err := newAlertHook(cfg.Alerts, nil); err != nil {
			return err
		}
	}
	if len(cfg.Login.Phrases) > 0 && len(cfg.Login.Phrases[0]) > 200 {
		return errors.New("login.phrases: the first phrase is the text of the wa.me link; keep it below 200 bytes")
	}
	return nil
}

// needsSecret checks that a way to authenticate has what it needs, and that nobody believes in a secret that is not used.
func needsSecret(section, auth string, secret Secret) error {
	switch {
	case auth != "none" && secret == "":
		return fmt.Errorf("%s.secret: needed when %s.auth is %s (or %s.secret_file)", section, section, auth, section)
	case auth == "none" && secret != "":
		return fmt.Errorf("%s.auth: none does not use %s.secret; say how it is to be used, or leave it out", section, section)
	}
	return nil
}

// should says what a key's value should be, without repeating the value.
func should(e validator.FieldError) string {
	switch e.Tag() {
	case "required":
		return "must be set"
	case "required_if":
		field, value, _ := strings.Cut(e.Param(), " ")
		return "must be set when " + keyBeside(e.Namespace(), field) + " is " + value
	case "oneof":
		return "must be one of: " + strings.Join(strings.Fields(e.Param()), ", ")
	case "min":
		return "must be at least " + e.Param()
	case "max":
		return "must be at most " + e.Param()
	case "gtefield":
		return "must not be below its minimum counterpart"
	case "phone":
		return "must be a phone number in international form, such as +6281234567890"
	case "origin":
		return "must be scheme and host only, https unless the host is loopback, such as https://login.example.org"
	case "basepath":
		return "must start with / and have no / at its end, such as /auth"
	case "returnpath":
		return "must be a path on the website that starts with one /"
	case "ip|cidr":
		return "must be an address or a network, such as 10.0.0.7 or 10.0.0.0/8"
	case "oneline":
		return "must be one line without control characters or invisible ones"
	case "headername":
		return "must be the name of an HTTP header"
	case "http_url":
		return "must be an http or https URL"
	case "hostname_port":
		return "must be host:port, such as 127.0.0.1:8080"
	default:
		return "is not valid (" + e.Tag() + ")"
	}
}

// keyBeside is the key of a field of the same section, such as replies.other_text for OtherText.
func keyBeside(namespace, field string) string {
	var key strings.Builder
	for i, r := range field {
		if i > 0 && unicode.IsUpper(r) {
			key.WriteByte('_')
		}
		key.WriteRune(unicode.ToLower(r))
	}
	section := strings.TrimPrefix(namespace, "Config.")
	return section[:strings.LastIndex(section, ".")+1] + key.String()
}

// envName is the variable that overrides a key.
func envName(key string) string {
	key, _, _ = strings.Cut(key, "[")
	return envPrefix + strings.ToUpper(strings.ReplaceAll(key, ".", "_"))
}

// isOrigin accepts what links and cookies may be built from. Plain http is for loopback only: a magic link that
// travels in the clear is a leaked link.
func isOrigin(s string) bool {
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Path != "" || u.RawQuery != "" || u.Fragment != "" || u.User != nil {
		return false
	}
	host := u.Hostname()
	ip := net.ParseIP(host)
	loopback := host == "localhost" || (ip != nil && ip.IsLoopback())
	return u.Scheme == "https" || (u.Scheme == "http" && loopback)
}

// isHeaderName accepts a token of RFC 9110.
func isHeaderName(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'*+-.^_`|~", r)
	})
}

func isBasePath(s string) bool {
	u, err := url.Parse(s)
	return err == nil && strings.HasPrefix(s, "/") && !strings.HasPrefix(s, "//") && !strings.HasSuffix(s, "/") &&
		u.Path == s && !strings.ContainsAny(s, "{}\\ ")
}
