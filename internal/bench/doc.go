// Package bench measures the whole product against the sandbox and prints one table: logins per second beside a bare
// echo bot on the same stand-in server, what a login costs when a million were before it, and what the bot needs at
// rest. It has no code but benchmarks; `make bench` runs them.
//
// Nothing is asserted about times. A benchmark fails only when it could not measure: an error, a lost message, a
// message that came twice, or something that a stand-in does not know. Memory and processor time are read from /proc.
package bench
