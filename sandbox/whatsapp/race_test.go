//go:build race && unix

package whatsapp_test

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// suppressKnownRaces starts the test binary over with the suppressions of testdata/race.supp: the race detector reads
// them only when a process starts, and plain "go test -race" must work.
func suppressKnownRaces() {
	if strings.Contains(os.Getenv("GORACE"), "suppressions=") {
		return
	}
	file, err := filepath.Abs(filepath.Join("testdata", "race.supp"))
	if err != nil {
		panic(err)
	}
	options := strings.TrimSpace(os.Getenv("GORACE") + " suppressions=" + file)
	if err := os.Setenv("GORACE", options); err != nil {
		panic(err)
	}
	panic(syscall.Exec(os.Args[0], os.Args, os.Environ())) // returns only when it cannot
}
