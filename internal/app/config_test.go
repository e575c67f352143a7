package app

import (
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/stretchr/testify/require"
)

// minimal is the least that an operator must say.
const minimal = "whatsapp:\n  number: \"+6281234567890\"\n"

func write(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	require.NoError(t, os.WriteFile(path, []byte(text), 0o600))
	return path
}

func TestShippedConfigEqualsDefaults(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../config.yaml")
	require.NoError(t, err)
	got := Default()
	blank(reflect.ValueOf(&got).Elem()) // whatever the file does not say would stay blank
	require.NoError(t, decode(&got, "config.yaml", raw))
	require.Equal(t, Default(), got)
}

// blank sets every field to its zero value.
func blank(v reflect.Value) {
	for i := range v.NumField() {
		v.Field(i).SetZero()
	}
}

func TestShippedConfigNamesEveryKeyOnce(t *testing.T) {
	t.Parallel()
	raw, err := os.ReadFile("../../config.yaml")
	require.NoError(t, err)
	for _, key := range leaves(reflect.TypeFor[Config](), "") {
		name := key[strings.LastIndex(key, ".")+1:]
		require.Contains(t, string(raw), name+":", "config.yaml must show %s", key)
	}
}

func TestEveryKeyHasItsEnvironmentVariable(t *testing.T) {
	t.Parallel()
	cfg := Default()
	params, err := env.GetFieldParamsWithOptions(&cfg, env.Options{Prefix: envPrefix})
	require.NoError(t, err)
	var names []string
	for _, p := range params {
		if p.Key != envPrefix {
			names = append(names, p.Key)
		}
	}
	var want []string
	for _, key := range leaves(reflect.TypeFor[Config](), "") {
		want = append(want, envName(key))
	}
	require.ElementsMatch(t, want, names)
}

// leaves lists the paths of all keys.
func leaves(t reflect.Type, under string) []string {
	var all []string
	for i := range t.NumField() {
		f := t.Field(i)
		path := strings.TrimPrefix(under+"."+f.Tag.Get("yaml"), ".")
		if f.Type.Kind() == reflect.Struct {
			all = append(all, leaves(f.Type, path)...)
		} else {
			all = append(all, path)
		}
	}
	return all
}

func TestLoadLaysEnvironmentOverFileOverDefaults(t *testing.T) {
	t.Parallel()
	path := write(t, minimal+"login:\n  stale_after: 3m\n  coalesce: 0s\nreplies:\n  by_country: {\"65\": en}\n")
	cfg, err := Load(path, []string{
		"KONSULIN_LOGIN_COALESCE=5s", "KONSULIN_LOGIN_PHRASES=Log in, please|Masuk", "HOME=/",
		"KONSULIN_HTTP_TRUSTED_PROXIES=",
		"KONSULIN_LOGIN_LIMITS_NUMBER_BURST=9", "KONSULIN_ADMINS_OWNER=+6281234567891,+6281234567892",
	})
	require.NoError(t, err)
	require.Equal(t, 3*time.Minute, cfg.Login.StaleAfter)
	require.Equal(t, 5*time.Second, cfg.Login.Coalesce)
	require.Equal(t, []string{"Log in, please", "Masuk"}, cfg.Login.Phrases)
	require.Equal(t, 9, cfg.Login.Limits.Number.Burst)
	require.Equal(t, map[string]string{"65": "en"}, cfg.Replies.ByCountry, "a map in the file replaces the default one")
	require.Len(t, cfg.Admins.Owner, 2)
	require.Equal(t, Default().Keep, cfg.Keep)
	require.Equal(t, Default().HTTP, cfg.HTTP, "an empty variable counts as not set")
}

func TestLoadTakesWhatEditorsPutAroundAFile(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"byte order mark": "\ufeff" + minimal, "marks of a document": "---\n" + minimal + "---\n", "end of a document": minimal + "...\n",
		"comments first": "# a\n---\n" + minimal, "lines of Windows": strings.ReplaceAll(minimal, "\n", "\r\n"), "a section without keys": minimal + "keep:\n  # links: 1h\n",
	} {
		cfg, err := Load(write(t, text), nil)
		require.NoError(t, err, name)
		require.Equal(t, "+6281234567890", cfg.WhatsApp.Number, name)
		require.Equal(t, Default().Keep, cfg.Keep, name)
	}
}

func TestLoadNamesFileLineAndKey(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"unknown key":          {minimal + "http:\n  listn: x\n", []string{":4:", `"listn"`, "unknown key"}},
		"unknown section":      {"nonsense:\n  a: 1\n", []string{":1:", `"nonsense"`, "unknown key"}},
		"duplicate key":        {minimal + "http:\n  listen: a:1\n  listen: b:1\n", []string{":5:", `"listen"`, "already defined"}},
		"duplicate section":    {"log:\n  level: info\nlog:\n  level: debug\n", []string{":3:", `"log"`, "already defined"}},
		"wrong type":           {minimal + "jobs:\n  workers: many\n", []string{":4:", `"workers"`, "wrong type"}},
		"broken duration":      {minimal + "login:\n  stale_after: soon\n", []string{":4:", `"stale_after"`}},
		"secret of wrong type": {minimal + "auth:\n  api_key: [hunter2hunter2]\n", []string{":4:", `"api_key"`}},
		"second document":      {minimal + "---\nlogin:\n  coalesce: 1s\n", []string{":4:", `"login"`, "second YAML document"}},
		"fraction":             {minimal + "login:\n  limits:\n    number:\n      burst: 1.5\n", []string{":6:", `"burst"`, "whole number"}},
		"not yaml":             {"http: [\n", []string{":1:", "not YAML"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			path := write(t, c.text)
			_, err := Load(path, nil)
			require.Error(t, err)
			for _, part := range append(c.want, path) {
				require.ErrorContains(t, err, part)
			}
			require.NotContains(t, err.Error(), "hunter2")
		})
	}
}

func TestLoadNamesTheInvalidKeyWithoutItsValue(t *testing.T) {
	t.Parallel()
	for text, key := range map[string]string{
		"{}":                                "whatsapp.number",
		"whatsapp: {number: \"0812\"}":      "whatsapp.number",
		minimal + "http: {listen: nowhere}": "http.listen",
		minimal + "metrics: {listen: \"0.0.0.0:9464\"}":                  "metrics.listen",
		minimal + "metrics: {listen: \":9464\"}":                         "metrics.listen",
		minimal + "auth: {website_domain: \"http://login.example.org\"}": "auth.website_domain",
		minimal + "auth: {website_domain: \"https://a.example/x\"}":      "auth.website_domain",
		minimal + "auth: {api_base_path: auth/}":                         "auth.api_base_path",
		minimal + "auth: {core_uri: \"core:3567\"}":                      "auth.core_uri",
		minimal + "auth: {cookie_same_site: none}":                       "auth.cookie_same_site",
		minimal + "storage: {engine: mysql}":                             "storage.engine",
		minimal + "storage: {engine: postgres}":                          "storage.dsn",
		minimal + "login: {phrases: []}":                                 "login.phrases",
		minimal + "login: {stale_after: 1s}":                             "login.stale_after",
		minimal + "login: {silent_after: 1m}":                            "login.silent_after",
		minimal + "login: {limits: {number: {burst: 0, every: 1m}}}":     "login.limits.number.burst",
		minimal + "replies: {other_text: reply}":                         "replies.human_contact",
		minimal + "admins: {owner: [\"12345678901234@lid\"]}":            "admins.owner[0]",
		minimal + "jobs: {retry_min: 1h, retry_max: 1m}":                 "jobs.retry_max",
		minimal + "keep: {messages: 1h}":                                 "keep.messages",
	} {
		_, err := Load(write(t, text), nil)
		require.ErrorContains(t, err, key+":", text)
	}
}

// TestElsewhereMayHaveTwoOrigins: the website and the API are a gateway's then.
func TestElsewhereMayHaveTwoOrigins(t *testing.T) {
	t.Parallel()
	domains := "auth: {api_domain: \"https://api.example\", website_domain: \"https://www.example\", consume: "
	_, err := Load(write(t, minimal+domains+"self}"), nil)
	require.ErrorContains(t, err, "auth.website_domain:")
	cfg, err := Load(write(t, minimal+domains+"elsewhere}"), nil)
	require.NoError(t, err)
	require.False(t, cfg.contacts(), "the contact is the gateway's")
	cfg, err = Load(write(t, minimal+domains+"elsewhere}\ncontact: {by: bot}"), nil)
	require.NoError(t, err)
	require.True(t, cfg.contacts())
	require.False(t, cfg.claims(), "so are the guest's records")
	_, err = Load(write(t, minimal+domains+"elsewhere}\nguest: {claim: bot}"), nil)
	require.ErrorContains(t, err, "guest.claim: bot needs auth.consume: self")
	_, err = Load(write(t, minimal+domains+"elsewhere}\nfhir: {telecom: e164}"), nil)
	require.ErrorContains(t, err, "fhir.telecom: must be digits")
	for claim, ours := range map[string]bool{"auto": true, "bot": true, "gateway": false} {
		cfg, err = Load(write(t, minimal+"fhir: {telecom: e164}\nguest: {claim: "+claim+"}"), nil)
		require.NoError(t, err)
		require.Equal(t, ours, cfg.claims(), claim)
	}
	_, err = Load(write(t, minimal+"auth: {consume: nowhere}"), nil)
	require.ErrorContains(t, err, "auth.consume:")
}

// TestLoadAsksTheRooms: what serve would refuse, config check refuses.
func TestLoadAsksTheRooms(t *testing.T) {
	t.Parallel()
	for text, says := range map[string]string{
		minimal + "replies: {language: fr}":                                                                                               "replies.language: ",
		minimal + "replies: {by_country: {\"33\": fr}}":                                                                                   "replies.by_country: ",
		minimal + "replies: {hidden: fr}":                                                                                                 "replies.hidden: ",
		minimal + "replies: {dir: /nonexistent}":                                                                                          "replies.dir: ",
		minimal + "replies: {other_text: reply, human_contact: \"a\\nb\", emergency_line: b}":                                             "replies.human_contact: ",
		minimal + "replies: {other_text: reply, human_contact: a, emergency_line: \"a\\nb\"}":                                             "replies.emergency_line: ",
		minimal + "login: {phrases: [\"...\"]}":                                                                                           "login.phrases: ",
		minimal + "admins: {owner: [\"+6281234567891\"], viewer: [\"+6281234567891\"]}":                                                   "admins.viewer: ",
		minimal + "web: {support_url: \"ftp://example.org\"}":                                                                             "web.support_url: ",
		minimal + "web: {home_url: \"ftp://example.org\"}":                                                                                "web.home_url: ",
		minimal + "fhir: {base_url: \"https://user:pw@fhir.example\"}":                                                                    "fhir.base_url: ",
		minimal + "fhir: {base_url: \"https://fhir.example\"}\ncontact: {base_url: \"https://api.example\", auth: jwt, secret: nonsense}": "contact.auth",
		minimal + "contact: {base_url: \"https://api.example\"}":                                                                          "needs fhir.base_url",
		minimal + "fhir: {auth: bearer}":                                                                                                  "fhir.secret",
		minimal + "fhir: {secret: x}":                                                                                                     "fhir.auth",
		minimal + "fhir: {auth: basic, secret: x}":                                                                                        "fhir.user: must be set when fhir.auth is basic",
		minimal + "auth: {website_domain: \"https://a.example\"}":                                                                         "auth.website_domain",
	} {
		_, err := Load(write(t, text), nil)
		require.ErrorContains(t, err, says, text)
	}
}

func TestLoadRefusesUnknownAndBrokenVariables(t *testing.T) {
	t.Parallel()
	path := write(t, minimal)
	_, err := Load(path, []string{"KONSULIN_BOT_SERVICE_HOST=192.0.2.1"})
	require.NoError(t, err, "Kubernetes sets such for a Service called konsulin-bot")
	_, err = Load(path, []string{"KONSULIN_HTTP_LISTN=x"})
	require.ErrorContains(t, err, "KONSULIN_HTTP_LISTN")
	_, err = Load(path, []string{"KONSULIN_JOBS_WORKERS=hunter2"})
	require.ErrorContains(t, err, "KONSULIN_JOBS_WORKERS")
	require.NotContains(t, err.Error(), "hunter2")
}

func TestLoadReadsSecretsFromFiles(t *testing.T) {
	t.Parallel()
	secret := filepath.Join(t.TempDir(), "key")
	require.NoError(t, os.WriteFile(secret, []byte("hunter2\n"), 0o600))
	cfg, err := Load(write(t, minimal+"auth:\n  api_key_file: "+secret+"\n"), nil)
	require.NoError(t, err)
	require.Equal(t, "hunter2", cfg.Auth.APIKey.Reveal())
	for _, printed := range []string{fmt.Sprint(cfg), fmt.Sprintf("%+v %#v", cfg, cfg)} {
		require.NotContains(t, printed, "hunter2")
	}

	_, err = Load(write(t, minimal+"auth:\n  api_key: a\n  api_key_file: "+secret+"\n"), nil)
	require.ErrorContains(t, err, "auth.api_key_file")
	_, err = Load(write(t, minimal+"auth:\n  api_key_file: "+secret+"-absent\n"), nil)
	require.ErrorContains(t, err, "auth.api_key_file")
	require.NoError(t, os.WriteFile(secret, nil, 0o600))
	_, err = Load(write(t, minimal+"auth:\n  api_key_file: "+secret+"\n"), nil)
	require.ErrorContains(t, err, "is empty")
	_, err = Load(filepath.Join(t.TempDir(), "absent.yaml"), nil)
	require.ErrorContains(t, err, "absent.yaml")
}

func FuzzConfig(f *testing.F) {
	f.Add(minimal)
	f.Add("login:\n  phrases: [a, b]\n")
	f.Add("a: &a [*a]")
	f.Add("? : :\n- -\n\t")
	f.Fuzz(func(t *testing.T, text string) {
		cfg := Default()
		if decode(&cfg, "fuzz.yaml", []byte(text)) != nil {
			return
		}
		_ = validate(cfg) // must not panic, whatever was decoded
	})
}
