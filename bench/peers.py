"""CPU per request, or per GiB, of Narrows and of other proxies under the same load in the same run.

`peers.py http1 NARROWS` has wrk ask nginx for 100 bytes through each proxy, over 1, 16, and 64 connections that are
kept. `peers.py tcp NARROWS` has iperf3 send 3 GiB through each, both ways. Every proxy has one worker on core 0; the
load and the node share core 1. CPU is user and system time of a proxy with its children, from /proc. Figures of one
run compare; those of different runs do not. NARROWS is the binary, built for release.
"""

import json
import os
import re
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time

ROUNDS = int(os.environ.get("ROUNDS", "3"))
SECONDS = int(os.environ.get("SECONDS_PER_LOAD", "2"))
SIZE = os.environ.get("BYTES_PER_LOAD", "3G")
TICKS = os.sysconf("SC_CLK_TCK")
# The program, the loads that need it, and Debian's package of it.
NEEDED = [("wrk", "http1", "wrk"), ("nginx", "http1", "nginx"), ("haproxy", "http1 tcp", "haproxy"),
          ("iperf3", "tcp", "iperf3"), ("taskset", "http1 tcp", "util-linux")]

NGINX = """
worker_processes 1; daemon off; pid {at}/{name}.pid; error_log {at}/{name}.log;
events {{ worker_connections 4096; }}
http {{
  access_log off; keepalive_requests 1000000000; keepalive_timeout 300s;
  client_body_temp_path {at}/{name}.tmp; proxy_temp_path {at}/{name}.tmp; fastcgi_temp_path {at}/{name}.tmp;
  uwsgi_temp_path {at}/{name}.tmp; scgi_temp_path {at}/{name}.tmp;
  upstream node {{ server 127.0.0.1:{node}; keepalive 256; keepalive_requests 1000000000; }}
  server {{ listen 127.0.0.1:{port} backlog=4096; location / {{ {location} }} }}
}}
"""
RELAYS = 'proxy_pass http://node; proxy_http_version 1.1; proxy_set_header Connection "";'
ANSWERS = f'return 200 "{"0123456789" * 10}";'

HAPROXY = """
global
  nbthread 1
  maxconn 8000
defaults
  mode {mode}
  timeout client 60s
  timeout server 60s
  timeout connect 5s
  http-reuse always
listen relay
  bind 127.0.0.1:{port}
  server node 127.0.0.1:{node}
"""

NARROWS = """
workers: 1
listeners:
  - {{ address: '127.0.0.1:{port}'{listener} }}
upstreams:
  node: {{ protocol: {protocol}, endpoints: ['127.0.0.1:{node}'], max_connections: 1000 }}
{routes}
admin: {{ address: '127.0.0.1:{admin}' }}
"""


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


class Run:
    """Programs that run, their files, and their end."""

    def __init__(self):
        self.place = tempfile.TemporaryDirectory()
        self.programs = []

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for program in self.programs:
            program.terminate()
        for program in self.programs:
            program.wait()
        self.place.cleanup()

    def file(self, name, text):
        path = os.path.join(self.place.name, name)
        with open(path, "w") as out:
            out.write(text)
        return path

    def start(self, core, port, *command):
        log = open(os.path.join(self.place.name, "output"), "a")
        pinned = ["taskset", "-c", str(core), *command]
        self.programs.append(subprocess.Popen(pinned, stdout=log, stderr=log))
        for _ in range(200):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return self.programs[-1].pid
            time.sleep(0.05)
        sys.exit(f"{command[0]} does not listen; it said: {open(log.name).read()[-2000:]}")

    def nginx(self, core, name, port, node, location):
        text = NGINX.format(at=self.place.name, name=name, port=port, node=node, location=location)
        return self.start(core, port, tool("nginx"), "-c", self.file(name, text))

    def proxies(self, narrows, node, mode):
        """Starts Narrows and its peers before a node; gives the process and the port of each."""
        http = mode == "http"
        ports = {name: free_port() for name in ("narrows", "haproxy", "nginx")}
        text = NARROWS.format(
            port=ports["narrows"], node=node, admin=free_port(),
            protocol="http1" if http else "tcp",
            listener="" if http else ", protocol: tcp, upstream: node",
            routes="routes: [{ name: all, upstream: node }]" if http else "")
        config = self.file("narrows.yaml", text)
        started = {"narrows": self.start(0, ports["narrows"], narrows, "run", "-c", config)}
        config = self.file("haproxy.cfg", HAPROXY.format(mode=mode, port=ports["haproxy"], node=node))
        started["haproxy"] = self.start(0, ports["haproxy"], tool("haproxy"), "-f", config)
        if http:
            started["nginx"] = self.nginx(0, "relay", ports["nginx"], node, RELAYS)
        return {name: (pid, ports[name]) for name, pid in started.items()}


def tool(name):
    return shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")


def cpu_seconds(pid):
    """User and system time of a process and of its children."""
    with open(f"/proc/{pid}/task/{pid}/children") as file:
        family = [pid, *map(int, file.read().split())]
    total = 0
    for member in family:
        with open(f"/proc/{member}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        total += int(fields[11]) + int(fields[12])
    return total / TICKS


def load(*command):
    pinned = ["taskset", "-c", "1", *command]
    return subprocess.run(pinned, capture_output=True, text=True, check=True).stdout


def compare(title, unit, proxies, measure):
    """Prints the median of each proxy; they take turns, so that a change of the machine meets all."""
    found = {name: [] for name in proxies}
    for _ in range(ROUNDS):
        for name, (pid, port) in proxies.items():
            before = cpu_seconds(pid)
            amount = measure(port)
            found[name].append((cpu_seconds(pid) - before) / amount)
    medians = "  ".join(f"{name} {statistics.median(all_):8.1f}" for name, all_ in found.items())
    print(f"{title:16} {medians}  {unit}", flush=True)


def http1(narrows):
    node = free_port()
    with Run() as run:
        run.nginx(1, "node", node, node, ANSWERS)
        proxies = run.proxies(narrows, node, "http")
        for connections in (1, 16, 64):
            def measure(port):
                url = f"http://127.0.0.1:{port}/"
                output = load("wrk", "-t1", f"-c{connections}", f"-d{SECONDS}s", url)
                if "Non-2xx" in output or "Socket errors" in output:
                    sys.exit(f"requests failed:\n{output}")
                return int(re.search(r"(\d+) requests in", output).group(1)) / 1e6
            compare(f"{connections} connections", "us CPU per request", proxies, measure)


def tcp(narrows):
    node = free_port()
    with Run() as run:
        run.start(1, node, tool("iperf3"), "-s", "-p", str(node))
        proxies = run.proxies(narrows, node, "tcp")
        for title, way in (("up", []), ("down", ["-R"])):
            def measure(port):
                command = ["iperf3", "-c", "127.0.0.1", "-p", str(port), "-n", SIZE, "-J", *way]
                report = json.loads(load(*command))
                return report["end"]["sum_received"]["bytes"] / 2**30 / 1000
            compare(title, "ms CPU per GiB", proxies, measure)


def main():
    kinds = {"http1": http1, "tcp": tcp}
    if len(sys.argv) != 3 or sys.argv[1] not in kinds:
        sys.exit("usage: peers.py http1|tcp NARROWS")
    kind, narrows = sys.argv[1:]
    missing = [package for name, needs, package in NEEDED if kind in needs.split() and not tool(name)]
    if missing:
        sys.exit(f"install what is missing first: apt-get install {' '.join(missing)}")
    if (os.cpu_count() or 1) < 2:
        sys.exit("two cores are needed: one for the proxies, one for the load and the node")
    kinds[kind](narrows)


main()
