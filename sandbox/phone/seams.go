package phone

import (
	"context"
	"time"
)

// Phone is the world behind the page.
type Phone interface {
	// Users are the prepared people, the first one shown first. The list does not change.
	Users() []User
	// Send writes text to the bot as that user. The message comes back through Events like every other one; the error
	// is a sentence that is shown to the person at the page.
	Send(ctx context.Context, user, text string) error
	// Events delivers what happens from now on, in order, until ctx ends; then the channel is closed.
	Events(ctx context.Context) <-chan Event
}

// Faults makes things go wrong on purpose.
type Faults interface {
	Faults() []Fault
	// Set turns a fault on or off; one that happens only once is turned on each time. The error is shown to the person
	// at the page. That a fault is on or off is told through Events.
	Set(ctx context.Context, id string, on bool) error
}

// User is one person who can write to the bot.
type User struct {
	ID     string
	Name   string
	Number string // as shown: "+62 812-3456-7890"
	About  string // what is special about them: one short sentence
}

// Fault is one button.
type Fault struct {
	ID    string
	Label string
	About string
	Once  bool // it happens once, such as a dropped connection, and is not switched off again
}

// Kind says what an event tells, and which fields of it count.
type Kind string

// The kinds of events.
const (
	// Message is a new bubble: User, ID, At, FromBot, Text.
	Message Kind = "message"
	// Tick is how far a message came: User, ID, Tick.
	Tick Kind = "tick"
	// Step is one hop of a login: User, Flow, ID, At, Title, Detail, State. The same ID again replaces the step; a new
	// Flow starts a new list.
	Step Kind = "step"
	// Status is how a part of the world is now, such as the line or a session: ID, Title, Detail, State; User when it
	// is one user's, empty when it is everybody's. The same ID again replaces it.
	Status Kind = "status"
	// Card is what somebody else's system knows of one user: User, ID, Title, Detail, Rows. The same ID again replaces it.
	Card Kind = "card"
	// Switch is whether a fault is on: ID, On.
	Switch Kind = "switch"
)

// Event is one thing that happened.
type Event struct {
	Kind    Kind
	User    string
	ID      string
	At      time.Time
	FromBot bool
	Text    string // shown as text, whatever it holds
	Tick    Ticks
	Flow    string
	Title   string
	Detail  string
	State   State
	On      bool
	Rows    []Row
}

// Row is one line of a card, shown as text.
type Row struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// Ticks is how far a message came.
type Ticks string

// How far a message came.
const (
	Sent      Ticks = "sent"      // the server has it
	Delivered Ticks = "delivered" // the other side has it
	Read      Ticks = "read"
	Lost      Ticks = "lost" // the other side could not read it
)

// State is the colour of a step or a status.
type State string

// The colours.
const (
	Doing State = "doing"
	Good  State = "good"
	Bad   State = "bad"
)
