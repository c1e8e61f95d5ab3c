"""Bad input ends its own session, as OpenSSH would end it, and nothing else."""
import socket
import struct

import pytest

from conftest import WAIT_S, read_exactly


def connect(pot):
    return socket.create_connection(("127.0.0.1", pot.port), timeout=WAIT_S)


def read_line(sock):
    line = b""
    while not line.endswith(b"\n"):
        line += read_exactly(sock, 1)
    return line


def read_all(sock):
    data = b""
    try:
        while piece := sock.recv(65536):
            data += piece
    except ConnectionResetError:
        pass
    return data


def packet(payload, padding=None):
    if padding is None:
        padding = 8 - (5 + len(payload)) % 8
        padding += 8 if padding < 4 else 0
    return struct.pack(">IB", 1 + len(payload) + padding, padding) + payload + bytes(padding)


@pytest.mark.parametrize("line, answer", [
    (b"hello\r\n", b"Invalid SSH identification string.\r\n"),
    (b"SSH-1.5-old\r\n", b"Protocol major versions differ.\r\n"),
    (b"GET / HTTP/1.1\r\n", b"Invalid SSH identification string.\r\n"),
    (b"SSH-2.0-Probe-x\r\n", b""),
])
def test_identification(honeypot, line, answer):
    with honeypot.recorded() as sessions:
        with connect(honeypot) as sock:
            assert read_line(sock) == b"SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u10\r\n"
            sock.sendall(line)
            assert read_all(sock) == answer
    assert sessions[0][-1]["eventid"] == "cowrie.session.closed"
    assert [e.get("data") for e in sessions[0] if e["eventid"] == "lured.protocol.error"] == (
        [answer.decode().rstrip()] if answer else [])


@pytest.mark.parametrize("data, text", [
    (b"\xff\xff\xff\xff" + b"x" * 60, None),                      # a length out of range
    (packet(b"\x14"), None),                                      # a KEXINIT that stops
    (packet(b"\x00"), "Invalid ssh2 packet type: 0"),
    (packet(b"\xff" + b"x" * 7), "Invalid ssh2 packet type: 255"),
    (packet(b"\x02" * 48, 3), "Corrupted padlen 3 on input."),
])
def test_packets(honeypot, data, text):
    with honeypot.recorded() as sessions:
        with connect(honeypot) as sock:
            read_line(sock)
            sock.sendall(b"SSH-2.0-bad\r\n" + data)
            sock.shutdown(socket.SHUT_WR)
            answer = read_all(sock)
    length, = struct.unpack_from(">I", answer)
    rest = answer[4 + length:]  # what follows KEXINIT
    error, = [e for e in sessions[0] if e["eventid"] == "lured.protocol.error"]
    if text is None:
        assert rest == b"" and "code" not in error and "data" not in error
    else:
        assert text.encode() in rest and rest[5:10] == b"\x01\x00\x00\x00\x02"
        assert error["code"] == 2 and error["data"] == text
    assert sessions[0][-1]["eventid"] == "cowrie.session.closed"


def test_nothing_else_suffers(honeypot):
    """Half-open connections of every kind stand while an ordinary visitor works."""
    socks = []
    for data in (b"", b"SSH-2.0-x", b"SSH-2.0-x\r\n", b"SSH-2.0-x\r\n\x00\x00\x04", b"\x00" * 100):
        sock = connect(honeypot)
        sock.sendall(data)
        socks.append(sock)
    assert honeypot.ssh("echo fine").stdout == b"fine\n"
    for sock in socks:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        sock.close()
    assert honeypot.ssh("echo fine").stdout == b"fine\n"
