// Package growth holds only tests: that a flood from very many numbers stays within the budgets, the memory and, after
// retention, the tables that docs/growth.md promises. It runs the real bot over the real storage, with a clock of its own.
package growth
