// Command konsulin-sandbox is the offline world of konsulin-bot: stand-ins for WhatsApp, SuperTokens, a FHIR
// server and the omnichannel system on loopback, a phone in the browser, and the real bot between them.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
)

func main() { os.Exit(run()) }

func run() int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop)
	root := &cobra.Command{
		Use:           "konsulin-sandbox",
		Short:         "Try konsulin-bot offline: everything around it, and a phone, on this machine's loopback",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(newDemo(), newBot())
	if err := root.ExecuteContext(ctx); err != nil {
		fmt.Fprintln(os.Stderr, "konsulin-sandbox:", err)
		return 1
	}
	return 0
}
