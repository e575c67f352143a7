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

// Write writes an archive of the named files of dir to w, which need not seek. m is what the manifest says beside the
// files; the whole manifest is returned.
func Write(w io.Writer, m Manifest, dir string, names ...string) (Manifest, error) {
	m.Format = format
	m.Files = nil
	for _, name := range names {
		f, err := describe(dir, name)
		if err != nil {
			return m, fmt.Errorf("write backup: %w", err)
		}
		m.Files = append(m.Files, f)
	}
	if err := m.check(); err != nil {
		return m, fmt.Errorf("write backup: %w", err)
	}
	archive := tar.NewWriter(w)
	if err := writeAll(archive, m, dir); err != nil {
		return m, fmt.Errorf("write backup: %w", err)
	}
	return m, nil
}

func writeAll(archive *tar.Writer, m Manifest, dir string) error {
	raw, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	if err := archive.WriteHeader(header(m, manifestName, int64(len(raw)))); err != nil {
		return err
	}
	if _, err := archive.Write(raw); err != nil {
		return err
	}
	for _, f := range m.Files {
		if err := writeFile(archive, m, filepath.Join(dir, f.Name), f); err != nil {
			return err
		}
	}
	return archive.Close()
}

func writeFile(archive *tar.Writer, m Manifest, path string, f File) (err error) {
	in, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	if err := archive.WriteHeader(header(m, f.Name, f.Size)); err != nil {
		return err
	}
	_, err = io.Copy(archive, in)
	return err
}

// header gives nobody but the owner a right to an unpacked file.
func header(m Manifest, name string, size int64) *tar.Header {
	return &tar.Header{Typeflag: tar.TypeReg, Name: name, Size: size, Mode: 0o600, ModTime: m.Made}
}

func describe(dir, name string) (_ File, err error) {
	in, err := os.Open(filepath.Join(dir, name))
	if err != nil {
		return File{}, err
	}
	defer func() { err = errors.Join(err, in.Close()) }()
	sum := sha256.New()
	size, err := io.Copy(sum, in)
	return File{Name: name, Size: size, SHA256: hex.EncodeToString(sum.Sum(nil))}, err
}
