package requestid

import (
	"context"

	"github.com/rs/zerolog"
)

// Field is the id's name in the log. The log of a request within another one, such as the confirmation of a link within
// an HTTP request, also names the outer one, as Via.
const (
	Field = "request"
	Via   = "via"
)

type key struct{}

type ids struct{ own, outer string }

// With puts an id into a context; an empty one changes nothing.
func With(ctx context.Context, id string) context.Context {
	if id == "" || id == Of(ctx) {
		return ctx
	}
	return context.WithValue(ctx, key{}, ids{own: id, outer: Of(ctx)})
}

// Of is the id in a context, empty when there is none.
func Of(ctx context.Context) string {
	found, _ := ctx.Value(key{}).(ids)
	return found.own
}

// Hook writes the id into every log line that was given its context (zerolog's Event.Ctx).
type Hook struct{}

var _ zerolog.Hook = Hook{}

// Run implements [zerolog.Hook].
func (Hook) Run(e *zerolog.Event, _ zerolog.Level, _ string) {
	found, _ := e.GetCtx().Value(key{}).(ids)
	if found.own != "" {
		e.Str(Field, found.own)
	}
	if found.outer != "" {
		e.Str(Via, found.outer)
	}
}
