package whatsapp

import (
	"bytes"
	"compress/zlib"
	"errors"
	"fmt"
	"io"

	"go.mau.fi/whatsmeow/socket"
)

// maxFrame bounds what we read from a client, before and after decompression. The wire format allows 16 MB, which a
// text client never needs, and the bound keeps hostile nesting away from the limit of the stack.
const maxFrame = 1 << 20

var errFrame = errors.New("bad frame")

// frameReader cuts websocket messages into frames: three bytes of length, then the frame. The first bytes of a
// connection are WhatsApp's header.
type frameReader struct {
	greeted bool
	rest    []byte
}

// feed takes one websocket message and returns the frames that are complete now. The frames share memory with the
// message.
func (f *frameReader) feed(message []byte) ([][]byte, error) {
	if len(f.rest) > 0 {
		message = append(f.rest, message...)
		f.rest = nil
	}
	if !f.greeted {
		if len(message) < len(socket.WAConnHeader) {
			f.rest = message
			return nil, nil
		}
		if !bytes.Equal(message[:len(socket.WAConnHeader)], socket.WAConnHeader) {
			return nil, fmt.Errorf("%w: the connection does not start with WhatsApp's header", errFrame)
		}
		f.greeted, message = true, message[len(socket.WAConnHeader):]
	}
	var frames [][]byte
	for len(message) >= socket.FrameLengthSize {
		length := int(message[0])<<16 | int(message[1])<<8 | int(message[2])
		if length > maxFrame {
			return nil, fmt.Errorf("%w: %d bytes, at most %d", errFrame, length, maxFrame)
		}
		if len(message) < socket.FrameLengthSize+length {
			break
		}
		end := socket.FrameLengthSize + length
		frames = append(frames, message[socket.FrameLengthSize:end:end])
		message = message[end:]
	}
	if len(message) > 0 {
		f.rest = bytes.Clone(message)
	}
	return frames, nil
}

// putLength writes the length of a frame into its first three bytes, which are not part of it.
func putLength(frame []byte) error {
	length := len(frame) - socket.FrameLengthSize
	if length < 0 || length >= socket.FrameMaxSize {
		return fmt.Errorf("%w: %d bytes to send", errFrame, length)
	}
	frame[0], frame[1], frame[2] = byte(length>>16), byte(length>>8), byte(length)
	return nil
}

func inflate(body []byte) ([]byte, error) {
	r, err := zlib.NewReader(bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errStanza, err)
	}
	out, err := io.ReadAll(io.LimitReader(r, maxFrame+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errStanza, err)
	}
	if len(out) > maxFrame {
		return nil, fmt.Errorf("%w: more than %d bytes after decompression", errStanza, maxFrame)
	}
	return out, nil
}
