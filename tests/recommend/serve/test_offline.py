"""Nothing leaves the device: without a network, under a tracer of system calls, and by the server's own watch."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

# Runs the whole component: the server and a look through it, then the command. Argument: a photo.
JOURNEY = """
import base64, json, os, subprocess, sys, urllib.request
photo = sys.argv[1]
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
start = [sys.executable, "-c", "from cli.main import run; run()"]
server = subprocess.Popen([*start, "serve", "--port", "0", "--no-browser"], stdout=subprocess.PIPE, text=True)
try:
    link = next(line.strip() for line in server.stdout if "#token=" in line)
    address, _, token = link.partition("/#token=")
    def ask(path, body=None):
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(address + path, data=content)
        request.add_header("X-Mien-Token", token)
        if content is not None:
            request.add_header("Content-Type", "application/json")
        with opener.open(request, timeout=120) as answer:
            return json.loads(answer.read())["data"]
    text = base64.b64encode(open(photo, "rb").read()).decode()
    reading = ask("/reading", {"photos": [text]})
    cards = len(ask("/look", {"reading": reading["id"]})["look"]["cards"])
    sheet = ask("/sheet", {"reading": reading["id"]})["url"]
    face = ask("/face", {"image": text})
    status = ask("/status")
    ask("/forget", {})
finally:
    server.terminate()
    server.wait(20)
    server.stdout.close()
command = [*start, "look", photo, "--format", "json", "--save", "look.png"]
done = subprocess.run(command, capture_output=True, text=True)
print(json.dumps({"cards": cards, "sheet": sheet, "face": face, "status": status, "command": done.returncode,
                  "command_cards": len(json.loads(done.stdout)["look"]["cards"])}))
"""

# In a new network namespace: bring loopback up (SIOCGIFFLAGS, SIOCSIFFLAGS), show that there is nothing else.
ALONE = '''
import fcntl, socket, struct, sys
with socket.socket() as control:
    flags = struct.unpack("16sh", fcntl.ioctl(control, 0x8913, struct.pack("16sh", b"lo", 0)))[1]
    fcntl.ioctl(control, 0x8914, struct.pack("16sh", b"lo", flags | 1))
assert [name for _, name in socket.if_nameindex()] == ["lo"], "there is a network"
try:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect(("192.0.2.1", 9))
    raise SystemExit("there is a way out")
except OSError:
    pass
''' + JOURNEY  # fmt: skip


@pytest.fixture
def photo_file(tmp_path: Path, photo: bytes) -> Path:
    path = tmp_path / "face.png"
    path.write_bytes(photo)
    return path


def check_journey(output: str) -> None:
    told = json.loads(output.strip().splitlines()[-1])
    assert told["cards"] >= 10
    assert told["command"] == 0
    assert told["command_cards"] == told["cards"]
    assert set(told["face"]) == {"nose", "skin", "face_shape"}
    assert told["status"]["bytes_sent_off_device"] == 0
    assert told["status"]["connections_refused"] == 0
    assert told["status"]["watching"] is True


def test_the_whole_component_works_without_a_network(photo_file, tmp_path, environment):
    unshare = shutil.which("unshare")
    if unshare is None:
        pytest.skip("the command unshare is not here, so no network namespace can be made")
    allowed = subprocess.run(
        [unshare, "--net", "--map-root-user", "true"], capture_output=True, text=True, check=False
    )
    if allowed.returncode != 0:
        pytest.skip(
            f"this machine does not let an ordinary user make a network namespace: {allowed.stderr.strip()}"
        )
    done = subprocess.run(
        [unshare, "--net", "--map-root-user", sys.executable, "-c", ALONE, str(photo_file)],
        env=environment(tmp_path), cwd=tmp_path, capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    check_journey(done.stdout)


# Under a tracer.

ADDRESS = re.compile(r'sin_addr=inet_addr\("([^"]+)"\)|inet_pton\(AF_INET6, "([^"]+)"')
CALL = re.compile(r"(connect|sendto|sendmsg|sendmmsg)\(")
OPENED = re.compile(
    r'(?:openat|open|creat)\((?:AT_FDCWD, |\d+[^,]*, )?"([^"]*)", ([A-Z_|0-9]+)[^)]*\)\s+= \d'
)
WRITING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT|O_TRUNC|O_APPEND")


def off_loopback(trace: str) -> list[str]:
    """Return every traced call that names an address that is not this device's own."""
    found = []
    for line in trace.splitlines():
        if CALL.search(line):
            for four, six in ADDRESS.findall(line):
                if not (four.startswith("127.") or six == "::1"):
                    found.append(line)
            if "nscd" in line or "systemd-resolve" in line or "htons(53)" in line:
                found.append(line)
    return found


def written(trace: str) -> list[str]:
    """Return every file that was opened for writing."""
    return [path for path, flags in OPENED.findall(trace) if WRITING.search(flags)]


@pytest.fixture
def traced(tmp_path, environment):
    strace = shutil.which("strace")
    if strace is None:
        pytest.skip("strace is not here, so system calls cannot be recorded")
    works = subprocess.run([strace, "-o", "/dev/null", "true"], capture_output=True, text=True, check=False)
    if works.returncode != 0:
        pytest.skip(f"this machine does not allow tracing: {works.stderr.strip()[:200]}")

    def run(code: str, *arguments: str) -> tuple[str, str]:
        log = tmp_path / "trace"
        wanted = "trace=connect,sendto,sendmsg,sendmmsg,openat,open,creat"
        done = subprocess.run(
            [strace, "-f", "-qq", "--seccomp-bpf", "-s", "200", "-e", wanted, "-e", "signal=none", "-o", str(log),
             sys.executable, "-c", code, *arguments],
            env=environment(tmp_path), cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout, log.read_text(errors="replace")

    return run


def test_no_call_leaves_the_device_and_no_file_is_written_while_advice_is_given(traced, photo_file, tmp_path):
    output, trace = traced(JOURNEY, str(photo_file))
    check_journey(output)
    assert "127.0.0.1" in trace, "the tracer saw the journey's own calls"
    assert off_loopback(trace) == []
    files = {path for path in written(trace) if not path.startswith("/dev/")}
    # `mien look` saves the picture that it was asked for (under a temporary name first); nothing else is written.
    assert all(Path(path).name.startswith((".look.png.", "look.png")) for path in files), files
    assert files, "the tracer saw a file that is written"


PLANTED = '''
import socket, pathlib
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
    try:
        probe.connect(("192.0.2.1", 53))
    except OSError:
        pass
try:
    socket.getaddrinfo("mien.invalid", 80)
except OSError:
    pass
pathlib.Path("planted").write_text("x")
'''  # fmt: skip


def test_the_tracer_would_have_seen_it(traced):
    """The control: a planted connection, look-up and file."""
    _, trace = traced(PLANTED)
    assert any("192.0.2.1" in line for line in off_loopback(trace))
    assert any(path.endswith("planted") for path in written(trace))


# The server's own watch (N1).

WATCHED = '''
import socket, sys
from recommend.serve.offline import Traffic, watch
traffic = Traffic()
watch(traffic)
def refused(action):
    try:
        action()
    except PermissionError:
        return True
    except OSError:
        return False
    return False
def datagram():
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        one.sendto(b"x", ("192.0.2.1", 9))
tries = [
    lambda: socket.create_connection(("192.0.2.1", 80), timeout=1),
    lambda: socket.create_connection(("attacker.example", 80), timeout=1),
    lambda: socket.getaddrinfo("attacker.example", 443),
    lambda: socket.gethostbyname("attacker.example"),
    lambda: socket.create_connection(("2001:db8::1", 80), timeout=1),
    lambda: socket.create_connection(("169.254.169.254", 80), timeout=1),
    datagram,
]
print([refused(one) for one in tries], traffic.refused)
with socket.socket() as server:
    server.bind(("127.0.0.1", 0))
    server.listen()
    socket.create_connection(("localhost", server.getsockname()[1])).close()
print(traffic.refused)
'''  # fmt: skip


def test_the_server_s_own_watch_refuses_and_counts_what_would_leave(tmp_path, environment):
    done = subprocess.run(
        [sys.executable, "-c", WATCHED],
        env=environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    refused, after = done.stdout.splitlines()
    assert refused == f"{[True] * 7} 7"
    assert after == "7", "the loopback address is let through"
