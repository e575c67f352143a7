#!/usr/bin/env bash
# The browser tests check every page with axe-core. This fetches the version of tools/axe into a cache outside the
# repository and prints where its script is. AXE_CORE names a copy that is there already.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)

if [ -n "${AXE_CORE:-}" ]; then
	echo "$AXE_CORE"
	exit 0
fi
wanted=$(sha256sum "$here/axe/package-lock.json" | cut -c1-12)
cache="${XDG_CACHE_HOME:-$HOME/.cache}/konsulin-bot/axe-$wanted"
script="$cache/node_modules/axe-core/axe.min.js"
if [ ! -s "$script" ]; then
	if ! command -v npm >/dev/null; then
		sudo=""
		[ "$(id -u)" = 0 ] || sudo="sudo -n"
		if command -v apt-get >/dev/null && $sudo true 2>/dev/null; then
			echo "installing npm to fetch axe-core" >&2
			$sudo env DEBIAN_FRONTEND=noninteractive apt-get update -q >&2
			$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends npm >&2
		fi
	fi
	command -v npm >/dev/null || {
		echo "npm is needed to fetch axe-core for the browser tests; install it, or name a copy in AXE_CORE." >&2
		exit 1
	}
	mkdir -p "$cache"
	cp "$here/axe/package.json" "$here/axe/package-lock.json" "$cache/"
	(cd "$cache" && npm ci --no-audit --no-fund --loglevel=error >&2)
fi
echo "$script"
