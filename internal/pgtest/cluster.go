package pgtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"syscall"
	"time"
)

const (
	superuser = "konsulin_test"
	// Password is in every DSN. The server does not ask for it; a test can look for it where it must not appear.
	Password = "pgtest-pass-word"
)

// errNoServer says what to install.
var errNoServer = errors.New("no PostgreSQL server programs (initdb and postgres) found in PATH, /usr/lib/postgresql/*/bin " +
	"or the other usual places; install them (Debian and Ubuntu: apt-get install postgresql; Fedora: dnf install " +
	"postgresql-server; macOS: brew install postgresql)")

// start makes a cluster and waits until it answers.
func (s *Server) start() (err error) {
	bin, err := findPrograms(
		"/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin", "/usr/local/pgsql/bin", "/usr/libexec/postgresql*",
		"/opt/homebrew/opt/postgresql*/bin", "/usr/local/opt/postgresql*/bin",
	)
	if err != nil {
		return err
	}
	account, err := serverAccount()
	if err != nil {
		return err
	}
	// The path of a Unix socket must be short, so the system's own temporary directory is used.
	sweep()
	if s.dir, err = os.MkdirTemp(shortTemp, fmt.Sprintf("pgtest-%d-", os.Getpid())); err != nil {
		return err
	}
	sockets, data := filepath.Join(s.dir, "socket"), filepath.Join(s.dir, "data")
	if err := os.Mkdir(sockets, 0o700); err != nil {
		return err
	}
	for _, dir := range []string{s.dir, sockets} {
		if account != nil {
			if err := os.Chown(dir, int(account.Uid), int(account.Gid)); err != nil {
				return err
			}
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	initdb := command(ctx, account, s.dir, filepath.Join(bin, "initdb"), "--pgdata", data, "--username", superuser,
		"--auth", "trust", "--encoding", "UTF8", "--locale", "C", "--no-sync")
	if out, err := initdb.CombinedOutput(); err != nil {
		return fmt.Errorf("initdb: %w: %s", err, out)
	}
	return s.serve(ctx, account, filepath.Join(bin, "postgres"), data, sockets)
}

// shortTemp holds the clusters: the path of a Unix socket may have little more than a hundred bytes, and TMPDIR can be
// longer than that.
const shortTemp = "/tmp"

// sweep removes what test processes that were killed have left; their directories carry their process ids. What it
// cannot remove is somebody else's.
func sweep() {
	left, err := filepath.Glob(filepath.Join(shortTemp, "pgtest-*-*"))
	if err != nil {
		return
	}
	for _, dir := range left {
		var pid int
		if _, err := fmt.Sscanf(filepath.Base(dir), "pgtest-%d-", &pid); err != nil || pid <= 0 {
			continue
		}
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			_ = os.RemoveAll(dir)
		}
	}
}

// serve starts the server as our own child, so that it is ours to await.
func (s *Server) serve(ctx context.Context, account *syscall.Credential, program, data, sockets string) error {
	var log bytes.Buffer // read only after the process has ended
	server := command(context.Background(), account, s.dir, program, "-D", data, "-k", sockets, "-h", "",
		"-c", "fsync=off", "-c", "synchronous_commit=off", "-c", "full_page_writes=off", "-c", "max_connections=200",
		"-c", "shared_buffers=32MB", "-c", "log_min_messages=fatal")
	server.Stdout, server.Stderr = &log, &log
	started, ended := make(chan error, 1), make(chan error, 1)
	go func() {
		// The kernel ties the server's life to the thread that started it; this one lives as long as the server.
		runtime.LockOSThread()
		err := server.Start()
		started <- err
		if err == nil {
			ended <- server.Wait()
		}
	}()
	if err := <-started; err != nil {
		return err
	}
	s.stop = func() error {
		// SIGINT is PostgreSQL's fast shutdown: it ends sessions and leaves nothing behind.
		if err := server.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
			return err
		}
		select {
		case err := <-ended:
			return err
		case <-time.After(20 * time.Second):
			return errors.Join(errors.New("the server did not stop"), server.Process.Kill())
		}
	}
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.admin("SELECT 1")
		if err == nil {
			return nil
		}
		select {
		case failed := <-ended:
			s.stop = nil
			return fmt.Errorf("the server ended at once: %w: %s", failed, log.String())
		case <-ctx.Done():
			return fmt.Errorf("the server does not answer: %w", err)
		case <-tick.C:
		}
	}
}

// command runs a program of PostgreSQL as an account that it accepts, in a directory which that account may enter.
// The server must not outlive a test process that was killed.
func command(ctx context.Context, account *syscall.Credential, dir, program string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Dir = dir
	cmd.Env = []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH"), "HOME=" + dir, "TZ=UTC"}
	cmd.SysProcAttr = childAttributes()
	cmd.SysProcAttr.Credential = account
	return cmd
}

// serverAccount is who runs the server when we are root, which PostgreSQL refuses; nil: we may do it ourselves.
func serverAccount() (*syscall.Credential, error) {
	if os.Geteuid() != 0 {
		return nil, nil
	}
	for _, name := range []string{"postgres", "nobody", "daemon"} {
		found, err := user.Lookup(name)
		if err != nil {
			continue
		}
		uid, errU := strconv.ParseUint(found.Uid, 10, 32)
		gid, errG := strconv.ParseUint(found.Gid, 10, 32)
		if errU == nil && errG == nil && uid != 0 {
			return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}, nil
		}
	}
	return nil, errors.New("PostgreSQL does not run as root, and there is no user postgres, nobody or daemon to run it as")
}

// findPrograms returns the directory of the server's programs: from PATH, else the last one that matches a pattern.
func findPrograms(patterns ...string) (string, error) {
	var dirs []string
	if initdb, err := exec.LookPath("initdb"); err == nil {
		// Distributions link to the real place, next to which the server finds its own files.
		if real, err := filepath.EvalSymlinks(initdb); err == nil {
			dirs = append(dirs, filepath.Dir(real))
		}
	}
	for _, pattern := range patterns {
		found, err := filepath.Glob(pattern)
		if err != nil {
			return "", err
		}
		slices.Reverse(found)
		dirs = append(dirs, found...)
	}
	for _, dir := range dirs {
		if executable(filepath.Join(dir, "initdb")) && executable(filepath.Join(dir, "postgres")) {
			return dir, nil
		}
	}
	return "", errNoServer
}

func executable(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.Mode().IsRegular() && info.Mode().Perm()&0o111 != 0
}
