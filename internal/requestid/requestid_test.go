package requestid_test

import (
	"bytes"
	"context"
	"testing"

	"github.com/konsulin-care/konsulin-bot/internal/requestid"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

func TestTheIDComesWithTheContext(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	log := zerolog.New(&out).Hook(requestid.Hook{})
	line := func(ctx context.Context) string {
		out.Reset()
		log.Info().Ctx(ctx).Msg("x")
		return out.String()
	}
	ctx := t.Context()
	require.Empty(t, requestid.Of(ctx))
	require.JSONEq(t, `{"level":"info","message":"x"}`, line(ctx))
	require.Equal(t, ctx, requestid.With(ctx, ""))
	http := requestid.With(ctx, "a")
	require.Equal(t, "a", requestid.Of(http))
	require.JSONEq(t, `{"level":"info","message":"x","request":"a"}`, line(http))
	link := requestid.With(http, "b")
	require.JSONEq(t, `{"level":"info","message":"x","request":"b","via":"a"}`, line(link))
	require.Equal(t, link, requestid.With(link, "b"), "the same again is no other one")
	out.Reset()
	log.Info().Msg("without a context")
	require.JSONEq(t, `{"level":"info","message":"without a context"}`, out.String())
}
