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

// loadKeys reads the key file, making it on first start, and derives from it one key for each purpose.
func loadKeys(cfg Config) (keys, error) {
	path := cfg.Auth.SealKeyFile
	if path == "" {
		if err := os.MkdirAll(cfg.Storage.Dir, 0o700); err != nil {
			return keys{}, fmt.Errorf("storage.dir: %w", err)
		}
		path = filepath.Join(cfg.Storage.Dir, "seal.key")
	}
	seal, err := auth.LoadSealKey(path)
	if err != nil {
		return keys{}, fmt.Errorf("auth.seal_key_file: %w", err)
	}
	replies, err := hkdf.Key(sha256.New, seal, nil, "konsulin-bot reply ids", sha256.Size)
	if err != nil {
		return keys{}, fmt.Errorf("derive the key of reply ids: %w", err)
	}
	mark, err := hkdf.Key(sha256.New, seal, nil, "konsulin-bot key fingerprint", 16)
	if err != nil {
		return keys{}, fmt.Errorf("derive the key's fingerprint: %w", err)
	}
	return keys{seal: seal, replies: replies, fingerprint: hex.EncodeToString(mark)}, nil
}
