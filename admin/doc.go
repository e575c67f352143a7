// Package admin owns what an admin or an operator may ask and do: how the service stands, who a number is, jobs, cases,
// blocks, revocations, the pause, erasure; and what admins are told without asking (see [Watch]).
//
// [Service] does the work for the chat and for the terminal alike, in plain types. It must not know who may do what (the
// chat's command table does), how an answer reads, WhatsApp, SQL or HTTP: it sees the other rooms through the small
// interfaces and functions of seams.go.
package admin
