package whatsapp

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"sync"

	"go.mau.fi/libsignal/ecc"
	"go.mau.fi/libsignal/logger"
	"go.mau.fi/whatsmeow"
	"go.mau.fi/whatsmeow/proto/waCert"
	"go.mau.fi/whatsmeow/util/keys"
	"google.golang.org/protobuf/proto"
)

// The certificate root is a variable of the client library, so there is one per process. Servers without a seed
// therefore share one root, which lets tests with a server each run in parallel.
var (
	processSeed = sync.OnceValue(func() []byte { return randomBytes(32) })
	trustMu     sync.Mutex
)

// libsignal prints to standard output until it is given a logger, and it keeps that logger in a variable without a
// lock. Setting it while the package is initialised is the only moment that cannot race with a running client.
var _ = silence()

type silentLogger struct{}

func (silentLogger) Debug(string, string)   {}
func (silentLogger) Info(string, string)    {}
func (silentLogger) Warning(string, string) {}
func (silentLogger) Error(string, string)   {}
func (silentLogger) Configure(string)       {}

func silence() bool {
	var l logger.Loggable = silentLogger{}
	logger.Setup(&l)
	return true
}

// Trust makes the client library accept servers with this root (see Server.RootKey). The root is process-wide: call
// it before a client connects. Calling it again with the same key changes nothing and is safe at any time.
func Trust(rootKey [32]byte) {
	trustMu.Lock()
	defer trustMu.Unlock()
	if whatsmeow.WACertPubKey != rootKey {
		whatsmeow.WACertPubKey = rootKey
	}
}

// authority is what a server proves itself with: a root, an intermediate certificate, and a leaf over the Noise key.
type authority struct {
	root  *keys.KeyPair
	noise *keys.KeyPair
	chain []byte // waCert.CertChain
}

// Serial numbers of the chain. The client wants the intermediate to be issued by serial 0.
const (
	rootSerial         = 0
	intermediateSerial = 1
	leafSerial         = 2
)

// Validity of the certificates. The client compares with its own clock, so these do not depend on Options.Now.
const (
	certNotBefore = 0
	certNotAfter  = 4102444800 // 2100-01-01
)

func newAuthority(seed []byte) (*authority, error) {
	shared := seed
	if shared == nil {
		shared, seed = processSeed(), randomBytes(32)
	}
	root, err := seededKey(shared, "root")
	if err != nil {
		return nil, err
	}
	intermediate, err := seededKey(seed, "intermediate")
	if err != nil {
		return nil, err
	}
	noise, err := seededKey(seed, "noise")
	if err != nil {
		return nil, err
	}
	middle, err := certify(root, intermediateSerial, rootSerial, intermediate)
	if err != nil {
		return nil, err
	}
	leaf, err := certify(intermediate, leafSerial, intermediateSerial, noise)
	if err != nil {
		return nil, err
	}
	chain, err := proto.Marshal(&waCert.CertChain{Leaf: leaf, Intermediate: middle})
	if err != nil {
		return nil, fmt.Errorf("encode certificate chain: %w", err)
	}
	return &authority{root: root, noise: noise, chain: chain}, nil
}

func certify(issuer *keys.KeyPair, serial, issuerSerial uint32, subject *keys.KeyPair) (*waCert.CertChain_NoiseCertificate, error) {
	details, err := proto.Marshal(&waCert.CertChain_NoiseCertificate_Details{
		Serial:       proto.Uint32(serial),
		IssuerSerial: proto.Uint32(issuerSerial),
		Key:          subject.Pub[:],
		NotBefore:    proto.Uint64(certNotBefore),
		NotAfter:     proto.Uint64(certNotAfter),
	})
	if err != nil {
		return nil, fmt.Errorf("encode certificate: %w", err)
	}
	signature := ecc.CalculateSignature(ecc.NewDjbECPrivateKey(*issuer.Priv), details)
	return &waCert.CertChain_NoiseCertificate{Details: details, Signature: signature[:]}, nil
}

func seededKey(seed []byte, use string) (*keys.KeyPair, error) {
	raw, err := hkdf.Key(sha256.New, seed, nil, "konsulin sandbox whatsapp "+use, 32)
	if err != nil {
		return nil, fmt.Errorf("derive %s key: %w", use, err)
	}
	raw[0] &= 248
	raw[31] = raw[31]&127 | 64
	return keys.NewKeyPairFromPrivateKey([32]byte(raw)), nil
}

func randomBytes(n int) []byte {
	b := make([]byte, n)
	rand.Read(b) // never fails: it ends the process instead
	return b
}
