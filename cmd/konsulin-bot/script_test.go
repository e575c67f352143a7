package main

import (
	"bufio"
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	records "github.com/konsulin-care/konsulin-bot/fhir"
	"github.com/konsulin-care/konsulin-bot/internal/jobs"
	"github.com/konsulin-care/konsulin-bot/internal/phone"
	"github.com/konsulin-care/konsulin-bot/sandbox/fhir"
	"github.com/konsulin-care/konsulin-bot/sandbox/omnichannel"
	"github.com/konsulin-care/konsulin-bot/sandbox/supertokens"
	"github.com/konsulin-care/konsulin-bot/sandbox/whatsapp"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"konsulin-bot": joined})
}

// joined is the product's own process, joined to the stand-in for WhatsApp of the test that runs the script.
func joined() {
	p := process{version: "1.2.3"}
	if addr := os.Getenv("SANDBOX_LINE"); addr != "" {
		key, err := hex.DecodeString(os.Getenv("SANDBOX_KEY"))
		if err != nil || len(key) != 32 {
			panic("SANDBOX_KEY is no key")
		}
		whatsapp.Trust([32]byte(key))
		p.line = whatsapp.HTTPClient(addr)
	}
	os.Exit(p.run(os.Args[1:]))
}

// line is the WhatsApp server of this test process.
var line = sync.OnceValues(func() (*whatsapp.Server, error) { return whatsapp.New(whatsapp.Options{}) })

// accountKey is where a script's world keeps its WhatsApp account.
type accountKey struct{}

// TestScripts runs every subcommand as a process of its own, as a shell would.
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir: "testdata/script", RequireExplicitExec: true, RequireUniqueNames: true, Setup: surround,
		Cmds: map[string]func(*testscript.TestScript, bool, []string){
			"pair-by-code": pairByCode, "pair-interrupted": pairInterrupted, "await-alive": await(), "await-ready": await("--ready"),
			"dead-job": deadJob, "open-case": openCase, "exits": exits, "json": printedJSON,
		},
	})
}

// scriptVariables are what surround sets for the processes of a script.
var scriptVariables = []string{"SANDBOX_LINE", "SANDBOX_KEY", "HOME", "KONSULIN_WHATSAPP_NUMBER", "KONSULIN_STORAGE_DIR",
	"KONSULIN_AUTH_CORE_URI", "KONSULIN_FHIR_BASE_URL", "KONSULIN_CONTACT_BASE_URL", "KONSULIN_HTTP_LISTEN"}

// surround gives a script its own core, FHIR server, webhook and account, and the configuration that names them.
func surround(env *testscript.Env) error {
	core, coreErr := supertokens.New(supertokens.Options{CodeLifetime: 10 * time.Minute})
	patients, fhirErr := fhir.New(fhir.Options{})
	hook, hookErr := omnichannel.New(omnichannel.Options{})
	server, lineErr := line()
	if err := errors.Join(coreErr, fhirErr, hookErr, lineErr); err != nil {
		return err
	}
	env.Defer(func() {
		unknown := append(append(core.Unknown(), patients.Unknown()...), hook.Unknown()...)
		if err := errors.Join(core.Close(), patients.Close(), hook.Close()); err != nil || len(unknown) > 0 {
			env.T().Fatal("stand-ins: ", err, unknown)
		}
	})
	number := fmt.Sprintf("62812%08d", time.Now().UnixNano()%100_000_000)
	account, err := server.NewAccount(number, "1"+number)
	if err != nil {
		return err
	}
	env.Values[accountKey{}] = account
	key := server.RootKey()
	for name, value := range map[string]string{
		"SANDBOX_LINE": server.Addr(), "SANDBOX_KEY": hex.EncodeToString(key[:]), "HOME": env.WorkDir, "NUMBER": "+" + number,
		"KONSULIN_WHATSAPP_NUMBER": "+" + number, "KONSULIN_STORAGE_DIR": filepath.Join(env.WorkDir, "data"),
		"KONSULIN_AUTH_CORE_URI": core.URL(), "KONSULIN_FHIR_BASE_URL": patients.URL(), "KONSULIN_CONTACT_BASE_URL": hook.URL(),
		"KONSULIN_HTTP_LISTEN": freeAddress(),
	} {
		env.Setenv(name, value)
	}
	return nil
}

var codeShown = regexp.MustCompile(`[0-9A-Z]{4}-[0-9A-Z]{4}`)

// pairing starts konsulin-bot pair in the script's world and shows f each line that it says.
func pairing(ts *testscript.TestScript, f func(p *os.Process, said string), args ...string) error {
	cmd := exec.Command("konsulin-bot", append([]string{"pair"}, args...)...)
	cmd.Dir, cmd.Stderr = ts.MkAbs("."), ts.Stderr()
	for _, name := range scriptVariables {
		cmd.Env = append(cmd.Env, name+"="+ts.Getenv(name))
	}
	out, err := cmd.StdoutPipe()
	ts.Check(err)
	ts.Check(cmd.Start())
	for said := bufio.NewReader(out); ; {
		text, err := said.ReadString('\n')
		_, _ = io.WriteString(ts.Stdout(), text)
		if err != nil {
			return cmd.Wait()
		}
		f(cmd.Process, text)
	}
}

// pairByCode pairs with the code that is shown typed into the phone.
func pairByCode(ts *testscript.TestScript, _ bool, args []string) {
	account, _ := ts.Value(accountKey{}).(*whatsapp.Account)
	ts.Check(pairing(ts, func(_ *os.Process, said string) {
		if code := codeShown.FindString(said); code != "" {
			ts.Check(account.EnterCode(code))
		}
	}, append([]string{"--code"}, args...)...))
}

// pairInterrupted gives up while the QR code is shown.
func pairInterrupted(ts *testscript.TestScript, _ bool, _ []string) {
	err := pairing(ts, func(p *os.Process, said string) {
		if strings.Contains(said, "Linked devices") {
			ts.Check(p.Signal(os.Interrupt))
		}
	})
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != exitFailed {
		ts.Fatalf("pair ended with %v", err)
	}
}

// await runs konsulin-bot health with arguments until it is content.
func await(args ...string) func(*testscript.TestScript, bool, []string) {
	return func(ts *testscript.TestScript, _ bool, _ []string) {
		for range 600 {
			if ts.Exec("konsulin-bot", append([]string{"health"}, args...)...) == nil {
				return
			}
			time.Sleep(100 * time.Millisecond)
		}
		ts.Fatalf("serve does not come up")
	}
}

// deadJob leaves a job in the script's database that was laid aside: dead-job <key> <reason>.
func deadJob(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: dead-job key reason")
	}
	store, err := storage.Open(context.Background(), storage.Config{Engine: storage.SQLite, Dir: ts.Getenv("KONSULIN_STORAGE_DIR")})
	ts.Check(err)
	ts.Check(errors.Join(layAside(context.Background(), store, args[0], args[1]), store.Close()))
}

func layAside(ctx context.Context, store *storage.Store, key, reason string) error {
	if _, err := store.AddJobs(ctx, jobs.New{Kind: "fhir.sync", Key: key}); err != nil {
		return err
	}
	now := time.Now().Add(time.Second)
	taken, err := store.LeaseJobs(ctx, jobs.Lease{Owner: "script", Kinds: []string{"fhir.sync"}, Limit: 1, Now: now, Until: now.Add(time.Minute)})
	if err != nil || len(taken) != 1 {
		return fmt.Errorf("lease the job: %w", err)
	}
	return store.SettleJobs(ctx, []jobs.Settlement{{ID: taken[0].ID, Owner: "script", Outcome: jobs.Dead, At: now, Reason: reason}})
}

// openCase leaves a question in the script's database: open-case <user> <candidate>...
func openCase(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: open-case user candidate...")
	}
	number, err := phone.Parse("+6281234567890")
	ts.Check(err)
	store, err := storage.Open(context.Background(), storage.Config{Engine: storage.SQLite, Dir: ts.Getenv("KONSULIN_STORAGE_DIR")})
	ts.Check(err)
	_, err = store.OpenCase(context.Background(), records.Case{UserID: args[0], Number: number, Resource: "Patient",
		Why: records.Ambiguous, Candidates: args[1:]})
	ts.Check(errors.Join(err, store.Close()))
}

// exits runs a command that must end with an exit code: exits <code> <command>...
func exits(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: exits code command...")
	}
	code := 0
	var exit *exec.ExitError
	switch err := ts.Exec(args[1], args[2:]...); {
	case errors.As(err, &exit):
		code = exit.ExitCode()
	case err != nil:
		ts.Fatalf("%v", err)
	}
	if fmt.Sprint(code) != args[0] {
		ts.Fatalf("%s ended with %d, not with %s", strings.Join(args[1:], " "), code, args[0])
	}
	if code != 0 && !strings.HasPrefix(ts.ReadFile("stderr"), "konsulin-bot: ") {
		ts.Fatalf("the reason is not said as konsulin-bot's")
	}
}

// printedJSON reads what was just printed as JSON, one document or several, and compares what it says:
// json <stdout|stderr> <document>.<path>=<value>... A path goes through keys and indexes; "len" is the length of what
// it has come to.
func printedJSON(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) < 2 {
		ts.Fatalf("usage: json stdout|stderr path=value...")
	}
	all := []any{}
	for d := json.NewDecoder(strings.NewReader(ts.ReadFile(args[0]))); ; {
		var v any
		err := d.Decode(&v)
		if errors.Is(err, io.EOF) {
			break
		}
		ts.Check(err)
		all = append(all, v)
	}
	for _, want := range args[1:] {
		path, value, _ := strings.Cut(want, "=")
		got, err := follow(all, strings.Split(path, "."))
		ts.Check(err)
		if fmt.Sprint(got) != value {
			ts.Fatalf("%s is %v, not %s", path, got, value)
		}
	}
}

// follow goes along a path into what JSON was read into.
func follow(v any, path []string) (any, error) {
	for _, step := range path {
		switch at := v.(type) {
		case map[string]any:
			next, there := at[step]
			if !there {
				return nil, fmt.Errorf("there is no %s", step)
			}
			v = next
		case []any:
			if step == "len" {
				return len(at), nil
			}
			i, err := strconv.Atoi(step)
			if err != nil || i < 0 || i >= len(at) {
				return nil, fmt.Errorf("there is no %s among %d", step, len(at))
			}
			v = at[i]
		default:
			return nil, fmt.Errorf("%s asked of %T", step, v)
		}
	}
	return v, nil
}

func freeAddress() string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	defer func() { _ = l.Close() }()
	return l.Addr().String()
}
