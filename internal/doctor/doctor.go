package doctor

import (
	"context"
	"fmt"
	"time"
)

// Level is how bad a finding is.
type Level string

// The levels.
const (
	OK   Level = "ok"
	Warn Level = "warn" // it works, or works by itself later; a person should look at it
	Fail Level = "fail" // logins do not work, or something is in danger
)

// Finding is one line of a check-up.
type Finding struct {
	Area  string `json:"area"`
	Level Level  `json:"level"`
	Says  string `json:"says"`
	Do    string `json:"do,omitempty"` // what to do about it; empty for what is well
}

// Look examines one area. It answers with at least one finding.
type Look struct {
	Area  string
	Limit time.Duration // how long it may take; zero: 15 s
	Into  func(ctx context.Context) []Finding
}

// Summary counts the findings of each level.
type Summary struct {
	OK   int `json:"ok"`
	Warn int `json:"warn"`
	Fail int `json:"fail"`
}

// defaultLimit is longer than the longest time that a call to another system may be given.
const defaultLimit = 20 * time.Second

// Run takes the looks one after the other and reports each finding as it comes, also those of areas whose neighbours
// are broken.
func Run(ctx context.Context, looks []Look, report func(Finding)) Summary {
	var sum Summary
	for _, l := range looks {
		for _, f := range take(ctx, l) {
			f.Area = l.Area
			switch f.Level {
			case Fail:
				sum.Fail++
			case Warn:
				sum.Warn++
			default:
				sum.OK++
			}
			report(f)
		}
	}
	return sum
}

func take(ctx context.Context, l Look) []Finding {
	if l.Limit <= 0 {
		l.Limit = defaultLimit
	}
	ctx, cancel := context.WithTimeout(ctx, l.Limit)
	defer cancel()
	return l.Into(ctx)
}

// Well is a finding that needs nobody.
func Well(format string, args ...any) Finding {
	return Finding{Level: OK, Says: fmt.Sprintf(format, args...)}
}

// Odd is a finding that a person should look at.
func Odd(do, format string, args ...any) Finding {
	return Finding{Level: Warn, Says: fmt.Sprintf(format, args...), Do: do}
}

// Broken is a finding that keeps people from logging in, or endangers something.
func Broken(do, format string, args ...any) Finding {
	return Finding{Level: Fail, Says: fmt.Sprintf(format, args...), Do: do}
}
