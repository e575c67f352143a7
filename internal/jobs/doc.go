// Package jobs runs durable pieces of follow-up work: leased, retried with growing pauses, serial where they must
// be, and laid aside where a person can see them when they cannot succeed.
//
// It owns the runner and the meaning of a job's life; where jobs are kept is storage's matter, and what one does is
// its handler's. It must not know any kind of job.
package jobs
