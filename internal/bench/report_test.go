package bench_test

import (
	"debug/buildinfo"
	"fmt"
	"io"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/mattn/go-sqlite3"
)

// report collects sections of rows and prints them as tables.
type report struct {
	mu       sync.Mutex
	sections []*section
}

type section struct {
	title string
	heads []string
	rows  [][]string
}

// row adds cells, each after the head of its column, to the section with this title.
func (r *report) row(title string, cells ...string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(r.sections); n == 0 || r.sections[n-1].title != title {
		r.sections = append(r.sections, &section{title: title})
	}
	s := r.sections[len(r.sections)-1]
	heads, values := make([]string, 0, len(cells)/2), make([]string, 0, len(cells)/2)
	for i := 0; i+1 < len(cells); i += 2 {
		heads, values = append(heads, cells[i]), append(values, cells[i+1])
	}
	s.heads, s.rows = heads, append(s.rows, values)
}

// print writes everything; nothing when no benchmark has run.
func (r *report) print(w io.Writer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.sections) == 0 {
		return
	}
	lite, _, _ := sqlite3.Version()
	_, _ = fmt.Fprintf(w, "\n%s, %s/%s, %d cores, SQLite %s, whatsmeow %s, supertokens-golang %s\n", runtime.Version(), runtime.GOOS,
		runtime.GOARCH, runtime.NumCPU(), lite, version("go.mau.fi/whatsmeow"), version("github.com/supertokens/supertokens-golang"))
	for _, s := range r.sections {
		s.print(w)
	}
}

func (s *section) print(w io.Writer) {
	widths := make([]int, len(s.heads))
	for _, row := range append([][]string{s.heads}, s.rows...) {
		for i, cell := range row {
			widths[i] = max(widths[i], utf8.RuneCountInString(cell))
		}
	}
	line := func(cells []string, fill string) {
		for i, cell := range cells {
			_, _ = fmt.Fprintf(w, "| %s%s ", cell, strings.Repeat(fill, widths[i]-utf8.RuneCountInString(cell)))
		}
		_, _ = fmt.Fprintln(w, "|")
	}
	_, _ = fmt.Fprintf(w, "\n## %s\n\n", s.title)
	line(s.heads, " ")
	line(make([]string, len(s.heads)), "-")
	for _, row := range s.rows {
		line(row, " ")
	}
}

// version of a library that the measured programs were built with.
func version(module string) string {
	dir, err := programs()
	if err != nil {
		return "?"
	}
	info, err := buildinfo.ReadFile(filepath.Join(dir, "konsulin-sandbox"))
	if err != nil {
		return "?"
	}
	for _, d := range info.Deps {
		if d.Path == module {
			return d.Version
		}
	}
	return "?"
}
