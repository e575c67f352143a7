package whatsapp

import (
	"context"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waCompanionReg"
	"go.mau.fi/whatsmeow/proto/waWa6"
	"go.mau.fi/whatsmeow/store"
	"google.golang.org/protobuf/proto"
)

// dialTimeout bounds the opening of the websocket; whatsmeow bounds the handshake after it with 20 s of its own.
const dialTimeout = 30 * time.Second

// parallelRetries bounds how many requests to send a message again are worked at once.
const parallelRetries = 8

// link is whatsmeow's client for one device, with the wire that it speaks over.
type link struct {
	wa   *whatsmeow.Client
	wire *wire
}

// newLink makes a client for a device, set up the way this package relies on. ctx is its life.
func (c *Client) newLink(ctx context.Context, device *store.Device) link {
	if device.Initialized {
		// Names, chat settings and message secrets are of no use to the bot. Not keeping them keeps the phone's
		// address book and a list of who wrote out of the database.
		nothing := &store.NoopStore{}
		device.Contacts, device.ChatSettings, device.MsgSecrets = nothing, nothing, nothing
	}
	device.Container = keeper{device.Container}
	wa := whatsmeow.NewClient(device, quiet(c.log))
	wa.BackgroundEventCtx = ctx
	wa.SynchronousAck = true
	wa.EnableDecryptedEventBuffer = true
	wa.UseRetryMessageStore = true
	wa.EnableAutoReconnect = false      // the run loop does it: capped, with jitter, ended at once
	wa.DisableLoginAutoReconnect = true // as above
	wa.ManualHistorySyncDownload = true // old conversations stay on the phone
	wa.SetMaxParallelRetryReceiptHandling(parallelRetries)
	wa.GetClientPayload = c.payload(device)
	client, wire := c.httpClient()
	wa.SetWebsocketHTTPClient(client)
	wa.SetPreLoginHTTPClient(client)
	return link{wa: wa, wire: wire}
}

// payload introduces the device to WhatsApp under its configured name. whatsmeow would take the name from a variable
// that is shared by the whole process.
func (c *Client) payload(device *store.Device) func() *waWa6.ClientPayload {
	return func() *waWa6.ClientPayload {
		p := device.GetClientPayload()
		pairing := p.GetDevicePairingData()
		if pairing == nil {
			return p
		}
		var props waCompanionReg.DeviceProps
		if err := proto.Unmarshal(pairing.GetDeviceProps(), &props); err != nil {
			return p
		}
		props.Os = proto.String(c.cfg.DeviceName)
		if raw, err := proto.Marshal(&props); err == nil {
			pairing.DeviceProps = raw
		}
		return p
	}
}

func (c *Client) httpClient() (*http.Client, *wire) {
	client := &http.Client{}
	if c.cfg.HTTP != nil {
		*client = *c.cfg.HTTP
	} else if t, ok := http.DefaultTransport.(*http.Transport); ok {
		client.Transport = t.Clone()
	}
	if client.Timeout <= 0 {
		client.Timeout = dialTimeout // for opening the websocket only
	}
	w := &wire{next: client.Transport, open: map[*tap]struct{}{}}
	if w.next == nil {
		w.next = http.DefaultTransport
	}
	client.Transport = w
	return client, w
}

// hangUp ends the connection for good, if there is one, and all waiting for answers. whatsmeow's own Disconnect
// stops reading first, and then may leave a goroutine behind for ever, or race with a connection that breaks at the
// same moment. So the wire is cut, whatsmeow notices, and Disconnect finds nothing left to stop.
func (l link) hangUp() {
	l.wire.cut()
	for wait := time.Millisecond; l.wa.IsConnected() && wait < time.Second; wait *= 2 {
		time.Sleep(wait)
	}
	l.wa.ResetConnection()
	l.wa.Disconnect()
}

// wire opens the websocket and can cut it.
type wire struct {
	next http.RoundTripper
	mu   sync.Mutex
	open map[*tap]struct{}
}

// RoundTrip implements http.RoundTripper.
func (w *wire) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.next.RoundTrip(r)
	if err != nil {
		return nil, err
	}
	if stream, ok := resp.Body.(io.ReadWriteCloser); ok && resp.StatusCode == http.StatusSwitchingProtocols {
		t := &tap{ReadWriteCloser: stream, wire: w}
		w.mu.Lock()
		w.open[t] = struct{}{}
		w.mu.Unlock()
		resp.Body = t
	}
	return resp, nil
}

// cut breaks the connection, as a network does: its reader finds the end.
func (w *wire) cut() {
	w.mu.Lock()
	var taps []*tap
	for t := range w.open {
		taps = append(taps, t)
	}
	w.mu.Unlock()
	for _, t := range taps {
		_ = t.Close()
	}
}

// tap is the stream of an open websocket.
type tap struct {
	io.ReadWriteCloser
	wire *wire
}

// Close implements io.Closer.
func (t *tap) Close() error {
	t.wire.mu.Lock()
	delete(t.wire.open, t)
	t.wire.mu.Unlock()
	return t.ReadWriteCloser.Close()
}

// keeper stands before the store of an account and does not let whatsmeow delete it. After a logout whatsmeow empties
// the account in memory too, without a lock, while its other goroutines and ours still read it. The run loop deletes
// it instead, when they are done.
type keeper struct{ store.DeviceContainer }

var errKept = errors.New("left to the run loop")

// DeleteDevice implements store.DeviceContainer.
func (keeper) DeleteDevice(context.Context, *store.Device) error { return errKept }
