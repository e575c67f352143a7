#!/bin/sh
# Runs the interoperability tests of fhir/ against an independent FHIR server: the one at FHIR_BASE_URL, or one that this
# script starts on a free port of loopback and stops again.
set -eu
here=$(cd "$(dirname "$0")" && pwd)

if [ -z "${FHIR_BASE_URL:-}" ]; then
	command -v node >/dev/null || { echo "interop: needs Node 20 or later, or FHIR_BASE_URL" >&2; exit 1; }
	(cd "$here" && npm ci --no-audit --no-fund --loglevel=error)
	out=$(mktemp)
	node "$here/server.mjs" >"$out" &
	server=$!
	trap 'kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; rm -f "$out"' EXIT
	trap 'exit 130' INT TERM
	tries=0
	while [ ! -s "$out" ]; do
		kill -0 "$server" 2>/dev/null || { echo "interop: the FHIR server did not start" >&2; exit 1; }
		tries=$((tries + 1))
		[ "$tries" -le 300 ] || { echo "interop: the FHIR server did not start within 30 s" >&2; exit 1; }
		sleep 0.1
	done
	FHIR_BASE_URL=$(cat "$out")
	export FHIR_BASE_URL
fi
cd "$here/../.."
go test -count 1 -run Interop ./fhir
