package bot

import "maps"

// The keys of the replies to admins.
const (
	replyUsage      = "command_usage"
	replyNotNow     = "command_not_now"
	replyConfirm    = "command_confirm"
	replyYesNone    = "yes_none"
	replyYesWrong   = "yes_wrong"
	replyYesExpired = "yes_expired"
	replySpan       = "span"

	replyStatus = "desk_status"
	replyStats  = "desk_stats"
	replyJobs   = "desk_jobs"
	replyAudit  = "desk_audit"

	replyUser        = "desk_user"
	replyNoUser      = "desk_no_user"
	replySynced      = "desk_synced"
	replyRetried     = "desk_retried"
	replyReview      = "desk_review"
	replyNoCase      = "desk_no_case"
	replyPick        = "desk_pick"
	replyApproveAsk  = "desk_approve_ask"
	replyApproved    = "desk_approved"
	replySeparateAsk = "desk_separate_ask"
	replySeparated   = "desk_separated"
	replyBlocked     = "desk_blocked"
	replyIsAdmin     = "desk_is_admin"
	replyUnblocked   = "desk_unblocked"
	replyNotBlocked  = "desk_not_blocked"

	replyStillRefused = "desk_still_refused"

	replyRevokeAsk = "desk_revoke_ask"
	replyRevoked   = "desk_revoked"
	replyPauseAsk  = "desk_pause_ask"
	replyPauseOn   = "desk_pause_on"
	replyPauseOff  = "desk_pause_off"
	replyNoPause   = "desk_no_pause"
	replyScan      = "desk_scan"
	replyScanOff   = "desk_scan_off"
	replyScanLong  = "desk_scan_long"
	replyForgetAsk = "desk_forget_ask"
	replyForgotten = "desk_forgotten"
)

// What the templates of these replies may use. Numbers are masked, times are spans such as "3h", words are translated.
type (
	usageData   struct{ Usage, Help string }
	confirmData struct {
		What, Code string
		Minutes    int
	}
	spanData struct {
		N    int
		Unit string // s, m, h, d
	}
	statusData struct {
		Line, LineFor, Core, FHIR, Webhook, Version, Uptime string
		Waiting, Dead, Cases                                int
		Paused, PauseReason                                 string // Paused: for how long; empty: not paused
	}
	countLine struct {
		Name  string
		Count int
	}
	statsData struct {
		Span                     string
		Requests, Links, SignIns int
		Conversion               string
		Refused                  []countLine
	}
	jobLine struct {
		ID                int64
		Kind, Age, Reason string
		Failed            int
	}
	jobsData struct {
		State       string
		Total, More int
		Jobs        []jobLine
	}
	auditLine struct{ Age, What, Number, By, Note string }
	auditData struct{ Events []auditLine }

	numberData struct{ Number string }
	liftedData struct {
		Number string
		Lifted bool // a block was
	}
	userData struct {
		Number, UserID, Roles, Patient, State, Contact string
		Sessions                                       int
		Logins                                         []string
		Blocked, Refused                               bool
		BlockReason, BlockLeft, Revoked                string
	}
	retriedData struct{ Jobs int }
	caseLine    struct {
		ID                                     int64
		Number, Resource, Why, Age, Candidates string
	}
	reviewData struct {
		Cases []caseLine
		More  int
	}
	caseData struct {
		ID                                           int64
		Number, Resource, Why, Reference, Candidates string
	}
	blockedData struct{ Number, Left string }
	revokeData  struct {
		Number   string
		Refused  bool
		Sessions int
	}
	scanLine struct{ Of, Who, References string }
	scanData struct {
		Total, More int
		Found       []scanLine
	}
	forgottenData struct {
		Number, UserID, Patient, Contact string
		Sessions                         int
		FHIRAway                         bool
	}
)

// deskWords are all words that answers to admins take from the replies, beside the sentences.
func deskWords() []string {
	return []string{
		"ok", "down", "off", "unknown", // of what is remote
		"unpaired", "wrong account", "connecting", "connected", "degraded", "logged out", "replaced", "outdated", "banned", "timelocked",
		"day", "week", "waiting", "dead", "pending", "linked", "review", "foreign", "ambiguous", "number", "userid", "without id",
		"time", "reason", "job", "case", "resource", "code",
	}
}

const sampleNumber = "+62 812-3456-••••"

// deskShapes lists every reply to admins with what it is tried with.
func deskShapes() map[string]shape {
	bare := shape{samples: []sample{{}}}
	with := func(data any, fields string, contains ...string) shape {
		return shape{samples: []sample{{data: data, contains: contains, fields: fields}}}
	}
	both := func(a, b shape) shape { return shape{samples: append(a.samples, b.samples...)} }
	number := with(numberData{Number: sampleNumber}, "{{.Number}}", sampleNumber)
	shapes := map[string]shape{
		replyUsage:   with(usageData{"/x <y>", "does it"}, "{{.Usage}} and {{.Help}}", "/x <y>", "does it"),
		replyNotNow:  bare,
		replyConfirm: with(confirmData{"It happens.", "K7Q2", 2}, "{{.What}}, {{.Code}} and {{.Minutes}}", "It happens.", "/yes K7Q2", "2"),
		replyYesNone: bare, replyYesWrong: bare, replyYesExpired: bare,
		replySpan: both(with(spanData{17, "h"}, "{{.N}}", "17"), shape{samples: []sample{{data: spanData{1, "s"}}, {data: spanData{1, "m"}}, {data: spanData{1, "d"}}}}),
		replyStatus: both(with(statusData{"line", "3h", "core", "fhir", "hook", "1.2.3", "2d", 11, 12, 13, "5m", "moving"},
			"all its fields", "line", "3h", "core", "fhir", "hook", "1.2.3", "2d", "11", "12", "13", "5m", "moving"),
			with(statusData{Line: "line"}, "", "line")),
		replyStats: with(statsData{"week", 100, 90, 81, "90%", []countLine{{"limited", 7}}}, "all its fields", "week", "100", "90", "81", "90%", "limited", "7"),
		replyJobs: both(with(jobsData{"dead", 12, 2, []jobLine{{41, "fhir.sync", "3h", "no answer", 25}}}, "all its fields",
			"dead", "12", "2", "41", "fhir.sync", "3h", "no answer", "25"), with(jobsData{State: "dead"}, "{{.State}}", "dead")),
		replyAudit: both(with(auditData{[]auditLine{{"3h", "command", sampleNumber, "admin", "block: done"}, {What: "link"}}}, "the fields of {{.Events}}",
			"3h", "command", sampleNumber, "admin", "block: done", "link"), shape{samples: []sample{{data: auditData{}}}}),
		replyNoUser: number, replySynced: number, replyIsAdmin: number, replyUnblocked: number, replyNotBlocked: number, replyForgetAsk: number,
		replyUser: both(with(userData{
			Number: sampleNumber, UserID: "uuid", Roles: "Patient", Patient: "Patient/1", State: "linked", Contact: "77",
			Sessions: 3, Logins: []string{"5m", "2d"}, Blocked: true, Refused: true, BlockReason: "spam", BlockLeft: "6h", Revoked: "9d",
		}, "all its fields", sampleNumber, "uuid", "Patient/1", "linked", "77", "3", "5m", "2d", "spam", "6h", "9d"),
			with(userData{Number: sampleNumber}, "{{.Number}}", sampleNumber)),
		replyStillRefused: both(with(liftedData{sampleNumber, true}, "{{.Number}}", sampleNumber),
			with(liftedData{Number: sampleNumber}, "{{.Number}}", sampleNumber)),
		replyRetried: both(with(retriedData{7}, "{{.Jobs}}", "7"), shape{samples: []sample{{data: retriedData{}}}}),
		replyReview: both(with(reviewData{[]caseLine{{41, sampleNumber, "Patient", "foreign", "3h", "Patient/1"}}, 2}, "all its fields",
			"41", sampleNumber, "foreign", "3h", "Patient/1", "2"), shape{samples: []sample{{data: reviewData{}}}}),
		replyNoCase:      bare,
		replyPick:        with(caseData{ID: 41, Candidates: "Patient/1 Patient/2"}, "{{.ID}} and {{.Candidates}}", "41", "Patient/1 Patient/2"),
		replyApproveAsk:  with(caseData{ID: 41, Number: sampleNumber, Reference: "Patient/1"}, "{{.ID}}, {{.Number}} and {{.Reference}}", "41", sampleNumber, "Patient/1"),
		replyApproved:    with(caseData{ID: 41}, "{{.ID}}", "41"),
		replySeparateAsk: with(caseData{ID: 41, Number: sampleNumber, Candidates: "Patient/1"}, "{{.ID}}, {{.Number}} and {{.Candidates}}", "41", sampleNumber, "Patient/1"),
		replySeparated:   with(caseData{ID: 41}, "{{.ID}}", "41"),
		replyBlocked:     both(with(blockedData{sampleNumber, "6h"}, "{{.Number}} and {{.Left}}", sampleNumber, "6h"), with(blockedData{Number: sampleNumber}, "{{.Number}}", sampleNumber)),
		replyRevokeAsk:   both(with(revokeData{Number: sampleNumber, Refused: true}, "{{.Number}}", sampleNumber), with(revokeData{Number: sampleNumber}, "{{.Number}}", sampleNumber)),
		replyRevoked:     both(with(revokeData{sampleNumber, true, 7}, "{{.Number}} and {{.Sessions}}", sampleNumber, "7"), with(revokeData{Number: sampleNumber}, "{{.Number}}", sampleNumber)),
		replyPauseAsk:    bare, replyPauseOn: bare, replyPauseOff: bare, replyNoPause: bare, replyScanOff: bare, replyScanLong: bare,
		replyScan: both(with(scanData{12, 2, []scanLine{{"number", sampleNumber, "Patient/1 Patient/2"}}}, "all its fields", "12", "2", sampleNumber, "Patient/1 Patient/2"),
			shape{samples: []sample{{data: scanData{}}}}),
		replyForgotten: both(with(forgottenData{sampleNumber, "uuid", "Patient/1", "77", 3, false}, "all its fields", sampleNumber, "uuid", "Patient/1", "77"),
			both(with(forgottenData{Number: sampleNumber}, "{{.Number}}", sampleNumber),
				with(forgottenData{Number: sampleNumber, FHIRAway: true}, "{{.Number}}", sampleNumber))),
	}
	maps.Copy(shapes, alertShapes())
	for _, w := range deskWords() {
		shapes[wordKey(w)] = bare
	}
	return shapes
}
