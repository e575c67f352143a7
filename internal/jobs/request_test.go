package jobs

import (
	"context"
	"testing"

	"github.com/konsulin-care/konsulin-bot/internal/requestid"
	"github.com/rs/zerolog"
	"github.com/stretchr/testify/require"
)

func TestAJobsLinesNameTheRequestThatItFollowsFrom(t *testing.T) {
	t.Parallel()
	seen := make(chan string, 2)
	r := setup(t, Config{Workers: 1, Handlers: handlers(func(ctx context.Context, _ Job) error {
		zerolog.Ctx(ctx).Info().Msg("from the handler")
		seen <- requestid.Of(ctx)
		return nil
	})})
	r.store.add(New{Kind: "k", Key: "a", Request: "3EB0AA"}, New{Kind: "k", Key: "b"})
	r.Wake()
	r.eventually(t, func() bool { return r.store.all("done") })
	require.Equal(t, []string{"3EB0AA", ""}, []string{<-seen, <-seen})
	require.NoError(t, r.stop())
	require.Contains(t, r.log.String(), `"job":1,"attempt":1,"request":"3EB0AA","message":"from the handler"`)
	require.Contains(t, r.log.String(), `"job":2,"attempt":1,"message":"from the handler"`)
}
