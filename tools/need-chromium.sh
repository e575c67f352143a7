#!/usr/bin/env bash
# The browser tests drive a real Chromium. This makes sure that there is one: it installs it from the distribution's
# packages where it may, and otherwise says what to install.
set -euo pipefail

found() {
	[ -n "${CHROMIUM:-}" ] && [ -x "$CHROMIUM" ] && return 0
	for name in chromium chromium-browser google-chrome google-chrome-stable chrome; do
		command -v "$name" >/dev/null && return 0
	done
	return 1
}

found && exit 0
sudo=""
[ "$(id -u)" = 0 ] || sudo="sudo -n"
if command -v apt-get >/dev/null && $sudo true 2>/dev/null; then
	echo "installing Chromium for the browser tests"
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get update -q
	# Fonts: a page without glyphs would pass every test but the one by eye.
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends chromium fonts-dejavu-core
	found && exit 0
fi
echo "Chromium is needed for the browser tests and was not found." >&2
echo "Install it (apt-get install chromium, dnf install chromium), or name its program in CHROMIUM." >&2
exit 1
