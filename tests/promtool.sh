#!/usr/bin/env bash
# Takes promtool out of Debian's package prometheus into a cache outside the checkout and prints its path. Nothing is
# installed, and no service is set up. Does nothing if it is there already, or on the path.
# usage: tests/promtool.sh        BUILDREACH_CACHE overrides ~/.cache/buildreach-ci
set -euo pipefail
if command -v promtool; then
  exit 0
fi
tool=${BUILDREACH_CACHE:-$HOME/.cache/buildreach-ci}/promtool/promtool
if [ -x "$tool" ]; then
  echo "$tool"
  exit 0
fi
command -v apt-get >/dev/null && command -v dpkg-deb >/dev/null || { echo "promtool.sh: apt-get and dpkg-deb are needed" >&2; exit 1; }
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$work"
# A list of packages that is not there or too old: it is fetched, where that is allowed.
apt-get download prometheus >&2 || { apt-get update >&2 && apt-get download prometheus >&2; }
dpkg-deb --extract ./*.deb out
mkdir -p "$(dirname "$tool")"
mv out/usr/bin/promtool "$tool"
echo "$tool"
