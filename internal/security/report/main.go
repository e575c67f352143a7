// Command report runs the tests of every attack in the list, prints what came of them and writes docs/security.md. It fails
// when one does not hold, and then writes nothing.
package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"slices"
	"strings"

	"github.com/konsulin-care/konsulin-bot/internal/security"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	err := run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "security:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, out io.Writer) error {
	here, err := os.Getwd()
	if err != nil {
		return err
	}
	root, err := security.Root(here)
	if err != nil {
		return err
	}
	threats := security.Threats()
	places, err := security.Find(os.DirFS(root), threats)
	if err != nil {
		return err
	}
	results, err := try(ctx, root, places)
	if err != nil {
		return err
	}
	page := security.Page(threats, places, func(dir, test string) string { return results[dir+" "+test] })
	if _, err := io.WriteString(out, page); err != nil {
		return err
	}
	for _, test := range sorted(places) {
		for _, dir := range places[test] {
			if got := results[dir+" "+test]; got != security.Passed {
				err = errors.Join(err, fmt.Errorf("%s in %s: %s", test, dir, got))
			}
		}
	}
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(root, "docs", "security.md"), []byte(page), 0o644) //nolint:gosec // a page for everybody
}

func sorted(places security.Places) []string {
	var names []string
	for name := range places {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// try runs each directory's tests and says how each ended, by directory and name.
func try(ctx context.Context, root string, places security.Places) (map[string]string, error) {
	inDir := map[string][]string{}
	for _, name := range sorted(places) {
		for _, dir := range places[name] {
			inDir[dir] = append(inDir[dir], name)
		}
	}
	results := map[string]string{}
	for dir, names := range inDir {
		pattern := "^Test(" + strings.Join(names, "|") + ")$"
		cmd := exec.CommandContext(ctx, "go", "test", "-count", "1", "-timeout", "15m", "-json", "-run", pattern, "./"+dir)
		cmd.Dir, cmd.Stderr = root, os.Stderr
		raw, err := cmd.Output()
		var ended *exec.ExitError
		if err != nil && !errors.As(err, &ended) { // a test that fails ends the command so
			return nil, fmt.Errorf("go test ./%s: %w", dir, err)
		}
		for _, name := range names {
			results[dir+" "+name] = "was not run"
		}
		read(raw, dir, results)
	}
	return results, nil
}

// read takes the ends of whole tests out of go test's output.
func read(raw []byte, dir string, results map[string]string) {
	lines := bufio.NewScanner(bytes.NewReader(raw))
	lines.Buffer(nil, 1<<24)
	for lines.Scan() {
		var e struct{ Action, Test string }
		if json.Unmarshal(lines.Bytes(), &e) != nil || !strings.HasPrefix(e.Test, "Test") || strings.Contains(e.Test, "/") {
			continue
		}
		key := dir + " " + strings.TrimPrefix(e.Test, "Test")
		switch e.Action {
		case "pass":
			results[key] = security.Passed
		case "fail":
			results[key] = "FAILS"
		case "skip":
			results[key] = "was skipped"
		}
	}
}
