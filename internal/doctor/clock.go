package doctor

import (
	"context"
	"net/http"
	"time"
)

// How far two clocks may be apart. A request from the future is refused after half a minute; tokens and links live for
// minutes.
const (
	clockWarn = 5 * time.Second
	clockFail = 30 * time.Second
)

// Clock compares our clock with those of others, by the Date header of whatever they answer.
func Clock(ctx context.Context, client *http.Client, now func() time.Time, others []Place) []Finding {
	var found []Finding
	for _, p := range others {
		asked := now()
		resp, err := get(ctx, client, p.URL)
		if err != nil {
			continue // the area of that system says so
		}
		_ = resp.Body.Close()
		date, err := http.ParseTime(resp.Header.Get("Date"))
		if err != nil {
			continue
		}
		found = append(found, apart(p.Name, date, asked, now()))
	}
	if len(found) == 0 {
		return []Finding{Odd("run doctor again when the others can be reached", "there is no other clock to compare with")}
	}
	return found
}

// apart judges a time that was told between two moments of ours. It has whole seconds, so one is forgiven.
func apart(name string, date, asked, answered time.Time) Finding {
	off := time.Duration(0)
	switch {
	case date.Add(time.Second).Before(asked):
		off = asked.Sub(date)
	case date.After(answered):
		off = answered.Sub(date)
	}
	const do = "have this machine and the other one set their clocks by NTP (timedatectl)"
	ours, gap := "ahead of", off.Round(time.Second)
	if off < 0 {
		ours, gap = "behind", -gap
	}
	switch {
	case gap > clockFail:
		return Broken(do, "this clock is %s %s that of %s", gap, ours, name)
	case gap > clockWarn:
		return Odd(do, "this clock is %s %s that of %s", gap, ours, name)
	}
	return Well("agrees with %s", name)
}
