package app

import (
	"crypto/hkdf"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"

	"github.com/konsulin-care/konsulin-bot/auth"
)

// keys are the secrets that live in a file beside the database, never in it.
type keys struct {
	seal    []byte // seals links at rest
	replies []byte // keys the message ids of replies

	fingerprint string // of seal, for the database; says nothing about it
}

// sealKey is the key file's name in the data directory, when auth.seal_key_file names no other.
const sealKey = "seal.key"

// loadKeys reads the key file, making it on first start, and derives from it one key for each purpose.
func loadKeys(cfg Config) (keys, error) {
	path := cfg.Auth.SealKeyFile
	if path == "" {
		if err := os.MkdirAll(cfg.Storage.Dir, 0o700); err != nil {
			return keys{}, fmt.Errorf("storage.dir: %w", err)
		}
		path = filepath.Join(cfg.Storage.Dir, sealKey)
	}
	seal, err := auth.LoadSealKey(path)
	if err != nil {
		return keys{}, fmt.Errorf("auth.seal_key_file: %w", err)
	}
	replies, err := hkdf.Key(sha256.New, seal, nil, "konsulin-bot reply ids", sha256.Size)
	if err != nil {
		return keys{}, fmt.Errorf("derive the key of reply ids: %w", err)
	}
	mark, err := fingerprint(seal)
	if err != nil {
		return keys{}, err
	}
	return keys{seal: seal, replies: replies, fingerprint: mark}, nil
}

// fingerprint is what the database knows a sealing key by. It says nothing about the key.
func fingerprint(seal []byte) (string, error) {
	mark, err := hkdf.Key(sha256.New, seal, nil, "konsulin-bot key fingerprint", 16)
	if err != nil {
		return "", fmt.Errorf("derive the key's fingerprint: %w", err)
	}
	return hex.EncodeToString(mark), nil
}
