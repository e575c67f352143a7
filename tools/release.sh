#!/usr/bin/env bash
# Builds the release: one static konsulin-bot for each of ARCHS, and SHA256SUMS, into the directory named first. The same
# commit, Go and C compiler give the same bytes, wherever and by whomever it is built.
#
# go-sqlite3 is C, so each platform needs a C compiler with a static C library. Debian and Ubuntu have them as gcc and, for the
# other platform, gcc-aarch64-linux-gnu or gcc-x86-64-linux-gnu. The C library's own name lookups, which a static binary
# cannot do, are left out (netgo, osusergo), and so is SQLite's loading of extensions.
set -euo pipefail
cd "$(dirname "$0")/.."

out=${1:-bin/release}
version=${VERSION:-$(git describe --tags --always --dirty)}
commit=$(git rev-parse HEAD)
mkdir -p "$out"
rm -f "$out"/konsulin-bot-* "$out"/SHA256SUMS

# compiler prints the C compiler for a platform.
compiler() {
	case $1 in
		amd64) triple=x86_64-linux-gnu package=gcc-x86-64-linux-gnu ;;
		arm64) triple=aarch64-linux-gnu package=gcc-aarch64-linux-gnu ;;
		*) echo "no such platform: $1" >&2; return 1 ;;
	esac
	if [ "$(go env GOHOSTARCH)" = "$1" ]; then echo "${CC:-gcc}"; return; fi
	command -v "$triple-gcc" || { echo "a C compiler for $1 is needed: apt-get install $package" >&2; return 1; }
}

for arch in ${ARCHS:-amd64 arm64}; do
	cc=$(compiler "$arch")
	file=konsulin-bot-$version-linux-$arch
	env GOFLAGS= GOOS=linux GOARCH="$arch" CGO_ENABLED=1 CC="$cc" CGO_CFLAGS="-O2 -g0" CGO_LDFLAGS= \
		go build -trimpath -buildvcs=false -tags netgo,osusergo,sqlite_omit_load_extension \
		-ldflags "-s -w -buildid= -X main.version=$version -X main.commit=$commit -linkmode external -extldflags '-static -Wl,--build-id=none'" \
		-o "$out/$file" ./cmd/konsulin-bot
	if readelf --dynamic "$out/$file" | grep -q NEEDED; then echo "$file is not static" >&2; exit 1; fi
done
(cd "$out" && sha256sum konsulin-bot-* | tee SHA256SUMS)
