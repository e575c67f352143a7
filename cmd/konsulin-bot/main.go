// Command konsulin-bot answers WhatsApp login requests with magic links, and signs people in who open them.
package main

import (
	"context"
	"fmt"
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

func main() { os.Exit(run()) }

// run gives signals their meaning: the first SIGINT or SIGTERM asks for an orderly end, the second ends at once.
func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	root := newRoot(version)
	root.SetArgs(os.Args[1:])
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "konsulin-bot:", err)
		return exitCode(err)
	}
	return exitOK
}
