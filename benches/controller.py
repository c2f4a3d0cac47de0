#!/usr/bin/env python3
"""Measures `buildreach controller` against a server that replays lists: how long until it is in sync, how much memory
it takes, how long a change of a policy takes until the status is written, and what it costs at rest.

usage: benches/controller.py PROGRAM FOLDER [--changes 200] [--idle 300] [--copies N] [--reports]
                            [--pods N] [--relists N]

FOLDER is what `cargo bench --bench generate` writes. `--copies N` serves every pod N times under other names;
`--reports` serves OpenReports, so that a report is written for each subject; `--pods N` makes and deletes a pod that
builds, N times in all; `--relists N` ends every watch N times as expired (410), so that everything is listed anew. The
server answers on loopback, without TLS: what is measured is the controller, not a server.
"""

import argparse
import http.client
import http.server
import json
import os
import queue
import re
import subprocess
import sys
import tempfile
import threading
import time
from urllib.parse import parse_qs, urlsplit

DEFAULT = "/apis/buildreach.dev/v1alpha1/clusterbuildaudits"
REPORTS = "/apis/openreports.io/v1alpha1"


class World:
    """What the server holds."""

    def __init__(self, folder, copies, reports):
        self.lists = {}
        self.reports = {} if reports else None
        for file in ("namespaces", "pods", "policies"):
            with open(os.path.join(folder, file + ".json")) as text:
                self.lists[file] = [json.dumps(item) for item in json.load(text)["items"]]
        if copies > 1:
            name = re.compile(r'"name": "([^"]+)"')
            pods = self.lists["pods"]
            self.lists["pods"] = [name.sub(lambda m: f'"name": "{m[1]}-{n}"', pod, count=1) if n else pod
                                  for n in range(copies) for pod in pods]
        self.lists["namespaces"].append(json.dumps(
            {"metadata": {"name": "probe", "resourceVersion": "1", "labels": {"kubernetes.io/metadata.name": "probe"}}}))
        self.lists["pods"].append(json.dumps({
            "metadata": {"name": "build", "namespace": "probe", "resourceVersion": "1",
                         "labels": {"buildreach.dev/build": "true"}},
            "spec": {"containers": [{"name": "go", "image": "golang:1.26", "command": ["go", "build"]}]},
            "status": {"phase": "Running", "podIP": "10.250.0.1", "podIPs": [{"ip": "10.250.0.1"}]}}))
        self.audit = {"apiVersion": "buildreach.dev/v1alpha1", "kind": "ClusterBuildAudit",
                      "metadata": {"name": "default", "uid": "u", "generation": 1, "resourceVersion": "1"},
                      "spec": {"failOn": "high"}}
        self.pods = {}
        for pod in self.lists["pods"] if reports else []:
            metadata = json.loads(pod)["metadata"]
            kept = {key: metadata.get(key) for key in ("name", "namespace", "ownerReferences")}
            self.pods[f"/api/v1/namespaces/{metadata['namespace']}/pods/{metadata['name']}"] = {**kept, "uid": "u"}
        self.watches = {}
        self.written = queue.Queue()
        self.version = 10_000_000
        self.lock = threading.Lock()

    def items(self, path):
        kinds = {"/api/v1/namespaces": "namespaces", "/api/v1/pods": "pods",
                 "/apis/networking.k8s.io/v1/networkpolicies": "policies"}
        if path == DEFAULT:
            return [json.dumps(self.audit)]
        return self.lists.get(kinds.get(path), [])

    def expire(self):
        gone = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 410, "reason": "Expired",
                "message": "too old resource version", "metadata": {}}
        event = json.dumps({"type": "ERROR", "object": gone}) + "\n"
        for waiting in [one for all in list(self.watches.values()) for one in list(all)]:
            waiting.put(event)

    def tell(self, path, kind, item):
        with self.lock:
            self.version += 1
            item["metadata"]["resourceVersion"] = str(self.version)
        event = json.dumps({"type": kind, "object": item}) + "\n"
        for waiting in self.watches.get(path, []):
            waiting.put(event)


def handler(world):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def log_message(self, *_):
            pass

        def answer(self, text, code=200):
            body = text.encode()
            self.send_response(code)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def do_GET(self):
            url = urlsplit(self.path)
            asked = {key: values[0] for key, values in parse_qs(url.query).items()}
            if url.path == "/apis":
                return self.answer(json.dumps({"kind": "APIGroupDiscoveryList", "items": []}))
            if url.path.startswith("/apis/wgpolicyk8s.io") or (url.path.startswith(REPORTS) and world.reports is None):
                return self.answer(json.dumps({"kind": "Status", "code": 404, "reason": "NotFound", "message": ""}), 404)
            if url.path == REPORTS:
                return self.answer(json.dumps({
                    "kind": "APIResourceList", "groupVersion": "openreports.io/v1alpha1", "resources": [
                        {"name": "reports", "singularName": "", "namespaced": True, "kind": "Report", "verbs": []}]}))
            if url.path == REPORTS + "/reports":
                items = [{"metadata": report["metadata"]} for report in world.reports.values()]
                return self.answer(json.dumps({"kind": "List", "apiVersion": "v1", "metadata": {}, "items": items}))
            if url.path in world.pods:
                return self.answer(json.dumps({"metadata": world.pods[url.path]}))
            if "/configmaps/" in url.path:
                return self.answer(json.dumps({"kind": "Status", "code": 404, "reason": "NotFound", "message": ""}), 404)
            if asked.get("watch") == "true":
                return self.watch(url.path, float(asked.get("timeoutSeconds", 300)))
            items = world.items(url.path)
            start = int(asked.get("continue", 0))
            end = min(len(items), start + int(asked.get("limit", len(items) or 1)))
            more = f',"continue":"{end}"' if end < len(items) else ""
            self.answer('{"kind":"List","apiVersion":"v1","metadata":{"resourceVersion":"10000000"%s},"items":[%s]}'
                        % (more, ",".join(items[start:end])))

        def watch(self, path, seconds):
            waiting = queue.Queue()
            world.watches.setdefault(path, []).append(waiting)
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            end = time.monotonic() + seconds
            try:
                while (left := end - time.monotonic()) > 0:
                    try:
                        event = waiting.get(timeout=left).encode()
                    except queue.Empty:
                        break
                    self.wfile.write(b"%x\r\n%s\r\n" % (len(event), event))
                    self.wfile.flush()
                self.wfile.write(b"0\r\n\r\n")
            except OSError:
                pass
            finally:
                world.watches[path].remove(waiting)

        def do_PATCH(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            if urlsplit(self.path).path == DEFAULT + "/default/status":
                world.audit["status"] = body["status"]
                world.written.put((time.monotonic(), body["status"]))
                self.answer(json.dumps(world.audit))
                world.tell(DEFAULT, "MODIFIED", json.loads(json.dumps(world.audit)))
            elif self.path.startswith(REPORTS):
                world.reports[body["metadata"]["namespace"], body["metadata"]["name"]] = body
                self.answer(json.dumps(body))
            else:
                self.answer(json.dumps(body))

        do_POST = do_PATCH

    return Handler


def memory(pid):
    with open(f"/proc/{pid}/status") as text:
        fields = dict(line.split(":", 1) for line in text if ":" in line)
    return {key: int(fields[key].split()[0]) // 1024 for key in ("VmRSS", "VmHWM", "RssAnon")}


def cpu(pid):
    with open(f"/proc/{pid}/stat") as text:
        fields = text.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("program")
    parser.add_argument("folder")
    parser.add_argument("--changes", type=int, default=200)
    parser.add_argument("--idle", type=int, default=300)
    parser.add_argument("--copies", type=int, default=1)
    parser.add_argument("--reports", action="store_true")
    parser.add_argument("--pods", type=int, default=0)
    parser.add_argument("--relists", type=int, default=0)
    options = parser.parse_args()
    world = World(options.folder, options.copies, options.reports)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler(world))
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.NamedTemporaryFile("w", suffix=".json") as kubeconfig:
        json.dump({
            "apiVersion": "v1", "kind": "Config", "current-context": "c",
            "clusters": [{"name": "c", "cluster": {"server": f"http://127.0.0.1:{server.server_port}"}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}], "users": [{"name": "u", "user": {}}],
        }, kubeconfig)
        kubeconfig.flush()
        start = time.monotonic()
        process = subprocess.Popen(
            [options.program, "controller", "-v", "--metrics-address", "127.0.0.1:0", "--kubeconfig", kubeconfig.name],
            stderr=subprocess.PIPE, text=True, env={**os.environ, "NO_COLOR": "1"})
        try:
            measure(process, world, options, start)
        finally:
            process.terminate()
            process.wait()


def evaluations(address):
    """Seconds and number of evaluations until now."""
    connection = http.client.HTTPConnection(*address.rsplit(":", 1))
    connection.request("GET", "/metrics")
    page = connection.getresponse().read().decode()
    numbers = dict(re.findall(r"^buildreach_evaluation_seconds_(sum|count) (\S+)$", page, re.M))
    return float(numbers["sum"]), float(numbers["count"])


def toggle(world, address, many, what, path, item):
    took, before = [], evaluations(address)
    for n in range(many):
        # Two changes never fall into one time of gathering.
        time.sleep(0.05)
        began = time.monotonic()
        world.tell(path, "ADDED" if n % 2 == 0 else "DELETED", item)
        at, _ = world.written.get(timeout=30)
        took.append(at - began)
    took.sort()
    rank = lambda share: took[min(len(took) - 1, int(len(took) * share))] * 1000
    print(f"{many} changes of a {what} → status written: median {rank(0.5):.0f} ms, p99 {rank(0.99):.0f} ms, "
          f"most {took[-1] * 1000:.0f} ms")
    seconds, count = (now - then for now, then in zip(evaluations(address), before))
    print(f"an evaluation takes {seconds / count * 1000:.1f} ms on average")


def measure(process, world, options, start):
    address = None
    for line in process.stderr:
        if found := re.search(r"/metrics on ([\d.:]+)", line):
            address = found[1]
            break
    threading.Thread(target=lambda: [None for _ in process.stderr], daemon=True).start()
    at, status = world.written.get(timeout=300)
    print(f"pods {len(world.lists['pods'])}, policies {len(world.lists['policies'])}")
    print(f"in sync and status written after {at - start:.2f} s, {cpu(process.pid):.2f} s of CPU time")
    print(f"memory in MiB: {memory(process.pid)}; subjects {status['subjects']}")
    if options.reports:
        while len(world.reports) < status["subjects"]["total"] and time.monotonic() < start + 600:
            time.sleep(0.05)
        print(f"{len(world.reports)} reports written after {time.monotonic() - start:.2f} s, memory in MiB: {memory(process.pid)}")
    policy = {"metadata": {"name": "toggle", "namespace": "probe"}, "spec": {"podSelector": {}, "policyTypes": ["Egress"]}}
    pod = json.loads(world.lists["pods"][-1])
    pod["metadata"]["name"] = "another"
    for many, what, path, item in (
            (options.changes, "policy", "/apis/networking.k8s.io/v1/networkpolicies", policy),
            (options.pods, "pod", "/api/v1/pods", pod)):
        if many:
            toggle(world, address, many, what, path, item)
            print(f"memory in MiB: {memory(process.pid)}")
    for n in range(options.relists):
        world.expire()
        time.sleep(3)
    if options.relists:
        print(f"memory in MiB after everything was listed {options.relists} times anew: {memory(process.pid)}")
    before, began = cpu(process.pid), time.monotonic()
    time.sleep(options.idle)
    share = (cpu(process.pid) - before) / (time.monotonic() - began)
    print(f"at rest for {options.idle} s: {share * 100:.3f} % of a core, memory in MiB: {memory(process.pid)}")


if __name__ == "__main__":
    sys.exit(main())
