"""What strangers send: brokers that talk nonsense, lines that no terminal should obey, clients that
go away at any moment. Under AddressSanitizer a mistake here ends the program."""
import contextlib
import os
import pathlib
import re
import signal
import socket
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("LABS", ROOT / "build/labs")).resolve()
sys.path.insert(0, str(ROOT / "labs"))
import checker  # noqa: E402
from test_strip import strip  # noqa: E402, F401

RECEIVERS = ["receiver", "threaded-receiver", "epoll-receiver", "reel-receiver"]

GARBAGE = {
    "nats": [b"MSG\ta\tb\r\n", b"MSG\r\n", b"MSG a\r\n", b"MSG a 1 99999999999999999999\r\n",
             b"MSG a 1 -1\r\n" + b"x" * 100, b"MSG a 1 0\r\n\r\n", b"MSG " + b"t" * 9000 + b" 1 1\r\nx\r\n",
             b"\0" * 20000, b"x" * 100_000, b"PING" * 9000 + b"\r\n", b"PING\r\n" * 5000],
    "redis": [b">4\r\n$3\r\nabc\r\n>-1\r\n$3\r\nabc\r\n", b">4\r\n" + b"$0\r\n\r\n" * 9, b"$-1\r\n",
              b">9\r\n$1\r\na\r\n", b"\0\r\n$\r\n", b">4\r\n$8pmessage\r\n", b"$8193\r\n",
              b">2\r\n$8\r\npmessage\r\n$1\r\na\r\n"],
}


@pytest.mark.parametrize("scheme", GARBAGE)
def test_a_broker_that_talks_nonsense_does_no_harm(scheme):
    """A second of waiting for each connection: they all share one, as far as they are let."""
    with socket.create_server(("127.0.0.1", 0)) as broker:
        broker.settimeout(checker.PATIENCE)
        url = f"{scheme}://127.0.0.1:{broker.getsockname()[1]}"
        servers = [checker.Program([str(BUILD / "lab-pubsub"), "--broker", url])
                   for _ in GARBAGE[scheme]]
        try:
            for garbage in GARBAGE[scheme]:
                link, _ = broker.accept()
                with link, contextlib.suppress(OSError):
                    link.sendall(garbage)
                    link.shutdown(socket.SHUT_WR)
                    link.settimeout(checker.QUIET)
                    checker.drain(link)
            for server in servers:
                with server.connect() as client:
                    client.sendall(b"SUB a\nPUB a still here\n")
                    checker.read_some(client, b"a still here\n", "after what its broker said")
                server.process.send_signal(signal.SIGTERM)
                assert server.process.wait(checker.PATIENCE) == 0
        finally:
            for server in servers:
                server.stop()


def test_a_topic_that_is_too_long_is_not_taken_for_another():
    with socket.create_server(("127.0.0.1", 0)) as broker:
        broker.settimeout(checker.PATIENCE)
        server = checker.Program([str(BUILD / "lab-pubsub"), "--broker",
                                  f"nats://127.0.0.1:{broker.getsockname()[1]}"])
        try:
            link, _ = broker.accept()
            with link, server.connect() as client:
                client.sendall(b"SUB >\nSUB\n")
                assert client.recv(100).startswith(b"ERR")  # it has read the first line, too
                link.sendall(b"MSG " + b"t" * 129 + b" 1 1\r\nx\r\nMSG short 1 1\r\ny\r\n")
                checker.read_some(client, b"short y\n", "what comes behind a long topic")
        finally:
            server.stop()


def played(lab, sent):
    """What a receiver prints of a client, without the client's address."""
    server = checker.Program([str(BUILD / f"lab-{lab}")])
    try:
        with server.connect() as client:
            client.sendall(sent)
            client.shutdown(socket.SHUT_WR)
            checker.read_all(client, lab)
        server.must_print(b"disconnected", "the end")
    finally:
        server.stop()
    lines = server.printed.splitlines()
    return [re.sub(rb"^127.0.0.1:\d+:? ", b"", line) for line in lines if not line.startswith((
        b"listening", b"thread"))]


@pytest.mark.parametrize("sent", [b"a\nb\r\n\n\r\nlast", b"a\rb\n", b"", b"x" * 4094 + b"\nnext\n"])
def test_all_four_receivers_print_the_same(sent):
    prints = [played(lab, sent) for lab in RECEIVERS]
    assert all(one == prints[0] for one in prints), prints


@pytest.mark.parametrize("lab", RECEIVERS)
def test_what_a_stranger_sends_is_shown_and_not_obeyed(lab):
    sent = {b"\x1b[31m": b".[31m", b"\xc2\x9b31m": b"..31m", b"\x9b1m": b".1m", b"\xff\xfe": b"..",
            "na\u00efve \u20ac \U0001f36f".encode(): "na\u00efve \u20ac \U0001f36f".encode(),
            b"\xe0\x80\x9b": b"...", b"cut\xe2\x82": b"cut..", b"\x7f": b"."}
    assert played(lab, b"\n".join(sent) + b"\n") == [b"connected", *sent.values(), b"disconnected"]


@pytest.mark.parametrize("lab", RECEIVERS)
def test_a_line_without_end_does_no_harm(lab):
    lines = played(lab, b"L" * 1_000_000 + b"\nnext\n")
    assert lines[-2] == b"next" and max(map(len, lines)) == 4095


def test_clients_of_the_proxy_that_go_away_do_no_harm(strip):  # noqa: F811
    for _ in range(60):
        for request in (b"GET http://shop.lab/ HTTP/1.1\r\nHost: shop.lab\r\n\r\n",
                        b"POST http://shop.lab/login HTTP/1.1\r\nHost: shop.lab\r\n"
                        b"Content-Length: 9\r\n\r\nname=",
                        b"CONNECT shop.lab:443 HTTP/1.1\r\nHost: shop.lab:443\r\n\r\n"):
            client = strip.connect()
            client.sendall(request)
            checker.reset(client)
    assert 'href="http://shop.lab/basket"' in strip.curl("http://shop.lab/")
    strip.process.send_signal(signal.SIGTERM)
    assert strip.process.wait(checker.PATIENCE) == 0  # and nothing has leaked


def test_a_form_that_is_too_long_is_refused(strip):  # noqa: F811
    form = "name=" + "x" * 70000
    for length in ([], ["-H", "Transfer-Encoding: chunked"]):
        assert strip.curl("http://shop.lab/login", "-o", "/dev/null", "-w", "%{http_code}", *length,
                          "--data", form) == "413"


def test_a_tunnel_goes_where_it_says(strip):  # noqa: F811
    with strip.connect() as client:
        client.sendall(b"CONNECT example.org:443 HTTP/1.1\r\nHost: shop.lab\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 403")
