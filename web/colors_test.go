package web

import (
	"math"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// WCAG 2.2, 1.4.3: normal text needs 4.5 to 1.
func TestTextContrastIsAAInLightAndDark(t *testing.T) {
	t.Parallel()
	css, err := staticFiles.ReadFile("static/pages.css")
	require.NoError(t, err)
	light, dark, ok := strings.Cut(string(css), "@media (prefers-color-scheme: dark)")
	require.True(t, ok)
	dark, _, ok = strings.Cut(dark, "*, *::before")
	require.True(t, ok)
	for name, part := range map[string]string{"light": light, "dark": dark} {
		color := map[string]string{}
		for _, m := range regexp.MustCompile(`--([a-z-]+): #([0-9a-f]{6});`).FindAllStringSubmatch(part, -1) {
			color[m[1]] = m[2]
		}
		for _, pair := range [][2]string{
			{"text", "ground"}, {"text", "card"}, {"text", "tint"}, {"muted", "card"}, {"muted", "ground"},
			{"accent", "card"}, {"accent", "ground"}, {"accent", "tint"}, {"accent-strong", "card"},
			{"on-accent", "accent"}, {"on-accent", "accent-strong"}, {"alert", "alert-tint"},
		} {
			a, b := luminance(t, color[pair[0]]), luminance(t, color[pair[1]])
			ratio := (math.Max(a, b) + 0.05) / (math.Min(a, b) + 0.05)
			require.GreaterOrEqual(t, ratio, 4.5, "%s: %s on %s", name, pair[0], pair[1])
		}
	}
}

func luminance(t *testing.T, rgb string) float64 {
	t.Helper()
	require.Len(t, rgb, 6)
	sum := 0.0
	for i, weight := range []float64{0.2126, 0.7152, 0.0722} {
		v, err := strconv.ParseUint(rgb[2*i:2*i+2], 16, 8)
		require.NoError(t, err)
		c := float64(v) / 255
		if c <= 0.04045 {
			c /= 12.92
		} else {
			c = math.Pow((c+0.055)/1.055, 2.4)
		}
		sum += weight * c
	}
	return sum
}
