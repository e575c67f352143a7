package whatsapp

import (
	"bytes"
	"errors"
	"reflect"
	"testing"

	waBinary "go.mau.fi/whatsmeow/binary"
	"go.mau.fi/whatsmeow/proto/waAdv"
	"go.mau.fi/whatsmeow/types"
	"google.golang.org/protobuf/proto"
)

// The seeds of these targets are under testdata/fuzz: stanzas and messages of a real client, and broken ones.

// FuzzFrames promises that frames do not depend on how a stream is cut, and that bad ones are errors.
func FuzzFrames(f *testing.F) {
	f.Fuzz(func(t *testing.T, stream []byte, cut uint16) {
		var whole, halves frameReader
		want, err := whole.feed(bytes.Clone(stream))
		at := min(int(cut), len(stream))
		first, errFirst := halves.feed(bytes.Clone(stream[:at]))
		if errFirst != nil {
			if err == nil || !errors.Is(errFirst, errFrame) {
				t.Fatalf("whole: %v, first part: %v", err, errFirst)
			}
			return
		}
		second, errSecond := halves.feed(bytes.Clone(stream[at:]))
		if (err == nil) != (errSecond == nil) {
			t.Fatalf("whole: %v, in parts: %v", err, errSecond)
		}
		if err != nil {
			return
		}
		got := append(first, second...)
		if len(got) != len(want) {
			t.Fatalf("%d frames, in parts %d", len(want), len(got))
		}
		for i := range want {
			if !bytes.Equal(got[i], want[i]) {
				t.Fatalf("frame %d differs", i)
			}
		}
	})
}

// FuzzStanza promises that whatever a client sends after the handshake is either read or an error.
func FuzzStanza(f *testing.F) {
	f.Fuzz(func(t *testing.T, plain []byte) {
		n, err := decodeStanza(plain)
		if err != nil {
			if !errors.Is(err, errStanza) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		if flags := plain[0]; flags&2 == 0 { // what we accept, the library reads the same way
			theirs, err := waBinary.Unmarshal(plain[1:])
			if err != nil || !reflect.DeepEqual(n, theirs) {
				t.Fatalf("the library reads %v (%v) where we read %v", theirs, err, n)
			}
		}
		_ = describe(n)
		if m, err := decodeSending(n); err == nil && (m.id == "" || len(m.parcels) == 0) {
			t.Fatalf("an empty message was accepted: %s", describe(n))
		}
		if p, err := decodePublicKeys(n); err == nil && !signedBy(p.identity, p.signed) {
			t.Fatal("keys without a signature were accepted")
		}
		_, _ = decodeRetryKeys(n)
		_ = ids(n, "")
	})
}

// FuzzHandshake promises that a handshake of somebody else's making ends in an error.
func FuzzHandshake(f *testing.F) {
	authority, err := newAuthority([]byte("fuzz"))
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, hello, finish []byte) {
		r, err := newResponder(authority)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.serverHello(hello); err != nil {
			if !errors.Is(err, errHandshake) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		if _, _, err := r.clientFinish(finish); !errors.Is(err, errHandshake) {
			t.Fatalf("accepted, or an error of another kind: %v", err)
		}
	})
}

// FuzzClientPayload promises that a client's description of itself is complete or an error.
func FuzzClientPayload(f *testing.F) {
	f.Fuzz(func(t *testing.T, plain []byte) {
		p, err := decodeClientPayload(plain)
		if err != nil {
			if !errors.Is(err, errHandshake) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		if p.DevicePairingData == nil {
			return
		}
		got, err := decodeRegistration(p.DevicePairingData)
		if err != nil && !errors.Is(err, errPairing) {
			t.Fatalf("an error of another kind: %v", err)
		}
		if err == nil && !signedBy(got.identity, got.signed) {
			t.Fatal("a registration without a signature was accepted")
		}
	})
}

// FuzzQR promises that a QR code is read whole or not at all.
func FuzzQR(f *testing.F) {
	f.Fuzz(func(t *testing.T, code string) {
		qr, err := decodeQR(code)
		if err != nil {
			if !errors.Is(err, errPairing) {
				t.Fatalf("an error of another kind: %v", err)
			}
			return
		}
		if len(qr.secret) != 32 {
			t.Fatalf("a secret of %d bytes", len(qr.secret))
		}
	})
}

// FuzzPairing promises that nobody is linked by what they make up: neither a signature nor a key bundle.
func FuzzPairing(f *testing.F) {
	server, err := New(Options{Seed: []byte("fuzz")})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { _ = server.Close() })
	account, err := server.NewAccount("6281100000001", "100000000000001")
	if err != nil {
		f.Fatal(err)
	}
	d := account.newDevice([32]byte{1}, publicKeys{identity: [32]byte{2}})
	endorsed, err := account.endorse(d)
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		for _, identity := range [][]byte{raw, resigned(endorsed, raw)} {
			answer := &waBinary.Node{Tag: "iq", Attrs: waBinary.Attrs{"type": "result"}, Content: children(
				waBinary.Node{Tag: "pair-device-sign", Content: children(
					waBinary.Node{Tag: "device-identity", Attrs: waBinary.Attrs{"key-index": "1"}, Content: identity},
				)},
			)}
			if _, err := verifyDeviceSign(answer, endorsed, d.identity); !errors.Is(err, errPairing) {
				t.Fatalf("accepted, or an error of another kind: %v", err)
			}
		}
		if _, err := openBundle(make([]byte, 32), raw); !errors.Is(err, errPairing) && !errors.Is(err, ErrWrongCode) {
			t.Fatalf("accepted, or an error of another kind: %v", err)
		}
		reg, err := decodeStanza(raw)
		if err != nil {
			return
		}
		c := &conn{srv: server}
		if code, err := c.decodeHello(reg); err == nil && (code.account != account || len(code.wrapped) != codeWrapped) {
			t.Fatalf("accepted: %s", describe(reg))
		}
	})
}

// resigned is the phone's endorsement with a signature of somebody else.
func resigned(endorsed *waAdv.ADVSignedDeviceIdentity, raw []byte) []byte {
	signature := make([]byte, 64)
	copy(signature, raw)
	out, err := proto.Marshal(&waAdv.ADVSignedDeviceIdentity{
		Details: endorsed.Details, AccountSignature: endorsed.AccountSignature, DeviceSignature: signature,
	})
	if err != nil {
		panic(err)
	}
	return out
}

// FuzzCiphertext promises that a phone reads nothing that was not encrypted for it, and does not fall over it.
func FuzzCiphertext(f *testing.F) {
	phone := newRatchets()
	sender := types.NewJID("100000000000001", types.HiddenUserServer).SignalAddress()
	f.Fuzz(func(t *testing.T, first bool, sealed []byte) {
		kind := encSession
		if first {
			kind = encFirst
		}
		if _, err := phone.decrypt(sender, kind, sealed, [32]byte{}); err == nil {
			t.Fatal("accepted")
		}
		_, _ = unpad(sealed)
	})
}
