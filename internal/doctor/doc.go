// Package doctor owns how a check-up goes: its findings, their order, how long one may take, and the looks that need no
// room of ours: clocks, modes of files, addresses.
//
// It must not know what konsulin-bot is made of: internal/app brings the looks into the rooms. It changes nothing, and
// no finding holds a number, a secret or what another system answered.
package doctor
