package auth

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// sealKeySize is the size of the key that links are sealed with, in bytes (AES-256).
const sealKeySize = 32

var errSeal = errors.New("the seal does not open: written with another key, or for another reply")

// LoadSealKey reads the key that links are sealed with: a file of 32 random bytes that only its owner may read. When
// there is no such file it is made. Whoever has this file and the database can read links that still live; a lost
// key costs only the links that are on their way.
func LoadSealKey(path string) ([]byte, error) {
	key, err := readSealKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, err
	}
	if err := writeSealKey(path); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, fmt.Errorf("make seal key: %w", err)
	}
	return readSealKey(path)
}

func readSealKey(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("read seal key: %w", err)
	}
	defer func() { _ = f.Close() }()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("read seal key: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read seal key: %s is not a file", path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("read seal key: %s has mode %04o, so others can read it; run: chmod 600 %s", path, info.Mode().Perm(), path)
	}
	key, err := io.ReadAll(io.LimitReader(f, sealKeySize+1))
	if err != nil {
		return nil, fmt.Errorf("read seal key: %w", err)
	}
	if len(key) != sealKeySize || info.Size() != sealKeySize {
		return nil, fmt.Errorf("read seal key: %s has %d bytes, a key has %d; remove the file to have a new one made", path, info.Size(), sealKeySize)
	}
	return key, nil
}

// writeSealKey makes the file in one step: of two processes that start together one wins, and nobody ever sees half a
// key.
func writeSealKey(path string) error {
	key := make([]byte, sealKeySize)
	if _, err := rand.Read(key); err != nil {
		return err
	}
	tmp, err := os.CreateTemp(filepath.Dir(path), ".seal-key-*") // mode 0600
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(tmp.Name()) }()
	_, err = tmp.Write(key)
	if err = errors.Join(err, tmp.Sync(), tmp.Close()); err != nil {
		return err
	}
	return os.Link(tmp.Name(), path)
}

// secret is what makes a link a link.
type secret struct {
	URL      string `json:"url"`
	LinkCode string `json:"code"`
}

// Format keeps every verb of fmt from printing the link.
func (secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "(secret)") }

// sealer seals links for storage.
type sealer struct{ aead cipher.AEAD }

func newSealer(key []byte) (sealer, error) {
	if len(key) != sealKeySize {
		return sealer{}, fmt.Errorf("the seal key has %d bytes instead of %d", len(key), sealKeySize)
	}
	block, err := aes.NewCipher(key)
	if err != nil {
		return sealer{}, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return sealer{aead}, err
}

// seal binds the link to its reply: moved to another record it does not open.
func (s sealer) seal(replyID string, x secret) ([]byte, error) {
	plain, err := json.Marshal(x)
	if err != nil {
		return nil, err
	}
	return s.aead.Seal(nil, nil, plain, boundTo(replyID)), nil
}

func (s sealer) open(replyID string, sealed []byte) (secret, error) {
	plain, err := s.aead.Open(nil, nil, sealed, boundTo(replyID))
	if err != nil {
		return secret{}, errSeal
	}
	var x secret
	if err := json.Unmarshal(plain, &x); err != nil || x.URL == "" || x.LinkCode == "" {
		return secret{}, errSeal
	}
	return x, nil
}

func boundTo(replyID string) []byte { return []byte("konsulin-bot link 1\x00" + replyID) }
