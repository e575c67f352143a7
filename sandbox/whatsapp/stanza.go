package whatsapp

import (
	"errors"
	"fmt"
	"strings"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/binary/token"
	"go.mau.fi/whatsmeow/types"
)

// maxDepth is how deep stanzas and addresses may nest. Real ones stay below ten.
const maxDepth = 32

var errStanza = errors.New("bad stanza")

// decodeStanza reads one decrypted frame: a byte of flags, and binary XML, compressed if the flags say so.
//
// The client library has a decoder too, but it is made for a server that can be trusted: it believes in lengths before
// it has seen the bytes, and in types. This one checks both, so that no input can make it panic or take more memory
// than a small multiple of its size.
func decodeStanza(plain []byte) (*waBinary.Node, error) {
	if len(plain) == 0 || len(plain) > maxFrame {
		return nil, fmt.Errorf("%w: %d bytes, at most %d", errStanza, len(plain), maxFrame)
	}
	flags, body := plain[0], plain[1:]
	if flags&2 != 0 {
		var err error
		if body, err = inflate(body); err != nil {
			return nil, err
		}
	}
	r := stanzaReader{rest: body}
	n, err := r.node(0)
	if err != nil {
		return nil, err
	}
	if len(r.rest) > 0 {
		return nil, fmt.Errorf("%w: %d bytes too many", errStanza, len(r.rest))
	}
	return n, nil
}

// stanzaReader reads binary XML. Byte contents share memory with the input.
type stanzaReader struct {
	rest []byte
}

func (r *stanzaReader) take(n int) ([]byte, error) {
	if n > len(r.rest) {
		return nil, fmt.Errorf("%w: %d bytes wanted, %d left", errStanza, n, len(r.rest))
	}
	b := r.rest[:n:n]
	r.rest = r.rest[n:]
	return b, nil
}

// number reads n bytes, most significant first.
func (r *stanzaReader) number(n int) (int, error) {
	b, err := r.take(n)
	v := 0
	for _, x := range b {
		v = v<<8 | int(x)
	}
	return v, err
}

func (r *stanzaReader) listSize(tag int) (int, error) {
	switch tag {
	case token.ListEmpty:
		return 0, nil
	case token.List8:
		return r.number(1)
	case token.List16:
		return r.number(2)
	}
	return 0, fmt.Errorf("%w: byte %d instead of a list", errStanza, tag)
}

func (r *stanzaReader) node(depth int) (*waBinary.Node, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("%w: nested more than %d deep", errStanza, maxDepth)
	}
	tag, err := r.number(1)
	if err != nil {
		return nil, err
	}
	size, err := r.listSize(tag)
	if err != nil {
		return nil, err
	}
	if size == 0 {
		return nil, fmt.Errorf("%w: a stanza without a name", errStanza)
	}
	n := &waBinary.Node{}
	if n.Tag, err = r.text(depth); err != nil {
		return nil, err
	}
	if n.Tag == "" {
		return nil, fmt.Errorf("%w: a stanza without a name", errStanza)
	}
	if n.Attrs, err = r.attrs((size-1)/2, depth); err != nil {
		return nil, err
	}
	if size%2 == 0 {
		n.Content, err = r.content(depth)
	}
	return n, err
}

func (r *stanzaReader) attrs(count, depth int) (waBinary.Attrs, error) {
	if count == 0 {
		return nil, nil
	}
	if 2*count > len(r.rest) {
		return nil, fmt.Errorf("%w: %d attributes in %d bytes", errStanza, count, len(r.rest))
	}
	attrs := make(waBinary.Attrs, count)
	for range count {
		key, err := r.text(depth)
		if err != nil {
			return nil, err
		}
		tag, err := r.number(1)
		if err != nil {
			return nil, err
		}
		if attrs[key], err = r.value(tag, true, depth); err != nil {
			return nil, err
		}
	}
	return attrs, nil
}

// content is what a stanza holds: others, bytes, or a short text that was packed.
func (r *stanzaReader) content(depth int) (any, error) {
	tag, err := r.number(1)
	if err != nil || tag == token.ListEmpty {
		return nil, err
	}
	if tag != token.List8 && tag != token.List16 {
		return r.value(tag, false, depth)
	}
	size, err := r.listSize(tag)
	if err != nil {
		return nil, err
	}
	if size > len(r.rest) {
		return nil, fmt.Errorf("%w: %d stanzas in %d bytes", errStanza, size, len(r.rest))
	}
	list := make([]waBinary.Node, 0, min(size, 64))
	for range size {
		n, err := r.node(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, *n)
	}
	return list, nil
}

// text reads a value that must be a text.
func (r *stanzaReader) text(depth int) (string, error) {
	tag, err := r.number(1)
	if err != nil {
		return "", err
	}
	v, err := r.value(tag, true, depth)
	if err != nil {
		return "", err
	}
	s, ok := v.(string)
	if !ok {
		return "", fmt.Errorf("%w: %T instead of a text", errStanza, v)
	}
	return s, nil
}

// value reads a text, an address or bytes. asText makes raw bytes a text.
func (r *stanzaReader) value(tag int, asText bool, depth int) (any, error) {
	switch tag {
	case token.Binary8:
		return r.raw(1, 0xff, asText)
	case token.Binary20:
		return r.raw(3, 0xfffff, asText)
	case token.Binary32:
		return r.raw(4, 0xffffffff, asText)
	case token.Dictionary0, token.Dictionary1, token.Dictionary2, token.Dictionary3:
		i, err := r.number(1)
		if err != nil {
			return nil, err
		}
		s, err := token.GetDoubleToken(tag-token.Dictionary0, i)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", errStanza, err)
		}
		return s, nil
	case token.Nibble8:
		return r.packed("0123456789-.")
	case token.Hex8:
		return r.packed("0123456789ABCDEF")
	case token.JIDPair:
		return r.jidPair(depth + 1)
	case token.ADJID:
		return r.deviceJID(depth + 1)
	}
	if tag > 0 && tag < len(token.SingleByteTokens) {
		return token.SingleByteTokens[tag], nil
	}
	return nil, fmt.Errorf("%w: unexpected byte %d", errStanza, tag)
}

func (r *stanzaReader) raw(lengthBytes, mask int, asText bool) (any, error) {
	n, err := r.number(lengthBytes)
	if err != nil {
		return nil, err
	}
	b, err := r.take(n & mask)
	if err != nil {
		return nil, err
	}
	if asText {
		return string(b), nil
	}
	return b, nil
}

// packed reads a text of two characters a byte. The top bit of its length says that the last half byte is a filler.
func (r *stanzaReader) packed(alphabet string) (any, error) {
	length, err := r.number(1)
	if err != nil {
		return nil, err
	}
	if length == 128 {
		return nil, fmt.Errorf("%w: a packed text with a filler and nothing to fill", errStanza)
	}
	b, err := r.take(length & 127)
	if err != nil {
		return nil, err
	}
	var s strings.Builder
	for i, x := range b {
		for j, half := range [2]byte{x >> 4, x & 15} {
			if length&128 != 0 && i == len(b)-1 && j == 1 {
				if half != 15 {
					return nil, fmt.Errorf("%w: filler %d in a packed text", errStanza, half)
				}
				break
			}
			if int(half) >= len(alphabet) {
				return nil, fmt.Errorf("%w: half byte %d in a packed text", errStanza, half)
			}
			s.WriteByte(alphabet[half])
		}
	}
	return s.String(), nil
}

func (r *stanzaReader) jidPair(depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("%w: nested more than %d deep", errStanza, maxDepth)
	}
	if len(r.rest) > 0 && r.rest[0] == token.ListEmpty {
		r.rest = r.rest[1:]
		server, err := r.text(depth)
		return types.NewJID("", server), err
	}
	user, err := r.text(depth)
	if err != nil {
		return nil, err
	}
	server, err := r.text(depth)
	return types.NewJID(user, server), err
}

func (r *stanzaReader) deviceJID(depth int) (any, error) {
	if depth > maxDepth {
		return nil, fmt.Errorf("%w: nested more than %d deep", errStanza, maxDepth)
	}
	head, err := r.take(2)
	if err != nil {
		return nil, err
	}
	user, err := r.text(depth)
	return types.NewADJID(user, head[0], head[1]), err
}
