package auth_test

import (
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/konsulin-care/konsulin-bot/auth/guest"
	"github.com/konsulin-care/konsulin-bot/storage"
	"github.com/stretchr/testify/require"
)

// BenchmarkGuest is what a visitor's first page view costs, and each one after it, with the real storage behind.
func BenchmarkGuest(b *testing.B) {
	store, err := storage.Open(b.Context(), storage.Config{Engine: storage.SQLite, Dir: filepath.Join(b.TempDir(), "data")})
	require.NoError(b, err)
	b.Cleanup(func() { require.NoError(b, store.Close()) })
	guests, err := guest.New(guest.Config{Store: store, SealKey: make([]byte, 32), Issuer: "https://bot.example/auth",
		Lifetime: 720 * time.Hour, Rotate: 720 * time.Hour, Now: time.Now})
	require.NoError(b, err)
	token, err := guests.Session(b.Context(), "", false, nil)
	require.NoError(b, err)
	each := func(name string, work func() error) {
		b.Run(name, func(b *testing.B) {
			var failed sync.Once
			b.SetParallelism(16)
			b.RunParallel(func(p *testing.PB) {
				for p.Next() {
					if err := work(); err != nil {
						failed.Do(func() { b.Error(err) })
					}
				}
			})
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "guests/s")
		})
	}
	each("issue", func() error {
		_, err := guests.Session(b.Context(), "", false, nil)
		return err
	})
	each("check", func() error {
		_, err := guests.Live(b.Context(), token.Signed)
		return err
	})
}
