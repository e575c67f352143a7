package storage

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth"
	"github.com/konsulin-care/konsulin-bot/bot"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

// childVariable tells a copy of this test binary to be a process that will be killed: its value is a childOrder.
const childVariable = "KONSULIN_STORAGE_CHILD"

// childOrder is what a child does, on which data.
type childOrder struct {
	Engine, Dir, DSN string
	Do               string // "work", "hold" or "own"
	First            int    // number of the first message
}

// crashChild does a child's work, if this process is one, until it is killed.
func crashChild() bool {
	text := os.Getenv(childVariable)
	if text == "" {
		return false
	}
	var o childOrder
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		panic(err)
	}
	fmt.Println("error", runChild(context.Background(), o)) // a child that ends by itself has failed
	return true
}

func runChild(ctx context.Context, o childOrder) error {
	s, err := Open(ctx, Config{Engine: o.Engine, Dir: o.Dir, DSN: o.DSN, LineLease: time.Second})
	if err != nil {
		return err
	}
	switch o.Do {
	case "own":
		return childOwns(ctx, s)
	case "hold":
		return workMessages(ctx, s, func(context.Context, jobs.Job) error {
			fmt.Println("holding")
			select {}
		})
	default:
		tenure, err := s.OwnLine(ctx)
		if err != nil {
			return err
		}
		go func() { _ = workMessages(ctx, s, loginHandler(s)) }()
		for i := o.First; ; i++ {
			if _, err := tenure.Inbox().Accept(ctx, crashMessage(i)); err != nil {
				return err
			}
			fmt.Println("accepted", i)
		}
	}
}

// childOwns takes the line, says when it has noticed the loss, and then tries to go on as if it had not.
func childOwns(ctx context.Context, s *Store) error {
	tenure, err := s.OwnLine(ctx)
	if err != nil {
		return err
	}
	fmt.Println("owning")
	bufio.NewScanner(os.Stdin).Scan() // the parent has paused and continued this process
	_, err = tenure.Inbox().Accept(ctx, crashMessage(1))
	if !errors.Is(err, ErrLineLost) {
		return fmt.Errorf("a former owner could accept: %w", err)
	}
	<-tenure.Lost()
	fmt.Println("noticed")
	select {}
}

func workMessages(ctx context.Context, s *Store, h jobs.Handler) error {
	r := jobs.NewRunner(jobs.Config{Store: s, Owner: "line", Workers: 4, Log: zerolog.Nop(),
		Handlers: map[string]jobs.Handler{"login.answer": h}})
	s.OnNewJobs(r.Wake)
	return r.Run(ctx)
}

func crashMessage(i int) bot.Accepted {
	return accepted(fmt.Sprintf("6281%09d", i%7), fmt.Sprint("m", i), time.UnixMilli(int64(i+1)).UTC())
}

// loginHandler takes every step of a login that writes, each in a transaction of its own, and can be run again after a
// crash anywhere.
func loginHandler(s *Store) jobs.Handler {
	return func(ctx context.Context, j jobs.Job) error {
		n, err := phone.FromDigits(strings.TrimPrefix(j.Serial, "login:"))
		if err != nil {
			return err
		}
		_, err = s.LinkByReply(ctx, j.Key)
		if errors.Is(err, auth.ErrNotFound) {
			err = s.SaveLink(ctx, auth.LinkRecord{ReplyID: j.Key, CodeID: j.Key, PreAuthHash: j.Key, Number: n,
				Sealed: []byte("x"), CreatedAt: j.CreatedAt, ExpiresAt: j.CreatedAt.Add(time.Hour), RequestedAt: j.CreatedAt})
		}
		if err != nil {
			return err
		}
		if err := s.LinkAlone(ctx, j.Key); err != nil {
			return err
		}
		in := auth.Intent{ID: "i" + j.Key, ReplyID: j.Key, Number: n, StartedAt: j.CreatedAt, ExpiresAt: j.CreatedAt.Add(time.Hour)}
		if err := s.BeginSignIn(ctx, in); err != nil && !errors.Is(err, auth.ErrTaken) {
			return err
		}
		err = s.RecordSignIn(ctx, auth.SignIn{Intent: in.ID, UserID: "u", Number: n, At: j.CreatedAt,
			Jobs: []jobs.New{{Kind: "fhir.sync", Key: in.ID}}})
		if errors.Is(err, auth.ErrTaken) {
			return nil
		}
		return err
	}
}

// child is a process that can be killed.
type child struct {
	cmd   *exec.Cmd
	in    io.WriteCloser
	lines *bufio.Scanner
}

func (b bundle) startChild(tb testing.TB, do string, first int) child {
	tb.Helper()
	order, err := json.Marshal(childOrder{Engine: b.config.Engine, Dir: b.config.Dir, DSN: b.config.DSN, Do: do, First: first})
	require.NoError(tb, err)
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), childVariable+"="+string(order))
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	require.NoError(tb, err)
	out, err := cmd.StdoutPipe()
	require.NoError(tb, err)
	require.NoError(tb, cmd.Start())
	c := child{cmd: cmd, in: in, lines: bufio.NewScanner(out)}
	tb.Cleanup(c.kill)
	return c
}

// line waits for the child's next line.
func (c child) line(tb testing.TB) string {
	tb.Helper()
	require.True(tb, c.lines.Scan(), "the child ended")
	require.NotContains(tb, c.lines.Text(), "error")
	return c.lines.Text()
}

// kill is SIGKILL: nothing in the child can prepare for it.
func (c child) kill() {
	_ = c.cmd.Process.Kill()
	_ = c.cmd.Wait()
}

func TestKilledProcessesLoseAndDoubleNothing(t *testing.T) {
	onBoth(t, func(t *testing.T, b bundle) {
		first := 0
		for round := range 6 {
			c := b.startChild(t, "work", first)
			for range 10 + 17*round%40 {
				first++
				require.Equal(t, fmt.Sprint("accepted ", first-1), c.line(t))
			}
			c.kill()
			first += 1000 // what was accepted and not told any more stays in between
			// The lock of a dead process is free at once; a lease runs out.
			require.Eventually(t, func() bool {
				tenure, err := b.OwnLine(t.Context())
				if err == nil {
					err = tenure.Release()
				}
				return err == nil
			}, 30*time.Second, 10*time.Millisecond)
		}
		told := 0
		for round := range 6 {
			told += 10 + 17*round%40
		}
		messages := b.count(t, "messages")
		require.GreaterOrEqual(t, messages, told, "what was told to be accepted is there")
		require.Equal(t, messages, b.count(t, "jobs WHERE kind = 'login.answer'"), "each with its job")

		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- workMessages(ctx, b.Store, loginHandler(b.Store)) }()
		require.Eventually(t, func() bool {
			return b.count(t, "jobs WHERE kind = 'login.answer' AND state = 'done'") == messages
		}, time.Minute, 10*time.Millisecond)
		cancel()
		require.NoError(t, <-ended)
		for _, each := range []string{"links WHERE state = 'consumed' AND sealed IS NULL", "intents WHERE outcome = 'recorded'",
			"audit WHERE event = 'sign-in'", "audit WHERE event = 'link'", "jobs WHERE kind = 'fhir.sync'"} {
			require.Equal(t, messages, b.count(t, each), each)
		}
		if b.config.Engine == SQLite {
			var sound string
			_, err := one(t.Context(), b.engine.reader(), "PRAGMA integrity_check", nil, &sound)
			require.NoError(t, err)
			require.Equal(t, "ok", sound)
		}
	})
}

func TestAPausedFormerOwnerNotices(t *testing.T) {
	t.Parallel()
	b := setup(t, Postgres)
	b.config.LineLease = time.Second
	b.Store = b.open(t)
	c := b.startChild(t, "own", 0)
	require.Equal(t, "owning", c.line(t))
	require.NoError(t, c.cmd.Process.Signal(syscall.SIGSTOP))
	var tenure *Tenure
	require.Eventually(t, func() bool {
		var err error
		tenure, err = b.OwnLine(t.Context())
		return err == nil
	}, 30*time.Second, 20*time.Millisecond)
	require.NoError(t, c.cmd.Process.Signal(syscall.SIGCONT))
	_, err := io.WriteString(c.in, "go on\n")
	require.NoError(t, err)
	require.Equal(t, "noticed", c.line(t))
	require.Equal(t, 0, b.count(t, "messages"))
	require.NoError(t, tenure.Check(t.Context()))
	require.NoError(t, tenure.Release())
}

// BenchmarkResumeAfterKill measures from the start of a new process's store to the moment at which the job that a
// killed process held is worked again.
func BenchmarkResumeAfterKill(b *testing.B) {
	for _, engine := range []string{SQLite, Postgres} {
		b.Run(engine, func(b *testing.B) {
			s := realTime(b, engine)
			var took []time.Duration
			for i := range b.N {
				_, err := s.Accept(b.Context(), crashMessage(i))
				require.NoError(b, err)
				c := s.startChild(b, "hold", 0)
				require.Equal(b, "holding", c.line(b))
				c.kill()
				var worked atomic.Int64
				begin := time.Now()
				again := s.open(b)
				ctx, cancel := context.WithCancel(b.Context())
				err = workMessages(ctx, again, func(context.Context, jobs.Job) error {
					worked.Store(int64(time.Since(begin)))
					cancel()
					return nil
				})
				require.NoError(b, err)
				took = append(took, time.Duration(worked.Load()))
			}
			quantiles(b, "resume", took)
		})
	}
}
