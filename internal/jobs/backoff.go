package jobs

import "time"

// Backoff is how long a failed job waits: First after the first counted failure, then twice as long each time, up to
// Max. Half of every pause is left to chance, so that jobs that failed together do not come back together.
type Backoff struct {
	First time.Duration // zero: 1 s
	Max   time.Duration // zero: 10 min
}

// pause is the wait after the attempt-th counted failure; chance is in [0, 1).
func (b Backoff) pause(attempt int, chance float64) time.Duration {
	d := b.First
	for i := 1; i < attempt && d < b.Max; i++ {
		d *= 2
	}
	d = min(d, b.Max)
	return d/2 + time.Duration(chance*float64(d-d/2))
}

func (b Backoff) withDefaults() Backoff {
	if b.First <= 0 {
		b.First = time.Second
	}
	if b.Max <= 0 {
		b.Max = 10 * time.Minute
	}
	return b
}
