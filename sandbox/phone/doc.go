// Package phone owns the demo's page: a phone with a chat in the browser, the people who can hold it, what happened
// behind each message, what other systems know of each person, and the buttons that make things go wrong.
//
// It must not know who carries the messages: whatever implements [Phone] does. It is made for loopback, and still as
// strict as a public page, because the text that it shows comes from outside.
package phone
