package main

import (
	"fmt"
	"runtime"
	"runtime/debug"

	"github.com/konsulin-care/konsulin-bot/internal/app"
	"github.com/spf13/cobra"
)

// about is what version --json prints.
type about struct {
	Version  string `json:"version"`
	Commit   string `json:"commit"` // unknown when it was not built from a checkout
	Modified bool   `json:"modified,omitempty"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
	Schema   int64  `json:"schema"` // of the database's tables
}

func newVersion(version string) *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  konsulin-bot version --json",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if !asJSON {
				_, err := fmt.Fprintln(cmd.OutOrStdout(), "konsulin-bot", version)
				return err
			}
			v := about{Version: version, Commit: "unknown", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
			if commit != "" {
				v.Commit = commit
			} else if info, ok := debug.ReadBuildInfo(); ok {
				v.read(info)
			}
			var err error
			if v.Schema, err = app.Schema(); err != nil {
				return err
			}
			return printJSON(cmd.OutOrStdout(), v)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "with commit, Go version, platform and schema")
	return cmd
}

// read takes what the Go tool has noted about the checkout.
func (a *about) read(info *debug.BuildInfo) {
	for _, s := range info.Settings {
		switch s.Key {
		case "vcs.revision":
			a.Commit = s.Value
		case "vcs.modified":
			a.Modified = s.Value == "true"
		}
	}
}
