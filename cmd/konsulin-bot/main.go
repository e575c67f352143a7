// Command konsulin-bot answers WhatsApp login requests with magic links, and signs people in who open them.
package main

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	_ "time/tzdata" // time zones, for a system that has none

	_ "golang.org/x/crypto/x509roots/fallback" // certificate authorities, for a system that has none
)

// version and commit are set by the build.
var (
	version = "dev"
	commit  = "" // empty: as the Go tool has noted it
)

func main() { os.Exit(process{version: version}.run(os.Args[1:])) }

// process is what the command line runs in.
type process struct {
	version string
	line    *http.Client // how to reach WhatsApp; nil: the real network
}

// run gives signals their meaning: the first SIGINT or SIGTERM asks for an orderly end, the second ends at once.
func (p process) run(args []string) (code int) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	root := newRoot(p)
	root.SetArgs(args)
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "konsulin-bot:", err)
		return exitCode(err)
	}
	return exitOK
}
