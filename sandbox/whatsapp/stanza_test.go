package whatsapp

import (
	"bytes"
	"compress/zlib"
	"testing"

	"github.com/stretchr/testify/require"
)

func TestStanzasThatClaimMoreThanTheyHold(t *testing.T) {
	t.Parallel()
	var bomb bytes.Buffer
	w := zlib.NewWriter(&bomb)
	_, err := w.Write(make([]byte, 64*maxFrame))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	for name, plain := range map[string][]byte{
		"empty":                 nil,
		"too long":              make([]byte, maxFrame+1),
		"decompresses too long": append([]byte{2}, bomb.Bytes()...),
		"nested lists":          append([]byte{0}, bytes.Repeat([]byte{0xf8, 2, 3, 0xf8, 1}, maxFrame/5)...),
		"nested long lists":     append([]byte{0}, bytes.Repeat([]byte{0xf8, 2, 3, 0xf9, 0xff, 0xff}, maxFrame/6)...),
		"nested addresses":      append([]byte{0, 0xf8, 3, 3, 4}, bytes.Repeat([]byte{0xfa}, maxFrame/2)...),
		"long text":             {0, 0xf8, 1, 0xfe, 0xff, 0xff, 0xff, 0xff},
		"many attributes":       {0, 0xf9, 0xff, 0xff, 3},
	} {
		_, err := decodeStanza(plain)
		require.ErrorIs(t, err, errStanza, name)
	}
}
