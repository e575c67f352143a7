#!/usr/bin/env bash
# The tests run on SQLite and on PostgreSQL. This makes sure that PostgreSQL's server programs are there: it installs
# them from the distribution's packages where it may, and otherwise says what to install.
set -euo pipefail

found() {
	command -v initdb >/dev/null && command -v postgres >/dev/null && return 0
	for dir in /usr/lib/postgresql/*/bin /usr/local/pgsql/bin /usr/pgsql-*/bin /opt/homebrew/opt/postgresql*/bin; do
		[ -x "$dir/initdb" ] && [ -x "$dir/postgres" ] && return 0
	done
	return 1
}

found && exit 0
sudo=""
[ "$(id -u)" = 0 ] || sudo="sudo -n"
if command -v apt-get >/dev/null && $sudo true 2>/dev/null; then
	echo "installing PostgreSQL for the tests"
	# No cluster of the distribution's own: the tests start and remove theirs.
	$sudo mkdir -p /etc/postgresql-common
	[ -e /etc/postgresql-common/createcluster.conf ] ||
		echo "create_main_cluster = false" | $sudo tee /etc/postgresql-common/createcluster.conf >/dev/null
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get update -q
	$sudo env DEBIAN_FRONTEND=noninteractive apt-get install -q -y --no-install-recommends postgresql
	found && exit 0
fi
echo "PostgreSQL's server programs (initdb, postgres) are needed for the tests and were not found." >&2
echo "Install them: apt-get install postgresql, dnf install postgresql-server, or brew install postgresql." >&2
exit 1
