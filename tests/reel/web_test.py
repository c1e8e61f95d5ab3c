#!/usr/bin/python3
"""The guide's web server with real clients: web_test.py WEB-PROGRAM.

curl, ncat and Python's own client ask; what they get is compared with what is there."""
import gzip
import http.client
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time

WEB = sys.argv[1]


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Server:
    def __init__(self, folder):
        self.port = free_port()
        self.process = subprocess.Popen(
            [WEB, f"tcp:{self.port}:interface=127.0.0.1", str(folder)], stderr=subprocess.PIPE, text=True)
        for _ in range(500):
            try:
                socket.create_connection(("127.0.0.1", self.port)).close()
                return
            except OSError:
                time.sleep(0.02)
        raise SystemExit("the server does not listen")

    def url(self, path):
        return f"http://127.0.0.1:{self.port}{path}"

    def stop(self):
        self.process.terminate()
        _, log = self.process.communicate(timeout=60)
        assert self.process.returncode == 0, (self.process.returncode, log)
        return log


def curl(*args, binary=True):
    done = subprocess.run(["curl", "-sS", "--max-time", "60", *args], capture_output=True, check=True)
    return done.stdout if binary else done.stdout.decode()


def test_keep_alive(server, folder):
    out = curl("-w", "%{num_connects}\n", server.url("/"), server.url("/greet/ann%20b"), binary=False)
    assert out == "hello\n1\nhello ann b\n0\n", out


def test_head(server, folder):
    out = curl("-I", server.url("/files/big.bin"), binary=False)
    assert "HTTP/1.1 200 OK" in out and "Content-Length: 5000000" in out, out


def test_file(server, folder):
    assert curl(server.url("/files/big.bin")) == (folder / "big.bin").read_bytes()


def test_resume(server, folder):
    part = folder.parent / "part"
    part.write_bytes((folder / "big.bin").read_bytes()[:1234567])
    curl("-C", "-", "-o", str(part), server.url("/files/big.bin"))
    assert part.read_bytes() == (folder / "big.bin").read_bytes()


def test_ranges(server, folder):
    whole = (folder / "big.bin").read_bytes()
    assert curl("-r", "100-299", server.url("/files/big.bin")) == whole[100:300]
    assert curl("-r", "-5", server.url("/files/big.bin")) == whole[-5:]
    parts = curl("-r", "0-1,10-12", server.url("/files/big.bin"))
    assert whole[0:2] in parts and whole[10:13] in parts and parts.count(b"Content-Range") == 2


def test_compressed(server, folder):
    text = (folder / "text.txt").read_bytes()
    assert curl("--compressed", server.url("/files/text.txt")) == text
    packed = curl("-H", "Accept-Encoding: gzip", server.url("/files/text.txt"))
    assert len(packed) < len(text) and gzip.decompress(packed) == text


def test_not_modified(server, folder):
    etag = re.search(r"ETag: (.*)\r", curl("-I", server.url("/files/text.txt"), binary=False)).group(1)
    code = curl("-o", "/dev/null", "-w", "%{http_code}", "-H", f"If-None-Match: {etag}",
                server.url("/files/text.txt"), binary=False)
    assert code == "304", code


def test_upload(server, folder):
    body = os.urandom(900000)
    (folder.parent / "body").write_bytes(body)
    for extra in ([], ["-H", "Transfer-Encoding: chunked"], ["-H", "Expect: 100-continue"]):
        out = curl("--data-binary", f"@{folder.parent}/body", *extra, server.url("/echo"))
        assert out == body, extra


def test_continue_is_said(server, folder):
    done = subprocess.run(["curl", "-sv", "--max-time", "60", "-H", "Expect: 100-continue",
                           "--data-binary", "hello", server.url("/echo")], capture_output=True, check=True)
    assert b"< HTTP/1.1 100 Continue" in done.stderr and done.stdout == b"hello"


def test_too_long(server, folder):
    (folder.parent / "body").write_bytes(bytes(2000000))
    code = curl("-o", "/dev/null", "-w", "%{http_code}", "--data-binary", f"@{folder.parent}/body",
                server.url("/echo"), binary=False)
    assert code == "413", code


def test_pipelined(server, folder):
    request = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n" * 20 + b"GET /greet/x HTTP/1.0\r\n\r\n"
    out = subprocess.run(["ncat", "127.0.0.1", str(server.port)], input=request, capture_output=True,
                         check=True, timeout=60).stdout
    assert out.count(b"\r\n\r\nhello\n") == 20 and out.endswith(b"hello x\n"), out


def test_path_as_is(server, folder):
    for path in ("/files/../secret", "/files/%2e%2e/secret", "/files/..%2fsecret", "/files//etc/passwd",
                 "/files/link/passwd"):
        code = curl("--path-as-is", "-o", "/dev/null", "-w", "%{http_code}", server.url(path), binary=False)
        assert code in ("400", "404"), (path, code)


def test_listing(server, folder):
    out = curl(server.url("/files/"), binary=False)
    assert '<a href="big.bin">big.bin</a>' in out and "<script>" not in out, out


def test_events(server, folder):
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as s:
        s.sendall(b"GET /ticks HTTP/1.1\r\nHost: a\r\n\r\n")
        got = b""
        while got.count(b"data: ") < 2:
            got += s.recv(4096)
    assert b"Content-Type: text/event-stream\r\n" in got, got


def test_python(server, folder):
    client = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    for _ in range(3):
        client.request("GET", "/greet/python")
        assert client.getresponse().read() == b"hello python\n"
    client.request("POST", "/echo", body=iter([b"one", b"two"]), encode_chunked=True,
                   headers={"Transfer-Encoding": "chunked"})
    assert client.getresponse().read() == b"onetwo"
    client.request("DELETE", "/")
    answer = client.getresponse()
    assert answer.status == 405 and answer.headers["Allow"] == "GET, HEAD, OPTIONS"
    client.close()


def test_wrk(server, folder):
    if not shutil.which("wrk"):
        return
    out = subprocess.run(["wrk", "-c8", "-t1", "-d1s", server.url("/")], capture_output=True, text=True,
                         check=True).stdout
    assert "Requests/sec" in out and "Non-2xx" not in out and "Socket errors" not in out, out


def main():
    top = pathlib.Path(tempfile.mkdtemp(prefix="reel-web-"))
    folder = top / "files"
    folder.mkdir()
    (top / "secret").write_text("secret")
    (folder / "big.bin").write_bytes(os.urandom(5000000))
    (folder / "text.txt").write_bytes(b"".join(b"line %d\n" % i for i in range(50000)))
    (folder / "<script>x").write_text("x")
    (folder / "link").symlink_to("/etc")
    server = Server(folder)
    try:
        for name, test in list(globals().items()):
            if name.startswith("test_"):
                print(name, flush=True)
                test(server, folder)
        log = server.stop()
        assert '"GET /greet/x HTTP/1.0" 200 8 "-" "-"' in log, log[-2000:]
    finally:
        server.process.kill()
        shutil.rmtree(top)


main()
