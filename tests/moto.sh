#!/usr/bin/env bash
# Installs moto, a server that answers as EC2 does, from PyPI into a cache outside the checkout and prints the path of
# its program. Does nothing if it is there already.
# usage: tests/moto.sh        BUILDREACH_CACHE overrides ~/.cache/buildreach-ci
set -euo pipefail
moto=5.2.5
cache=${BUILDREACH_CACHE:-$HOME/.cache/buildreach-ci}
venv=$cache/moto-$moto
if [ ! -e "$venv/complete" ]; then
  command -v python3 >/dev/null || { echo "moto.sh: python3 is needed to install moto" >&2; exit 1; }
  rm -rf "$venv"
  python3 -m venv "$venv" >&2
  "$venv/bin/pip" install --quiet --disable-pip-version-check "moto[server,ec2]==$moto" >&2
  touch "$venv/complete"
fi
echo "$venv/bin/moto_server"
