"""Who gets in: attacks on a server that the command started, over real sockets."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
import sys
import time
from pathlib import Path

import httpx
import pytest

from mien.errors import ServeError
from recommend.serve.guard import HEADERS
from recommend.serve.server import listen, serve


def spoken(running, text: bytes, *, seconds: float = 10.0) -> bytes:
    """Send raw bytes, return everything that comes back until the server closes or is silent."""
    with socket.create_connection(("127.0.0.1", running.port), timeout=seconds) as connection:
        with contextlib.suppress(ConnectionError):
            connection.sendall(text)
        answer = b""
        with contextlib.suppress(TimeoutError, ConnectionError):
            while chunk := connection.recv(65536):
                answer += chunk
                head, _, body = answer.partition(b"\r\n\r\n")
                if b"content-length: " in head and len(body) >= int(
                    head.split(b"content-length: ")[1].split()[0]
                ):
                    break
        return answer


def get(running, *headers: str, path: str = "/status", method: str = "GET") -> tuple[int, dict]:
    lines = "".join(f"{header}\r\n" for header in headers)
    answer = spoken(running, f"{method} {path} HTTP/1.1\r\n{lines}\r\n".encode())
    status = int(answer.split()[1])
    body = answer.partition(b"\r\n\r\n")[2]
    return status, json.loads(body) if body.startswith(b"{") else {}


@pytest.fixture
def host(running):
    return f"Host: 127.0.0.1:{running.port}"


@pytest.fixture
def token(running):
    return f"X-Mien-Token: {running.token}"


def test_with_host_and_token_one_gets_in(running, host, token):
    assert get(running, host, token)[0] == 200
    assert get(running, f"Host: localhost:{running.port}", token)[0] == 200


@pytest.mark.parametrize(
    "given",
    [
        ["Host: attacker.example:{port}"],
        ["Host: 127.0.0.1.attacker.example:{port}"],
        ["Host: 127.0.0.1"],
        ["Host: 127.0.0.1:1"],
        ["Host: localhost.:{port}"],
        ["Host: [::1]:{port}"],
        ["Host: 0.0.0.0:{port}"],
        ["Host: 2130706433:{port}"],
        ["Host: attacker.example@127.0.0.1:{port}"],
        ["Host: 127.0.0.1:{port}", "Host: attacker.example"],
        ["Host: "],
        [],
    ],
    ids=lambda given: ",".join(given) or "none",
)
@pytest.mark.parametrize("path", ["/status", "/openapi.json", "/"])
def test_a_name_bent_to_the_loopback_address_reaches_nothing(running, token, given, path):
    """D1, the attack of DNS rebinding: the right address and even the right token, another name."""
    status, _ = get(running, *[line.format(port=running.port) for line in given], token, path=path)
    assert status in (400, 403)


@pytest.mark.parametrize(
    "header",
    [
        "Origin: http://attacker.example",
        "Origin: null",
        "Origin: https://127.0.0.1:{port}",
        "Origin: http://127.0.0.1:{other}",
        "Origin: http://127.0.0.1:{port}.attacker.example",
        "Origin: file://",
        "Sec-Fetch-Site: cross-site",
        "Sec-Fetch-Site: same-site",
    ],
)
@pytest.mark.parametrize("path", ["/status", "/face"])
def test_another_page_is_refused_even_with_the_token(running, host, token, header, path):
    """D2. same-site is refused too: another server on another port of this machine is the same site."""
    line = header.format(port=running.port, other=running.port + 1)
    method = "POST" if path == "/face" else "GET"
    status, body = get(running, host, token, line, "Content-Length: 0", path=path, method=method)
    assert (status, body["kind"]) == (403, "ForeignOriginError")


def test_our_own_page_is_let_in(running, host, token):
    own = [f"Origin: http://127.0.0.1:{running.port}", "Sec-Fetch-Site: same-origin", "Sec-Fetch-Mode: cors"]
    assert get(running, host, token, *own)[0] == 200


CALLS = [
    ("GET", "/status"), ("GET", "/options"), ("POST", "/reading"), ("POST", "/look"), ("POST", "/sheet"),
    ("POST", "/track"), ("POST", "/forget"), ("GET", f"/reading/{'0' * 32}/photo"), ("GET", "/face"),
    ("PUT", "/face"), ("GET", "/nothing"), ("GET", "/docs"), ("OPTIONS", "/look"), ("POST", "/"),
    ("GET", "//status"), ("POST", "/face/"), ("POST", "/face/../look"), ("POST", "/FACE"),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path"), CALLS, ids=lambda value: value)
def test_without_the_token_there_is_nothing(running, host, method, path):
    for given in (
        [],
        ["X-Mien-Token: "],
        [f"X-Mien-Token: {'0' * 64}"],
        [f"X-Mien-Token: {running.token[:-1]}"],
    ):
        status, body = get(running, host, *given, "Content-Length: 0", path=path, method=method)
        assert (status, body["kind"]) == (401, "TokenError")
    twice = [f"X-Mien-Token: {running.token}"] * 2
    assert get(running, host, *twice, "Content-Length: 0", path=path, method=method)[0] == 401
    query = f"{path}?token={running.token}&X-Mien-Token={running.token}"
    assert get(running, host, "Content-Length: 0", path=query, method=method)[0] == 401


def test_the_original_interface_is_open_to_programs_and_closed_to_browsers(running, host):
    """D3: a page cannot send a request to /face without one of these headers, a program need not."""
    assert (
        get(running, host, "Content-Length: 0", path="/face", method="POST")[1]["kind"]
        == "MalformedRequestError"
    )
    for header in ("Sec-Fetch-Mode: navigate", "Sec-Fetch-Site: none", "Sec-Fetch-Dest: document"):
        status, body = get(running, host, header, "Content-Length: 0", path="/face", method="POST")
        assert (status, body["kind"]) == (401, "TokenError")
    own = f"Origin: http://127.0.0.1:{running.port}"
    assert get(running, host, own, "Content-Length: 0", path="/face", method="POST")[0] == 401


def test_every_answer_carries_the_policy(running, photo):
    with running.client() as client:
        name = client.post("/reading", files={"photo": ("a", photo)}).json()["data"]["id"]
        sheet = client.post("/sheet", json={"reading": name}).json()["data"]["url"]
        answers = [
            client.get("/"), client.get("/status"), client.get("/nothing"), client.get("/openapi.json"),
            client.get(f"/reading/{name}/photo"), client.post("/look", content=b"{"), client.get(sheet),
            client.get("/status", headers={"Host": "attacker.example"}),
            client.get("/status", headers={"X-Mien-Token": "wrong"}),
            client.post("/look", content=b"x" * 300_000), client.options("/look"),
        ]  # fmt: skip
    for answer in answers:
        for header, value in HEADERS.items():
            if header != "Content-Security-Policy":
                assert answer.headers[header] == value, (answer.url, header)
        policy = answer.headers["Content-Security-Policy"]
        for directive in (
            "default-src 'none'",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'none'",
        ):
            assert directive in policy
        assert "http:" not in policy
        assert "https:" not in policy
        assert not [header for header in answer.headers if header.lower().startswith("access-control")]
        assert "server" not in answer.headers
        assert "set-cookie" not in answer.headers
    assert "connect-src 'self'" in answers[1].headers["Content-Security-Policy"]
    assert "unsafe" not in answers[1].headers["Content-Security-Policy"]


@pytest.mark.parametrize("prefix", ["/assets", "/sheet", "/assets/x/.."])
@pytest.mark.parametrize(
    "climb",
    [
        "/../../server.py",
        "/../../../../../../../../etc/passwd",
        "/%2e%2e/%2e%2e/server.py",
        "/..%2f..%2fserver.py",
        "/..%5c..%5cserver.py",
        "//etc/passwd",
        "/%2fetc%2fpasswd",
        "/..%00/server.py",
        "/%252e%252e/server.py",
        "/",
        "",
    ],
)
def test_no_path_climbs_out_of_the_pages_files(running, host, prefix, climb):
    """These addresses need no token, so they must reach nothing but the built page."""
    answer = spoken(running, f"GET {prefix}{climb} HTTP/1.1\r\n{host}\r\n\r\n".encode())
    assert answer.split()[1] in (b"400", b"401", b"404", b"405", b"422"), answer[:200]
    assert b"root:" not in answer
    assert b"import" not in answer


def test_a_whole_address_in_the_request_line_is_no_way_around_the_host(running, host, token):
    for target in (
        "http://attacker.example/status",
        f"http://127.0.0.1:{running.port}@attacker.example/status",
    ):
        status, _ = get(running, host, token, path=target)
        assert status in (400, 404)


def test_a_websocket_is_not_opened(running, host, token):
    wanted = [
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==",
    ]
    status, _ = get(running, host, token, *wanted)
    assert status != 101


def test_it_listens_on_the_loopback_address_alone(running):
    """L1, as the kernel sees it: the listening sockets of the server and its workers."""
    inodes = set()
    for number in running.processes():
        for link in Path(f"/proc/{number}/fd").iterdir():
            with contextlib.suppress(OSError):
                inodes.add(str(link.readlink()).removeprefix("socket:[").removesuffix("]"))
    listening = []
    for table in ("tcp", "tcp6", "udp", "udp6", "raw"):
        for line in Path(f"/proc/{running.process.pid}/net/{table}").read_text().splitlines()[1:]:
            fields = line.split()
            if fields[9] in inodes and (not table.startswith("tcp") or fields[3] == "0A"):
                listening.append((table, fields[1]))
    assert listening == [("tcp", f"0100007F:{running.port:04X}")]


@pytest.mark.parametrize("address", ["0.0.0.0", "::", "", "192.0.2.1", "localhost", "127.0.0.2", "::1"])
def test_another_address_is_refused_with_the_reason(address):
    with pytest.raises(ServeError, match=r"127\.0\.0\.1 only"):
        serve(host=address, port=0, browser=False)


def test_the_command_refuses_it_too_and_a_port_in_use_is_named(running, environment, tmp_path):
    def command(*arguments):
        code = "from cli.main import run; run()"
        return subprocess.run(
            [sys.executable, "-c", code, "serve", "--no-browser", *arguments], env=environment(tmp_path),
            cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False,
        )  # fmt: skip

    away = command("--host", "0.0.0.0")
    assert away.returncode == 80
    assert "127.0.0.1 only" in away.stderr
    taken = command("--port", str(running.port))
    assert taken.returncode == 80
    assert "--port 0" in taken.stderr


def test_a_port_that_is_none_is_refused():
    with pytest.raises(ServeError, match="70000"):
        listen("127.0.0.1", 70000)


@pytest.mark.slow
def test_the_token_is_fresh_at_every_start_and_long(running, start, tmp_path):
    with start(tmp_path) as other:
        assert len(other.token) == 64 == len(running.token)
        assert other.token != running.token
        answer = httpx.get(
            f"{other.address}/status", headers={"X-Mien-Token": running.token}, trust_env=False
        )
        assert answer.status_code == 401


# Bodies.


def test_a_body_that_declares_too_much_is_refused_before_it_is_sent(running, host, token):
    for path, declared in (("/reading", 10**9), ("/face", 10**9), ("/track", 3 * 10**6), ("/look", 10**6)):
        started = time.monotonic()
        status, body = get(running, host, token, f"Content-Length: {declared}", path=path, method="POST")
        assert status in (400, 413)
        assert body["code"] in (22, 84)
        assert time.monotonic() - started < 2


def test_a_body_of_unknown_length_is_cut_off_at_the_limit(running, host, token):
    head = f"POST /track HTTP/1.1\r\n{host}\r\n{token}\r\nTransfer-Encoding: chunked\r\n\r\n".encode()
    answer = spoken(running, head + (b"10000\r\n" + b"x" * 0x10000 + b"\r\n") * 64)
    assert answer.split()[1] == b"413"
    assert get(running, host, token)[0] == 200


@pytest.mark.parametrize("length", ["-1", "1e3", "0x10", "9" * 30, "5, 6", "٣"])
def test_a_length_that_is_none_is_refused(running, host, token, length):
    status, _ = get(running, host, token, f"Content-Length: {length}", path="/look", method="POST")
    assert status in (400, 413)
    assert get(running, host, token)[0] == 200


def test_a_request_that_is_smuggled_behind_another_is_refused(running, host, token):
    both = (
        f"POST /look HTTP/1.1\r\n{host}\r\n{token}\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    answer = spoken(
        running, both.encode() + b"0\r\n\r\nGET /status HTTP/1.1\r\nHost: attacker.example\r\n\r\n"
    )
    assert answer.count(b"HTTP/1.1 200") == 0
    assert get(running, host, token)[0] == 200


def test_garbage_and_endless_headers_do_not_stop_it(running, host, token):
    for raw in (
        b"\x00" * 1000,
        b"GET / HTTP/9.9\r\n\r\n",
        b"\x16\x03\x01\x02\x00",
        b"GET / HTTP/1.1\r\n" + b"A: " + b"b" * 200_000,
    ):
        spoken(running, raw, seconds=2)
    assert get(running, host, token)[0] == 200
