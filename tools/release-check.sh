#!/usr/bin/env bash
# Checks the release in the directory named first (built by tools/release.sh): each binary runs in a root directory that holds
# nothing but it and a configuration file, a foreign one under qemu-user where that is installed; and, unless REBUILD=no, a
# second build from a fresh clone with an empty build cache has the same bytes.
set -euo pipefail
cd "$(dirname "$0")/.."

out=$(cd "${1:-bin/release}" && pwd)
work=$(mktemp -d)
pid=
trap '[ -z "$pid" ] || kill -KILL "$pid" 2>/dev/null || true; rm -rf "$work"' EXIT

fail() { echo "release-check: $*" >&2; exit 1; }

# inside runs a command in the empty root.
inside() { env -i PATH="$PATH" TZ="${TZ-}" "${enter[@]}" "$root" "${runner[@]}" /konsulin-bot "$@"; }

enter=(chroot)
[ "$(id -u)" = 0 ] || enter=(unshare --user --map-root-user chroot)

empty_root() {
	local binary=$1 port=$2
	root=$(mktemp -d "$work/root-XXXX")
	cp "$binary" "$root/konsulin-bot"
	[ "${#runner[@]}" = 0 ] || cp "$(command -v "$(basename "${runner[0]}")")" "$root${runner[0]}"
	cat >"$root/config.yaml" <<-YAML
		whatsapp: {number: "+6281110002000"}
		storage: {dir: /data}
		http: {listen: "127.0.0.1:$port"}
		auth: {core_uri: "http://127.0.0.1:1"}
	YAML
	inside version --json
	inside config check
	inside migrate
	# Not through a function: the signal is for the process itself.
	env -i PATH="$PATH" "${enter[@]}" "$root" "${runner[@]}" /konsulin-bot serve 2>"$work/log" &
	pid=$!
	for _ in $(seq 300); do inside health 2>/dev/null && break; sleep 0.2; done
	inside health >/dev/null || fail "serve does not come up in an empty root: $(tail -n 5 "$work/log")"
	inside backup /backup.tar
	kill -TERM "$pid"
	wait "$pid" || fail "serve does not end cleanly in an empty root: $(tail -n 5 "$work/log")"
	pid=
	inside restore --replace /backup.tar
	[ "$(TZ=Asia/Jakarta inside audit)" != "$(TZ=UTC inside audit)" ] || fail "there are no time zones in the binary"
	go version -m "$binary" | grep -q x509roots/fallback || fail "there are no certificate authorities in the binary"
}

port=$((20000 + RANDOM % 20000))
(cd "$out" && sha256sum --check --quiet SHA256SUMS)
for binary in "$out"/konsulin-bot-*-linux-*; do
	arch=${binary##*-}
	runner=()
	if [ "$arch" != "$(go env GOHOSTARCH)" ]; then
		emulator=qemu-$([ "$arch" = arm64 ] && echo aarch64 || echo x86_64)-static
		if ! command -v "$emulator" >/dev/null; then echo "$arch: not run, there is no $emulator (package qemu-user-static)"; continue; fi
		runner=("/$emulator")
	fi
	port=$((port + 1))
	empty_root "$binary" "$port"
	echo "$arch: runs in an empty root directory"
done

if [ "${REBUILD:-yes}" = yes ]; then
	git clone -q --no-hardlinks . "$work/clone"
	git -C "$work/clone" checkout -q "$(git rev-parse HEAD)"
	GOCACHE=$work/cache VERSION=${VERSION:-$(git describe --tags --always --dirty)} "$work/clone/tools/release.sh" "$work/second" >/dev/null
	diff "$out/SHA256SUMS" "$work/second/SHA256SUMS" || fail "two builds differ"
	echo "two builds have the same bytes"
fi
