package backup

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
)

// Read unpacks an archive into dir, each file with mode 0600, and answers with its manifest. All of it was there, with
// the sizes and checksums that the manifest says, or the error says what is wrong and what is in dir must not be used.
func Read(r io.Reader, dir string) (Manifest, error) {
	archive := tar.NewReader(r)
	m, err := readManifest(archive)
	if err != nil {
		return Manifest{}, fmt.Errorf("read backup: %w", err)
	}
	for _, want := range m.Files {
		if err := readFile(archive, dir, want); err != nil {
			return Manifest{}, fmt.Errorf("read backup: %s: %w", want.Name, err)
		}
	}
	if _, err := archive.Next(); !errors.Is(err, io.EOF) {
		return Manifest{}, fmt.Errorf("read backup: %w", ErrDamaged)
	}
	return m, nil
}

func readManifest(archive *tar.Reader) (Manifest, error) {
	h, err := archive.Next()
	if err != nil || h.Name != manifestName || h.Typeflag != tar.TypeReg || h.Size > maxManifest {
		return Manifest{}, ErrNotABackup
	}
	raw, err := io.ReadAll(archive)
	if err != nil {
		return Manifest{}, ErrDamaged
	}
	var m Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return Manifest{}, ErrNotABackup
	}
	return m, m.check()
}

func readFile(archive *tar.Reader, dir string, want File) (err error) {
	h, err := archive.Next()
	if err != nil || h.Name != want.Name || h.Typeflag != tar.TypeReg || h.Size != want.Size {
		return ErrDamaged
	}
	out, err := os.OpenFile(filepath.Join(dir, want.Name), os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, out.Close()) }()
	sum := sha256.New()
	switch n, err := io.Copy(io.MultiWriter(out, sum), archive); {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return ErrDamaged
	case err != nil:
		return err
	case n != want.Size || hex.EncodeToString(sum.Sum(nil)) != want.SHA256:
		return ErrDamaged
	}
	return out.Sync()
}
