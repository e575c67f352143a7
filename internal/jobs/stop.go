package jobs

import (
	"context"
	"fmt"
	"time"
)

// stop ends this life in order: workers, settler, leases.
func (l *life) stop(cancel context.CancelCauseFunc, settler <-chan struct{}) error {
	idle := make(chan struct{})
	go func() {
		defer close(idle)
		l.workers.Wait()
	}()
	var stuck error
	if !l.await(idle) {
		cancel(errStopping)
		if !l.await(idle) {
			stuck = fmt.Errorf("stop jobs: handlers go on although their context ended %s ago", l.c.Grace)
		}
	}
	close(l.quit)
	<-settler
	l.handBack()
	return stuck
}

// handBack gives up what is still leased. When the store does not take it, nothing is lost but time.
func (l *life) handBack() {
	ctx, cancel := context.WithTimeout(context.Background(), l.c.StoreWait)
	defer cancel()
	if err := l.c.Store.ReleaseJobs(ctx, l.c.Owner); err != nil {
		l.c.Log.Warn().Str("reason", Reason(err)).
			Msg("unfinished jobs cannot be handed back; they come back at the next start or when their leases run out")
	}
}

// await reads what the settler tells until the workers are idle; false when the grace is over.
func (l *life) await(idle <-chan struct{}) bool {
	grace := time.NewTimer(l.c.Grace)
	defer grace.Stop()
	for {
		select {
		case <-idle:
			return true
		case <-grace.C:
			return false
		case <-l.settled:
		}
	}
}
