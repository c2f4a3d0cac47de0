#!/usr/bin/env bash
# Builds the static program as the Dockerfile does, from exactly the files that .dockerignore lets through, and runs it as
# the image's user in a chroot that holds exactly the files that the image's last stage copies. No container runtime is
# needed. Arguments go to `cargo build`; without any it is a debug build without the client of AWS.
# usage: tests/image.sh [--profile dist] [--features aws]
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  echo "image.sh: $1" >&2
  exit 1
}
skip() {
  [ "${CI:-}" != true ] || fail "$1, and with CI=true no test may be skipped"
  echo "image.sh: skipped: $1" >&2
  exit 0
}
[ "$(uname -s)" = Linux ] || skip "the image is for Linux"
[ "$(id -u)" -eq 0 ] || skip "only root may change its root directory"
target=$(uname -m)-unknown-linux-gnu
grep -q "target=$target ;;" Dockerfile || skip "the Dockerfile has no build for $target"

work=$(mktemp -d)
server=
trap '[ -z "$server" ] || kill "$server" 2>/dev/null || true; rm -rf "$work"' EXIT
mkdir "$work/root"
targets=${CARGO_TARGET_DIR:-$PWD/target}

# The context, always in one place: the compiler keeps what it made by the path of its sources.
context=$targets/image-context
rm -rf "$context"
mkdir -p "$context"
[ "$(grep -v '^#' .dockerignore | head -n 1)" = '*' ] || fail ".dockerignore should begin with *"
sed -n 's/^!//p' .dockerignore | while read -r path; do cp -a "$path" "$context/"; done

# The program.
flags=$(sed -n 's/.*RUSTFLAGS="\([^"]*\)".*/\1/p' Dockerfile)
[ -n "$flags" ] || fail "the Dockerfile has no RUSTFLAGS"
folder=debug
for argument; do
  case $argument in
  --release) folder=release ;;
  --profile=*) folder=${argument#--profile=} ;;
  esac
  [ "${previous:-}" != --profile ] || folder=$argument
  previous=$argument
done
(cd "$context" && RUSTFLAGS=$flags CARGO_TARGET_DIR=$targets cargo build --locked --target "$target" "$@")
program=$targets/$target/$folder/buildreach
if readelf --program-headers "$program" | grep -q INTERP; then
  fail "$program is not static"
fi

# The files of the last stage, and who runs what.
stage=$(awk '/^FROM /{text = ""} {text = text $0 "\n"} END {printf "%s", text}' Dockerfile)
[ "$(echo "$stage" | head -n 1)" = 'FROM scratch' ] || fail "the last stage should begin with nothing"
copies=$(echo "$stage" | sed -n 's/^COPY --from=build //p')
[ "$(echo "$stage" | grep -c '^COPY\|^ADD')" -eq "$(echo "$copies" | wc -l)" ] || fail "a COPY is not of the form that is understood here"
while read -r from to; do
  [ "$from" != /image/buildreach ] || from=$program
  [ -f "$from" ] || fail "$from is missing: the Debian package ca-certificates has the public roots"
  mkdir -p "$work/root$(dirname "$to")"
  cp -L "$from" "$work/root$to"
done <<<"$copies"
user=$(echo "$stage" | sed -n 's/^USER //p')
entry=$(echo "$stage" | sed -n 's/^ENTRYPOINT \["\(.*\)"\]$/\1/p')
[ -n "$user" ] && [ -x "$work/root$entry" ] || fail "USER and ENTRYPOINT are not understood"
chmod 755 "$work" "$work/root"
chroot=$(PATH=$PATH:/usr/sbin:/sbin command -v chroot) || fail "there is no chroot"
inside() {
  env -i "$chroot" --userspec="$user" "$work/root" "$entry" "$@"
}

inside --help >"$work/help"
grep -q 'audit' "$work/help" || fail "--help says nothing"
status=0
inside audit --demo >"$work/demo" || status=$?
[ "$status" -eq 1 ] || fail "audit --demo should end with 1, for it holds findings, not with $status"
grep -q 'BR-DNS-001' "$work/demo" || fail "audit --demo does not report what it should"

# A name is looked up in DNS and in /etc/hosts, which the kubelet brings, without any library beside the program. In a
# network of its own nothing else answers.
unshare --net true 2>/dev/null || skip "no network namespace is to be had, so the look-up of names is not tested"
mkdir -p "$work/root/etc"
echo 'nameserver 127.0.0.1' >"$work/root/etc/resolv.conf"
echo '127.0.0.1 listed.buildreach.example' >"$work/root/etc/hosts"
for name in asked listed; do
  cat >"$work/root/$name" <<KUBECONFIG
apiVersion: v1
kind: Config
current-context: a
contexts: [{name: a, context: {cluster: a, user: a}}]
clusters: [{name: a, cluster: {server: "https://$name.buildreach.example:6443"}}]
users: [{name: a, user: {token: a}}]
KUBECONFIG
done
cat >"$work/server.py" <<'PYTHON'
"""Answers questions for the address asked.buildreach.example, and prints the server names of TLS connections."""
import re, socket, sys, threading
def names():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 53))
        ready.release()
        while True:
            question, peer = server.recvfrom(512)
            is_a = question[-4:] == b"\x00\x01\x00\x01" and b"\x05asked\x0abuildreach\x07example\x00" in question
            head = question[:2] + b"\x81\x80\x00\x01" + (b"\x00\x01" if is_a else b"\x00\x00") + b"\x00\x00\x00\x00"
            # Without what follows the question (EDNS), and with a pointer to its name.
            end = question.index(b"\x00", 12) + 5
            answer = b"\xc0\x0c\x00\x01\x00\x01\x00\x00\x00\x3c\x00\x04\x7f\x00\x00\x01" if is_a else b""
            server.sendto(head + question[12:end] + answer, peer)
def connections():
    with socket.create_server(("127.0.0.1", 6443)) as server:
        ready.release()
        while True:
            client, _ = server.accept()
            with client:
                for name in re.findall(rb"[a-z]+\.buildreach\.example", client.recv(4096)):
                    print(name.decode(), flush=True)
ready = threading.Semaphore(0)
for run in names, connections:
    threading.Thread(target=run, daemon=True).start()
ready.acquire(); ready.acquire()
print("ready", flush=True)
sys.stdin.read()
PYTHON
export work user entry chroot
unshare --net bash -euo pipefail -c '
  ip link set lo up
  mkfifo "$work/end"
  python3 "$work/server.py" <"$work/end" >"$work/seen" &
  exec 9>"$work/end"
  for _ in $(seq 100); do grep -q ready "$work/seen" && break; sleep 0.1; done
  for name in asked listed; do
    env -i "$chroot" --userspec="$user" "$work/root" "$entry" audit --preflight --kubeconfig "/$name" >/dev/null 2>"$work/$name.err" || true
  done
  exec 9>&-
  wait
'
for name in asked listed; do
  grep -q "^$name.buildreach.example" "$work/seen" || fail "$name.buildreach.example was not reached: $(cat "$work/$name.err")"
done
echo "image.sh: the program runs among the files of the image and looks names up"
