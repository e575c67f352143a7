package app

import (
	"fmt"
	"io"

	"github.com/goccy/go-yaml"
)

// Print writes the configuration in force as YAML. Secrets print as "(secret)".
func Print(w io.Writer, cfg Config) error {
	raw, err := yaml.Marshal(cfg)
	if err != nil {
		return fmt.Errorf("print configuration: %w", err)
	}
	_, err = w.Write(raw)
	return err
}
