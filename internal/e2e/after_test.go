package e2e_test

import (
	"fmt"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/fhir"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
)

// TestPatientAndContactFollowTheSignIn: the front end that looks right after the sign-in finds the Patient; the contact
// has the name that WhatsApp shows, and its id reaches the Patient. A second sign-in changes nothing.
func TestPatientAndContactFollowTheSignIn(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := newBehind(t)
			w := newWorld(t, engine, s.join)
			b := w.pairAndStart()
			u := w.user()
			br := newBrowser(t, b.URL())
			br.signIn(t, w.requestLink(u))
			me := br.session(t).json(t)
			require.Equal(t, "linked", me["patient"], "the answer waited for the Patient")
			n, id := numberOf(t, u), me["userId"].(string)
			found := s.patients(n, id)
			require.Len(t, found, 1)
			require.Equal(t, n.Digits(), found[0].Telecom[0].Value)
			s.converged(n, id)
			require.Equal(t, "Siti", s.contacts(n)[0].Name)

			w.settled()
			writes := func() int {
				return s.fhir.Calls("create Patient") + s.fhir.Calls("update Patient") + s.omni.Calls()
			}
			before := writes()
			newBrowser(t, b.URL()).signIn(t, w.requestLink(u))
			w.settled()
			require.Equal(t, before, writes(), "nothing to change, nothing written")
			s.converged(n, id)
		})
	}
}

// TestUnconfirmed: nothing is written or even asked before the link has been consumed.
func TestUnconfirmed(t *testing.T) {
	t.Parallel()
	s := newBehind(t)
	w := newWorld(t, storage.SQLite, s.join)
	b := w.pairAndStart()
	l := w.requestLink(w.user())
	for range 5 {
		scanner := newBrowser(t, b.URL())
		scanner.open(t, l)
		scanner.do(t, http.MethodHead, "/auth/verify?preAuthSessionId="+l.PreAuthSessionID, nil)
		scanner.session(t)
		scanner.confirm(t, link{PreAuthSessionID: l.PreAuthSessionID, Code: l.Code + "x"})
	}
	w.quiet()
	// What the FHIR server can do is asked now and then, for the alerts: that tells it of nobody.
	asked := func() int { return s.fhir.Calls("") - s.fhir.Calls("capabilities") + s.omni.Calls() }
	require.Never(t, func() bool { return asked() > 0 }, 2*time.Second, 50*time.Millisecond)
	newBrowser(t, b.URL()).signIn(t, l)
	require.Positive(t, asked(), "and then it is")
}

// TestConcurrent20: twenty sign-ins of one number at once, worked by one process and by two, against a FHIR server that
// serialises, one that does not, and one that is slow: one Patient, one contact, in each of eight rounds.
func TestConcurrent20(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, engine string
		processes    int
	}{{"one process on SQLite", storage.SQLite, 1}, {"one process on PostgreSQL", storage.Postgres, 1}, {"two processes", storage.Postgres, 2}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newBehind(t)
			w := newWorld(t, c.engine, s.join)
			w.startBeside(c.processes)
			store := w.store()
			for mode, set := range map[string]func(on bool){
				"normal": func(bool) {},
				"racy":   s.fhir.Racy,
				"slow": func(on bool) {
					s.fhir.Slow(time.Duration(0))
					if on {
						s.fhir.Slow(30 * time.Millisecond)
					}
				},
			} {
				set(true)
				for round := range 8 {
					n, user := parse(t, newNumber()), fmt.Sprintf("user %s %d %s", mode, round, newLID())
					asked := s.omni.Calls()
					var all sync.WaitGroup
					for range 20 {
						all.Go(func() { signedIn(t, store, n, user, "") })
					}
					all.Wait()
					w.settled()
					s.converged(n, user)
					require.Equal(t, asked+1, s.omni.Calls(), "the contact is asked for once")
				}
				set(false)
			}
		})
	}
}

// startBeside starts so many processes on the world's data, on which no account is paired: what follows a sign-in does
// not need the line.
func (w *world) startBeside(processes int) (started []*outside) {
	w.t.Helper()
	for i := range processes {
		if i > 0 {
			w.cfg.HTTP.Listen, w.cfg.Auth.SealKeyFile = freePort(w.t), w.cfg.Storage.Dir+"/seal.key"
		}
		b := w.prepareOutside()
		b.start()
		if i == 0 {
			w.awaitNotReady(b, "line")
		} else {
			w.awaitReady(b) // it stands by
		}
		started = append(started, b)
	}
	return started
}

// TestKill9EachStep kills the process at each remote call that follows a sign-in: when the request has arrived and
// nothing is done, and when the work is done and nobody has been told. The next life converges.
func TestKill9EachStep(t *testing.T) {
	t.Parallel()
	for _, engine := range engines {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			s := newBehind(t)
			w := newWorld(t, engine, s.join)
			b := w.startBeside(1)[0]
			store := w.store()
			steps := 0
			for step := 1; ; step++ {
				killed := false
				for _, after := range []bool{false, true} {
					var calls atomic.Int64
					var once sync.Once
					hook := func() {
						if calls.Add(1) < int64(step) {
							return
						}
						once.Do(b.kill)
						if !after {
							panic(http.ErrAbortHandler) // the request is dropped, and nothing is done for it
						}
					}
					s.hook(hook, after)
					asked := s.omni.Calls()
					n, user := parse(t, newNumber()), "user "+newLID()
					guest := "guest-" + n.Digits()
					_, err := s.fhir.Put([]byte(`{"resourceType":"QuestionnaireResponse","status":"completed",
						"identifier":{"system":"https://login.konsulin.care/guestid","value":"` + guest + `"}}`))
					require.NoError(t, err)
					signedIn(t, store, n, user, guest)
					// The sign-in was written beside the process, which looks for such work by itself.
					require.Eventually(t, func() bool {
						return calls.Load() >= int64(step) || w.count(`SELECT COUNT(*) FROM jobs WHERE state <> 'done'`) == 0
					}, 60*time.Second, 5*time.Millisecond)
					dead := calls.Load() >= int64(step)
					killed = killed || dead
					s.hook(nil, after)
					if dead {
						b.kill()
						w.expireLeases()
						b.start()
						w.awaitNotReady(b, "line")
					}
					w.settled()
					s.converged(n, user)
					require.LessOrEqual(t, s.omni.Calls(), asked+2, "once more where the answer was lost, and not again")
				}
				if !killed {
					break
				}
				steps = step
			}
			for _, raw := range s.fhir.All("QuestionnaireResponse") {
				require.NotContains(t, string(raw), "guestid", "every guest's record has come along")
			}
			t.Logf("%s: killed at each of %d remote calls, before and after its work", engine, steps)
			require.GreaterOrEqual(t, steps, 8, "search, search, create, search; search, webhook; search, update")
		})
	}
}

// hook calls f at every request of either server, before its work or after it.
func (s *behind) hook(f func(), after bool) {
	if after {
		s.fhir.After("", f)
		s.omni.After(f)
		return
	}
	s.fhir.Before("", f)
	s.omni.Before(f)
}

// expireLeases does what two minutes do on PostgreSQL: a killed process's leases run out. On SQLite the next process
// takes them back by itself.
func (w *world) expireLeases() {
	w.t.Helper()
	if w.cfg.Storage.Engine != storage.Postgres {
		return
	}
	w.change(`UPDATE jobs SET lease_until = 1 WHERE state = 'running'`)
}

// TestQuarantineIsLiftedByADecision: the Patient with the user's number is somebody else's. The sign-in is unaffected,
// the user is told, nothing is overwritten, and an approval adds the user.
func TestQuarantineIsLiftedByADecision(t *testing.T) {
	t.Parallel()
	s := newBehind(t)
	w := newWorld(t, storage.SQLite, s.join)
	b := w.pairAndStart()
	u := w.user()
	n := numberOf(t, u)
	ref, err := s.fhir.Put([]byte(`{"resourceType":"Patient","identifier":[{"system":"https://login.konsulin.care/userid","value":"somebody"}],
		"telecom":[{"system":"phone","value":"` + n.Digits() + `"}],"name":[{"text":"Ibu Rahma"}]}`))
	require.NoError(t, err)
	before, _ := s.fhir.Get(ref)

	br := newBrowser(t, b.URL())
	br.signIn(t, w.requestLink(u))
	me := br.session(t).json(t)
	require.Equal(t, "review", me["patient"])
	require.NotEmpty(t, me["notice"])
	now, _ := s.fhir.Get(ref)
	require.Equal(t, string(before), string(now), "nothing is overwritten")
	require.Zero(t, s.omni.Calls(), "and nobody's contact is renamed")

	store := w.store()
	cases, err := store.ListCases(t.Context(), storage.CaseOpen)
	require.NoError(t, err)
	require.Len(t, cases, 1)
	require.NoError(t, store.Decide(t.Context(), cases[0].ID, fhir.Approve, "", "operator"))
	id := me["userId"].(string)
	s.converged2(ref, n.Digits(), id)
	require.Eventually(t, func() bool { return br.session(t).json(t)["patient"] == "linked" }, time.Minute, 20*time.Millisecond)
	require.Eventually(t, func() bool { return len(s.contacts(n)) == 1 }, time.Minute, 20*time.Millisecond)
	require.Equal(t, "Ibu Rahma", s.contacts(n)[0].Name, "the contact has the Patient's name")
}

// converged2 waits until the resource belongs to the user, beside whom it had.
func (s *behind) converged2(ref, digits, userID string) {
	s.t.Helper()
	require.Eventually(s.t, func() bool {
		for _, r := range s.patients(parse(s.t, digits), userID) {
			if r.ResourceType+"/"+r.ID == ref && r.has("userid", userID) == 1 && r.has("whatsapp", digits) == 1 {
				return r.has("userid", "somebody") == 1
			}
		}
		return false
	}, time.Minute, 20*time.Millisecond)
	require.Len(s.t, s.fhir.All("Patient"), 1)
}

// TestGuestsRecordsComeAlong: a guest's records are the user's after the sign-in, whichever life of the process does it.
func TestGuestsRecordsComeAlong(t *testing.T) {
	t.Parallel()
	s := newBehind(t)
	w := newWorld(t, storage.SQLite, s.join)
	for i := range 60 {
		_, err := s.fhir.Put([]byte(fmt.Sprintf(`{"resourceType":"QuestionnaireResponse","status":"completed",
			"identifier":{"system":"https://login.konsulin.care/guestid","value":"guest-00000001"},"item":[{"linkId":"%d"}]}`, i)))
		require.NoError(t, err)
	}
	store := w.store()
	n := parse(t, newNumber())
	signedIn(t, store, n, "user-1", "guest-00000001")
	w.startBeside(1)
	w.settled()
	s.converged(n, "user-1")
	owner := "Patient/" + s.patients(n, "user-1")[0].ID
	for _, raw := range s.fhir.All("QuestionnaireResponse") {
		require.Contains(t, string(raw), owner)
		require.NotContains(t, string(raw), "guestid")
	}
	rows, err := store.ListAudit(t.Context(), storage.AuditQuery{Event: storage.EventClaimed, UserID: "user-1"})
	require.NoError(t, err)
	claimed := 0
	for _, row := range rows {
		claimed += len(row.Detail["references"].([]any))
	}
	require.Equal(t, 60, claimed, "each with its provenance")
}
