package doctor

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// Private checks that files with secrets are their owner's alone. An empty path is skipped; a name says which key of
// the configuration names the file.
func Private(files map[string]string, names ...string) []Finding {
	var found []Finding
	for _, name := range names {
		path := files[name]
		if path == "" {
			continue
		}
		info, err := os.Stat(path)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue // whoever needs it says so
		case err != nil:
			found = append(found, Broken("let the user that runs the bot read it", "%s: %s cannot be looked at", name, path))
		case info.Mode().Perm()&0o077 != 0:
			found = append(found, Odd(fmt.Sprintf("chmod 600 %q", path),
				"%s: others on this machine can reach %s (mode %04o), which holds a secret", name, path, info.Mode().Perm()))
		}
	}
	if len(found) == 0 {
		return []Finding{Well("secrets are their owner's alone")}
	}
	return found
}
