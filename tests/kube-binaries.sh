#!/usr/bin/env bash
# Builds kube-apiserver, kube-controller-manager and etcd through the Go module proxy into a cache outside the
# checkout and prints the folder that holds them. Does nothing if they are there already.
# usage: tests/kube-binaries.sh        BUILDREACH_CACHE overrides ~/.cache/buildreach-ci
set -euo pipefail
kube=1.36.3   # a server version that k8s-openapi's feature set covers
etcd=3.6.10   # the etcd that this Kubernetes minor is tested with
cache=${BUILDREACH_CACHE:-$HOME/.cache/buildreach-ci}
bin=$cache/kube-$kube-controllers-etcd-$etcd
programs=(kube-apiserver kube-controller-manager)
complete=true
for program in "${programs[@]}" etcd; do
  [ -x "$bin/$program" ] || complete=false
done
if $complete; then
  echo "$bin"
  exit 0
fi
command -v go >/dev/null || { echo "kube-binaries.sh: go is needed to build ${programs[*]} and etcd" >&2; exit 1; }
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
mkdir -p "$work/kube" "$work/etcd" "$work/out" "$bin"

# `go install pkg@version` refuses k8s.io/kubernetes because of its replace directives, so a
# throw-away module pins every staging module to the release itself.
cd "$work/kube"
go mod init example.invalid/kube >/dev/null 2>&1
go mod edit -require="k8s.io/kubernetes@v$kube"
mod=$(go mod download -json "k8s.io/kubernetes@v$kube" | sed -n 's/^[[:space:]]*"GoMod": "\(.*\)",*$/\1/p')
for m in $(awk '$2 == "v0.0.0" && $1 ~ /^k8s\.io\// {print $1}' "$mod" | sort -u); do
  go mod edit -replace="$m=$m@v0.${kube#1.}"
done
for program in "${programs[@]}"; do
  go get -tool "k8s.io/kubernetes/cmd/$program@v$kube" >&2
done
version=k8s.io/component-base/version
minor=$(echo "$kube" | cut -d. -f2)
CGO_ENABLED=0 GOFLAGS=-trimpath go build -o "$work/out/" \
  -ldflags "-s -w -X $version.gitVersion=v$kube -X $version.gitMajor=1 -X $version.gitMinor=$minor" \
  "${programs[@]/#/k8s.io/kubernetes/cmd/}" >&2

cd "$work/etcd"
go mod init example.invalid/etcd >/dev/null 2>&1
go get "go.etcd.io/etcd/server/v3@v$etcd" >&2
CGO_ENABLED=0 GOFLAGS=-trimpath go build -ldflags '-s -w' -o "$work/out/etcd" go.etcd.io/etcd/server/v3 >&2

mv "$work/out"/* "$bin/"
echo "$bin"
