#!/usr/bin/python3
"""The guide's TLS proxy between others: curl and openssl s_client in front of it, the echo server and
openssl s_server behind it.

usage: tlsproxy_test.py TLSPROXY ECHO
"""
import contextlib
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

PROXY, ECHO = sys.argv[1:3]
TURNS = 3000  # of 10 ms: for programs that are slow to listen


def make_certificate(folder):
    path = folder / "site.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost", "-keyout", folder / "key.pem",
                    "-out", folder / "ca.pem"], check=True, capture_output=True)
    path.write_text((folder / "ca.pem").read_text() + (folder / "key.pem").read_text())
    return path


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def wait_until_it_listens(connect):
    for _ in range(TURNS):
        with contextlib.suppress(OSError), connect():
            return
        time.sleep(0.01)
    raise AssertionError("nobody listens")


def tcp(port):
    return lambda: socket.create_connection(("127.0.0.1", port))


def unix(path):
    s = socket.socket(socket.AF_UNIX)
    return lambda: (s.connect(str(path)), s)[1]


@contextlib.contextmanager
def running(connect, *words, output=None):
    process = subprocess.Popen([str(w) for w in words], stdout=output or subprocess.DEVNULL,
                               stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    try:
        wait_until_it_listens(connect)
        yield process
    finally:
        process.terminate()
        process.wait()


@contextlib.contextmanager
def proxy(folder, to):
    """Its port, and a function that waits for a line of its log."""
    port, log = free_port(), folder / "log"

    def has_logged(pattern):
        for _ in range(TURNS):
            if re.search(pattern, log.read_text()):
                return
            time.sleep(0.01)
        raise AssertionError(f"no {pattern} in: {log.read_text()}")

    with log.open("w") as output:
        with running(tcp(port), PROXY, folder / "site.pem", f"tcp:{port}:interface=127.0.0.1", to,
                     output=output) as process:
            yield port, has_logged
    assert process.returncode == 0, process.returncode


def check_plain_behind(folder):
    """openssl s_client speaks TLS with the proxy, the echo server hears the words."""
    path = folder / "echo"
    with running(unix(path), ECHO, f"unix:{path}"), proxy(folder, f"unix:{path}") as (port, logged):
        client = subprocess.Popen(
            ["openssl", "s_client", "-quiet", "-no_ign_eof", "-verify_return_error", "-CAfile", folder / "ca.pem",
             "-verify_hostname", "localhost", "-connect", f"127.0.0.1:{port}"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        client.stdin.write(b"through the tunnel\n")
        client.stdin.flush()
        assert client.stdout.readline() == b"through the tunnel\n"
        client.stdin.close()
        client.wait()
        logged(r"19 bytes there, 19 back")


def check_tls_behind(folder):
    """curl, our proxy, and openssl's web server, encrypted again on the way there."""
    port_there = free_port()
    to = f"tls:127.0.0.1:{port_there}:name=localhost:ca={folder / 'ca.pem'}"
    with running(tcp(port_there), "openssl", "s_server", "-www", "-quiet", "-accept", port_there,
                 "-cert", folder / "site.pem"):
        with proxy(folder, to) as (port, logged):
            done = subprocess.run(["curl", "-s", "-m", "60", "--cacert", folder / "ca.pem",
                                   "--connect-to", f"localhost:443:127.0.0.1:{port}",
                                   "https://localhost/"], capture_output=True, text=True)
            assert done.returncode == 0 and "s_server" in done.stdout, done
            logged(r"bytes there, [1-9]\d+ back")


def check_stranger_behind(folder):
    """A server whose certificate is for another name gets nothing of what a client says."""
    port_there = free_port()
    to = f"tls:127.0.0.1:{port_there}:name=elsewhere.example:ca={folder / 'ca.pem'}"
    with running(tcp(port_there), "openssl", "s_server", "-www", "-quiet", "-accept", port_there,
                 "-cert", folder / "site.pem"):
        with proxy(folder, to) as (port, logged):
            done = subprocess.run(["curl", "-s", "-k", "-m", "60", f"https://127.0.0.1:{port}/"],
                                  capture_output=True)
            assert done.returncode != 0 and not done.stdout, done
            logged(r"0 bytes there, 0 back, .*[Kk]ey was rejected")


with tempfile.TemporaryDirectory() as name:
    where = pathlib.Path(name)
    make_certificate(where)
    for check in check_plain_behind, check_tls_behind, check_stranger_behind:
        check(where)
        print("ok", check.__name__)
