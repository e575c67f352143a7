package security

import (
	"bufio"
	"fmt"
	"io/fs"
	"os"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Places says in which directories, below the module's root, each test stands. Directories are in order.
type Places map[string][]string

var testHead = regexp.MustCompile(`^func Test(\w+)\(t \*testing\.T\)`)

// Find looks for the tests of all threats in the module's source, and for each is an error when it stands nowhere.
func Find(root fs.FS, threats []Threat) (Places, error) {
	found := Places{}
	wanted := map[string]bool{}
	for _, t := range threats {
		for _, name := range t.Tests {
			wanted[name] = true
		}
	}
	err := fs.WalkDir(root, ".", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "node_modules" || len(d.Name()) > 1 && d.Name()[0] == '.'):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(file, "_test.go"):
			return nil
		}
		return found.read(root, file, wanted)
	})
	if err != nil {
		return nil, fmt.Errorf("find tests: %w", err)
	}
	for _, t := range threats {
		for _, name := range t.Tests {
			if len(found[name]) == 0 {
				return nil, fmt.Errorf("find tests: Test%s stands nowhere", name)
			}
			slices.Sort(found[name])
			found[name] = slices.Compact(found[name])
		}
	}
	return found, nil
}

func (p Places) read(root fs.FS, file string, wanted map[string]bool) error {
	f, err := root.Open(file)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if m := testHead.FindStringSubmatch(lines.Text()); m != nil && wanted[m[1]] {
			p[m[1]] = append(p[m[1]], path.Dir(file))
		}
	}
	return nil
}

// Root is the module's root, from a directory inside it.
func Root(from string) (string, error) {
	for dir := from; ; dir = path.Dir(dir) {
		if _, err := os.Stat(path.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		if dir == path.Dir(dir) {
			return "", fmt.Errorf("%s is in no module", from)
		}
	}
}
