#!/usr/bin/env bash
# Fetches what the tests of the chart need into a cache outside the checkout and prints the folder that holds it:
#   helm, kubeconform, monitoring-check   built through the Go module proxy
#   promtool                              see tests/promtool.sh
#   schemas/vX.Y.Z-local-strict/          JSON schemas of the Kubernetes API, out of the wheel of `kubernetes-validate`
# Does nothing if they are there already.
# usage: tests/chart-tools.sh        BUILDREACH_CACHE overrides ~/.cache/buildreach-ci
set -euo pipefail
helm=4.2.4
kubeconform=0.8.0
operator=0.95.2       # the types of ServiceMonitor and PrometheusRule
schemas=1.37.0        # the wheel, and the newest API that the chart is checked against
oldest=1.29           # the oldest, see kubeVersion in Chart.yaml
cache=${BUILDREACH_CACHE:-$HOME/.cache/buildreach-ci}
tools=$cache/chart-helm-$helm-kubeconform-$kubeconform-operator-$operator-schemas-$schemas
if [ -e "$tools/complete" ]; then
  echo "$tools"
  exit 0
fi
for program in go python3; do
  command -v "$program" >/dev/null || { echo "chart-tools.sh: $program is needed to fetch the tools of the chart" >&2; exit 1; }
done
here=$(cd "$(dirname "$0")" && pwd)
work=$(mktemp -d)
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT
rm -rf "$tools"
mkdir -p "$tools" "$work/wheel" "$work/check"

export CGO_ENABLED=0 GOBIN=$tools GOFLAGS=-trimpath
nice -n 15 go install -ldflags '-s -w' "helm.sh/helm/v4/cmd/helm@v$helm" >&2
nice -n 15 go install -ldflags '-s -w' "github.com/yannh/kubeconform/cmd/kubeconform@v$kubeconform" >&2

# Strict decoding into the operator's own types: there are no JSON schemas of them to be had.
cp "$here/chart/monitoring_check.go" "$work/check/main.go"
(
  cd "$work/check"
  go mod init example.invalid/monitoring-check >/dev/null 2>&1
  go get "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring@v$operator"
  go mod tidy >/dev/null
  nice -n 15 go build -ldflags '-s -w' -o "$tools/monitoring-check" .
) >&2

python3 -m pip download --quiet --disable-pip-version-check --no-deps --dest "$work/wheel" "kubernetes-validate==$schemas" >&2
python3 - "$work"/wheel/*.whl "$tools/schemas" "$schemas" "$oldest" <<'PYTHON'
"""Takes the folders of the newest and of the oldest version out of the wheel."""
import json, pathlib, sys, zipfile
wheel, target, newest, oldest = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive:
    for name in archive.namelist():
        parts = name.split("/")
        folder = next((p for p in parts if p.endswith("-local-strict")), "")
        if not (folder.startswith(f"v{newest}-") or folder.startswith(f"v{oldest}.")) or name.endswith("/"):
            continue
        path = pathlib.Path(target, folder, parts[-1])
        path.parent.mkdir(parents=True, exist_ok=True)
        # They refer to their definitions by addresses of the network: here they stand beside each other.
        schema = json.loads(archive.read(name).decode().replace("/api/_definitions.json", "_definitions.json"))
        schema.pop("$id", None)
        path.write_text(json.dumps(schema))
PYTHON

cp "$("$here/promtool.sh")" "$tools/promtool"
touch "$tools/complete"
echo "$tools"
