package web

import (
	"fmt"
	"strconv"
	"strings"

	qrcode "github.com/skip2/go-qrcode"
)

// qr is a QR code as a page draws it: one path in a square of Size by Size modules, quiet zone included.
type qr struct {
	Size int
	Path string
}

// newQR makes the code of a text. Medium error correction: a screen is neither scratched nor folded.
func newQR(text string) (qr, error) {
	code, err := qrcode.New(text, qrcode.Medium)
	if err != nil {
		return qr{}, fmt.Errorf("make QR code: %w", err)
	}
	rows := code.Bitmap()
	return qr{Size: len(rows), Path: outline(rows)}, nil
}

// outline draws each run of dark modules in a row as one rectangle of height 1.
func outline(rows [][]bool) string {
	var b strings.Builder
	for y, row := range rows {
		for x := 0; x < len(row); x++ {
			if !row[x] {
				continue
			}
			end := x
			for end < len(row) && row[end] {
				end++
			}
			run := strconv.Itoa(end - x)
			b.WriteString("M" + strconv.Itoa(x) + " " + strconv.Itoa(y) + "h" + run + "v1h-" + run + "z")
			x = end
		}
	}
	return b.String()
}
