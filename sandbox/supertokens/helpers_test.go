package supertokens_test

import (
	"crypto/rand"
	"io"
	"math/big"
	"testing"

	"github.com/stretchr/testify/require"
)

// randomDigits are eleven digits that do not begin with a zero.
func randomDigits(t testing.TB) string {
	t.Helper()
	n, err := rand.Int(rand.Reader, big.NewInt(9e10))
	require.NoError(t, err)
	return n.Add(n, big.NewInt(1e10)).String()
}

func readAll(t testing.TB, r io.Reader) string {
	t.Helper()
	b, err := io.ReadAll(r)
	require.NoError(t, err)
	return string(b)
}
