package property_test

import (
	"flag"
	"fmt"
	"os"
	"testing"

	"github.com/konsulin-care/konsulin-bot/internal/pgtest"
)

// server is the one PostgreSQL of this test process.
var server pgtest.Server

// usualRuns is how many worlds one run of the tests makes, unless -rapid.checks says otherwise.
const usualRuns = "50"

func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", usualRuns); err != nil { // before the command line is read, which wins
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	pgtest.Main(m, &server)
}
