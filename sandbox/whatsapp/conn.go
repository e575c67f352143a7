package whatsapp

import (
	"context"
	"crypto/cipher"
	"errors"
	"net/http"
	"sync"
	"time"

	"github.com/coder/websocket"
	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/socket"
	"go.mau.fi/whatsmeow/types"
)

const handshakeTimeout = 20 * time.Second

// conn is one connection of a client. Its owner is the goroutine of the HTTP handler: it reads, and it waits for the
// writer before it returns.
type conn struct {
	srv    *Server
	ws     *websocket.Conn
	ctx    context.Context // ends when the connection does
	cancel context.CancelFunc

	read, write       cipher.AEAD // after the handshake
	readNo, writeNo   uint32
	frames            frameReader
	static            [32]byte // the client's Noise key
	payload           *waWa6.ClientPayload
	device            *Device  // after login
	pairing           *pairing // before a link exists
	outMu             sync.Mutex
	out               []outgoing
	wake              chan struct{} // has room for one
	waitMu            sync.Mutex
	waiters           map[string]chan *waBinary.Node // answers to our own queries
	closeAfterLastOut bool
}

func (s *Server) serveHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/ws/chat" || r.Header.Get("Origin") != socket.Origin {
		s.complain("refused %s %s%s (origin %q)", r.Method, r.Host, r.URL.Path, r.Header.Get("Origin"))
		http.NotFound(w, r)
		return
	}
	done := make(chan struct{})
	if !s.spawn(func() { <-done }) {
		return
	}
	defer close(done)
	ws, err := websocket.Accept(w, r, nil)
	if err != nil {
		s.complain("websocket: %v", err)
		return
	}
	ws.SetReadLimit(maxFrame)
	c := &conn{srv: s, ws: ws, wake: make(chan struct{}, 1), waiters: map[string]chan *waBinary.Node{}}
	c.ctx, c.cancel = context.WithCancel(s.ctx)
	c.serve()
}

// serve owns the connection from the first byte to the last.
func (c *conn) serve() {
	defer func() { _ = c.ws.CloseNow() }()
	defer c.cancel()
	if err := c.handshake(); err != nil {
		if errors.Is(err, errHandshake) || errors.Is(err, errFrame) {
			c.srv.complain("%v", err)
		}
		return
	}
	var writer sync.WaitGroup
	writer.Go(func() {
		defer c.cancel() // a connection that cannot write is over
		c.writeLoop()
	})
	defer writer.Wait()
	defer c.cancel()
	c.start()
	defer c.finish()
	for {
		frames, err := c.readFrames(c.ctx)
		if err != nil {
			if errors.Is(err, errFrame) {
				c.srv.complain("%v", err)
			}
			return
		}
		for _, frame := range frames {
			if err := c.receive(frame); err != nil {
				c.srv.complain("%v", err)
				return
			}
		}
	}
}

func (c *conn) handshake() error {
	ctx, cancel := context.WithTimeout(c.ctx, handshakeTimeout)
	defer cancel()
	r, err := newResponder(c.srv.authority)
	if err != nil {
		return err
	}
	hello, err := c.readOne(ctx)
	if err != nil {
		return err
	}
	answer, err := r.serverHello(hello)
	if err != nil {
		return err
	}
	if err := c.writeFrame(ctx, append(make([]byte, socket.FrameLengthSize), answer...)); err != nil {
		return err
	}
	finish, err := c.readOne(ctx)
	if err != nil {
		return err
	}
	if c.static, c.payload, err = r.clientFinish(finish); err != nil {
		return err
	}
	c.read, c.write, err = r.split()
	return err
}

// readOne reads one frame while the two sides still take turns.
func (c *conn) readOne(ctx context.Context) ([]byte, error) {
	for {
		frames, err := c.readFrames(ctx)
		if err != nil {
			return nil, err
		}
		switch len(frames) {
		case 0:
		case 1:
			return frames[0], nil
		default:
			return nil, errHandshake
		}
	}
}

func (c *conn) readFrames(ctx context.Context) ([][]byte, error) {
	kind, message, err := c.ws.Read(ctx)
	if err != nil {
		return nil, err
	}
	if kind != websocket.MessageBinary {
		return nil, errFrame
	}
	return c.frames.feed(message)
}

// receive decrypts and handles one frame.
func (c *conn) receive(frame []byte) error {
	plain, err := c.read.Open(frame[:0], nonce(c.readNo), frame, nil)
	if err != nil {
		return err
	}
	c.readNo++
	n, err := decodeStanza(plain)
	if err != nil {
		return err
	}
	c.handle(n)
	return nil
}

// start begins the session that the client asked for.
func (c *conn) start() {
	if c.payload.DevicePairingData != nil {
		c.startPairing()
		return
	}
	c.login()
}

// finish undoes what others know of this connection.
func (c *conn) finish() {
	if c.pairing != nil {
		c.endPairing()
	}
	if c.device != nil {
		c.device.detach(c)
	}
	c.waitMu.Lock()
	defer c.waitMu.Unlock()
	for id, w := range c.waiters {
		close(w)
		delete(c.waiters, id)
	}
}

// ask sends a query to the client and waits for its answer.
func (c *conn) ask(ctx context.Context, n waBinary.Node) (*waBinary.Node, error) {
	id := c.srv.nextID()
	answer := make(chan *waBinary.Node, 1)
	c.waitMu.Lock()
	if c.ctx.Err() != nil {
		c.waitMu.Unlock()
		return nil, errGone
	}
	c.waiters[id] = answer
	c.waitMu.Unlock()
	n.Attrs["id"] = id
	n.Attrs["from"] = types.ServerJID
	c.send(n)
	select {
	case got, ok := <-answer:
		if !ok {
			return nil, errGone
		}
		return got, nil
	case <-c.ctx.Done():
		return nil, errGone
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}

// answered gives an iq result or error to whoever asked, and tells whether somebody did.
func (c *conn) answered(n *waBinary.Node) bool {
	id, _ := n.Attrs["id"].(string)
	c.waitMu.Lock()
	defer c.waitMu.Unlock()
	w, ok := c.waiters[id]
	if ok {
		delete(c.waiters, id)
		w <- n
	}
	return ok
}

var errGone = errors.New("the client hung up")
