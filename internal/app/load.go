package app

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/caarlos0/env/v11"
	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
)

const envPrefix = "KONSULIN_"

// Load reads the configuration: the defaults, over them the file (an empty path: none), over them the environment
// (os.Environ form), then the *_file secrets, then everything is validated. The error names file, line and key, or
// the variable, and never a value.
func Load(path string, environ []string) (Config, error) {
	cfg := Default()
	if path != "" {
		raw, err := os.ReadFile(path)
		if err != nil {
			return Config{}, fmt.Errorf("read configuration: %w", err)
		}
		if err := decode(&cfg, path, raw); err != nil {
			return Config{}, err
		}
	}
	if err := override(&cfg, environ); err != nil {
		return Config{}, err
	}
	if err := readSecrets(&cfg); err != nil {
		return Config{}, err
	}
	if err := validate(cfg); err != nil {
		return Config{}, err
	}
	return cfg, nil
}

// decode lays a YAML document over cfg; a list or a map in the document replaces the default one whole.
func decode(cfg *Config, name string, raw []byte) error {
	byCountry := cfg.Replies.ByCountry
	cfg.Replies.ByCountry = nil // the decoder would merge the file's map into the default one
	raw = bytes.TrimPrefix(raw, []byte("\ufeff"))
	err := yaml.NewDecoder(strings.NewReader(string(raw)), yaml.Strict()).Decode(cfg)
	if cfg.Replies.ByCountry == nil {
		cfg.Replies.ByCountry = byCountry
	}
	if err == nil || errors.Is(err, io.EOF) {
		return overlooked(name, raw)
	}
	var at yaml.Error
	if errors.As(err, &at) && at.GetToken() != nil {
		t := at.GetToken()
		return fmt.Errorf("%s:%d: %s (key %q)", name, t.Position.Line, problem(at), keyAt(raw, t.Position.Line))
	}
	// The decoder gives no place for a duration that it cannot read.
	if key, line := badDuration(raw); key != "" {
		return fmt.Errorf("%s:%d: not a duration such as 20s, 3m or 24h (key %q)", name, line, key)
	}
	return fmt.Errorf("%s: not readable as YAML", name)
}

// overlooked refuses what the decoder passes over: all documents behind the first one, and fractions of whole numbers.
func overlooked(name string, raw []byte) error {
	file, err := parser.ParseBytes(raw, 0)
	if err != nil {
		return fmt.Errorf("%s: not readable as YAML", name)
	}
	documents := 0
	for _, d := range file.Docs {
		if d.Body == nil {
			continue
		}
		if documents++; documents > 1 {
			line := d.Body.GetToken().Position.Line
			return fmt.Errorf("%s:%d: a second YAML document, which nobody would read: leave out the --- before it (key %q)", name, line, keyAt(raw, line))
		}
	}
	for _, path := range keysOf(reflect.TypeFor[int](), reflect.TypeFor[Config](), "$") {
		at, err := yaml.PathString(path)
		if err != nil {
			continue
		}
		if node, err := at.FilterFile(file); err == nil && node != nil && node.Type() == ast.FloatType {
			return fmt.Errorf("%s:%d: not a whole number (key %q)", name, node.GetToken().Position.Line, path[strings.LastIndex(path, ".")+1:])
		}
	}
	return nil
}

// badDuration finds the first key that wants a duration and has something else.
func badDuration(raw []byte) (key string, line int) {
	file, err := parser.ParseBytes(raw, 0)
	if err != nil {
		return "", 0
	}
	for _, path := range keysOf(reflect.TypeFor[time.Duration](), reflect.TypeFor[Config](), "$") {
		at, err := yaml.PathString(path)
		if err != nil {
			continue
		}
		node, err := at.FilterFile(file)
		if err != nil || node == nil {
			continue
		}
		if _, err := time.ParseDuration(node.GetToken().Value); err != nil {
			return path[strings.LastIndex(path, ".")+1:], node.GetToken().Position.Line
		}
	}
	return "", 0
}

// keysOf lists the YAML paths of all values of a kind.
func keysOf(kind, t reflect.Type, under string) []string {
	var all []string
	for i := range t.NumField() {
		f := t.Field(i)
		path := under + "." + f.Tag.Get("yaml")
		switch {
		case f.Type == kind:
			all = append(all, path)
		case f.Type.Kind() == reflect.Struct:
			all = append(all, keysOf(kind, f.Type, path)...)
		}
	}
	return all
}

// problem is the decoder's complaint in our words; the decoder's own may repeat a value, which may be a secret.
func problem(err yaml.Error) string {
	switch err.(type) {
	case *yaml.UnknownFieldError:
		return "unknown key; every key there is stands in the shipped config.yaml"
	case *yaml.TypeError, *yaml.UnexpectedNodeTypeError, *yaml.OverflowError:
		return "a value of the wrong type"
	case *yaml.SyntaxError:
		return "not YAML: " + err.GetMessage()
	default:
		return "a value that cannot be read"
	}
}

// keyAt is the key written on a line, or nothing where the line has none.
func keyAt(raw []byte, line int) string {
	lines := strings.Split(string(raw), "\n")
	if line < 1 || line > len(lines) {
		return ""
	}
	key, _, found := strings.Cut(lines[line-1], ":")
	if !found {
		return ""
	}
	return strings.Trim(strings.TrimSpace(key), `"'- `)
}

// override lays the environment over cfg. A variable with our prefix that names no key is refused: it is a typing
// mistake, and silence would hide it.
func override(cfg *Config, environ []string) error {
	ours := map[string]string{}
	for _, e := range environ {
		// Kubernetes adds KONSULIN_BOT_PORT and the like for a Service of that name; no key begins so.
		if k, v, _ := strings.Cut(e, "="); strings.HasPrefix(k, envPrefix) && !strings.HasPrefix(k, envPrefix+"BOT_") {
			ours[k] = v
		}
	}
	params, err := env.GetFieldParamsWithOptions(cfg, env.Options{Prefix: envPrefix})
	if err != nil {
		return fmt.Errorf("read environment: %w", err)
	}
	known := map[string]bool{}
	for _, p := range params {
		known[p.Key] = true
	}
	for _, k := range slices.Sorted(maps.Keys(ours)) {
		if !known[k] {
			return fmt.Errorf("environment: %s names no configuration key", k)
		}
		one := env.Options{Prefix: envPrefix, Environment: map[string]string{k: ours[k]}}
		if err := env.ParseWithOptions(cfg, one); err != nil {
			return fmt.Errorf("environment: %s has a value of the wrong type", k)
		}
	}
	return nil
}

// maxSecretFile bounds what is read as a secret.
const maxSecretFile = 64 << 10

// readSecrets fills secrets from their files.
func readSecrets(cfg *Config) error {
	for _, s := range []struct {
		key    string
		file   string
		secret *Secret
	}{
		{"auth.api_key", cfg.Auth.APIKeyFile, &cfg.Auth.APIKey},
		{"storage.dsn", cfg.Storage.DSNFile, &cfg.Storage.DSN},
		{"fhir.secret", cfg.FHIR.SecretFile, &cfg.FHIR.Secret},
		{"contact.secret", cfg.Contact.SecretFile, &cfg.Contact.Secret},
		{"alerts.secret", cfg.Alerts.SecretFile, &cfg.Alerts.Secret},
	} {
		if s.file == "" {
			continue
		}
		if *s.secret != "" {
			return fmt.Errorf("%s and %s_file are both set: leave one out", s.key, s.key)
		}
		info, err := os.Stat(s.file)
		if err != nil {
			return fmt.Errorf("%s_file: %w", s.key, err)
		}
		if !info.Mode().IsRegular() || info.Size() > maxSecretFile {
			return fmt.Errorf("%s_file: %s is not a file with one secret in it", s.key, s.file)
		}
		raw, err := os.ReadFile(s.file)
		if err != nil {
			return fmt.Errorf("%s_file: %w", s.key, err)
		}
		value := strings.TrimSpace(string(raw))
		if value == "" {
			return fmt.Errorf("%s_file: %s is empty", s.key, s.file)
		}
		*s.secret = Secret(value)
	}
	return nil
}
