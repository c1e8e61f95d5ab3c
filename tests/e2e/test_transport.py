"""The transport's edge beside the sshd of this machine: MaxStartups, segments and their marks,
FIN or RST by what was left unread."""
import contextlib
import os
import shutil
import socket
import struct
import subprocess

import pytest

from conftest import WAIT_S, wait_for

needs_sshd = pytest.mark.skipif(os.geteuid() != 0 or not shutil.which("sshd", path="/usr/sbin"),
                                reason="needs root and openssh-server")


@contextlib.contextmanager
def running_sshd(folder, settings=""):
    """The port of a real sshd with Debian's configuration; nobody logs in to it."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", folder / "key"],
                   check=True)
    os.makedirs("/run/sshd", exist_ok=True)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    (folder / "config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nPidFile none\nHostKey {folder}/key\n"
        f"{settings}Include /etc/ssh/sshd_config\n")
    process = subprocess.Popen(["/usr/sbin/sshd", "-D", "-f", folder / "config"],
                               stderr=subprocess.DEVNULL)

    def answers():
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port)):
            return True
        return False
    wait_for(answers, "sshd's port")
    yield port
    process.terminate()
    process.wait(WAIT_S)


@pytest.fixture(scope="module")
def sshd(tmp_path_factory):
    with running_sshd(tmp_path_factory.mktemp("sshd")) as port:
        yield port


def connect(port):
    return socket.create_connection(("127.0.0.1", port), timeout=WAIT_S)


def read_all(sock):
    """What came, and how it ended: "FIN" or "RST"."""
    data = b""
    while True:
        try:
            piece = sock.recv(65536)
        except ConnectionResetError:
            return data, "RST"
        if not piece:
            return data, "FIN"
        data += piece


def read_banner(sock):
    banner = b""
    while not banner.endswith(b"\n"):
        banner += sock.recv(1)
    return banner


# What is sent behind the version line of the server.
ENDINGS = {
    "no identification": b"hello\r\n",
    "no identification, and more": b"hello\r\nmore",
    "a NUL, and more": b"SSH-2.0-x\0more\r\n",
    "another major version": b"SSH-1.5-x\r\n",
    "a scanner": b"SSH-2.0-Probe-1\r\n",
    "a scanner that says more": b"SSH-2.0-Probe-1\r\nmore",
    "a length of nothing": b"SSH-2.0-x\r\n" + bytes(8),
    "so much that not all is read": b"SSH-2.0-x\r\n" + bytes(40000),
    "a packet that is a DISCONNECT": b"SSH-2.0-x\r\n" + struct.pack(
        ">IBBIII", 28, 14, 1, 11, 0, 0) + bytes(14),
}


def ending(port, sent):
    """How the server ends it: reset or not, and whether a line of text came whole."""
    with connect(port) as sock:
        read_banner(sock)
        sock.sendall(sent)
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_WR)
        data, how = read_all(sock)
    # Of a KEXINIT only that it is one: cookie and lists differ with the host's keys.
    return how, data if data[5:6] != b"\x14" else b"KEXINIT"


@needs_sshd
@pytest.mark.parametrize("name", ENDINGS)
def test_it_ends_as_the_real_server_ends_it(honeypot, sshd, name):
    assert ending(honeypot.port, ENDINGS[name]) == ending(sshd, ENDINGS[name])


@needs_sshd
def test_as_many_connections_wait_as_at_the_real_server(honeypot, sshd):
    def backlog(port):
        return subprocess.run(["ss", "-Hltn", f"sport = :{port}"], check=True, text=True,
                              stdout=subprocess.PIPE).stdout.split()[2]
    assert backlog(honeypot.port) == backlog(sshd)


@needs_sshd
@pytest.mark.parametrize("said", [b"", b"SSH-2.0-x\r\n"], ids=["nothing", "its version"])
def test_who_does_not_log_in_is_left_in_silence(own_honeypot, tmp_path, said):
    def end(port):
        with connect(port) as sock:
            read_banner(sock)
            sock.sendall(said)
            data, how = read_all(sock)
            return how, data[5:6]  # of a KEXINIT only that it is one
    pot = own_honeypot("limits:\n  login_s: 2\n")
    with running_sshd(tmp_path, "LoginGraceTime 2\n") as port:
        assert end(pot.port) == end(port)


class Segments:
    """The IP packets with data that a port of loopback sends: (type of service, bytes)."""

    def __init__(self, port):
        self.port = port
        self.sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(0x0800))
        # All that is on loopback comes here, and is looked at only in the end.
        self.sock.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
        self.sock.bind(("lo", 0x0800))
        self.sock.setblocking(False)

    def take(self):
        segments = []
        while True:
            try:
                packet, address = self.sock.recvfrom(70000)
            except BlockingIOError:
                return segments
            header = (packet[0] & 15) * 4
            tcp = packet[header:]
            data = len(tcp) - (tcp[12] >> 4) * 4
            if address[2] == socket.PACKET_HOST and packet[9] == 6 and data > 0 and \
                    struct.unpack(">H", tcp[:2])[0] == self.port:
                segments.append((packet[1], data))


@needs_sshd
def test_the_first_writes_are_segments_of_their_own(honeypot, sshd):
    sizes = []
    for port in (honeypot.port, sshd):
        seen = Segments(port)
        with connect(port) as sock:
            read_banner(sock)
            sock.sendall(b"SSH-2.0-x\r\n")
            while not sock.recv(65536):
                pass
            segments = seen.take()
            sizes.append(len(segments))
            assert all(tos == 0 for tos, _ in segments)
            seen.sock.close()
    assert sizes[0] == sizes[1]


def test_a_session_is_marked_from_its_first_program_on(honeypot):
    if os.geteuid() != 0:
        pytest.skip("needs root")
    for tty, mark in ((False, 0x08), (True, 0x10)):
        seen = Segments(honeypot.port)
        assert honeypot.ssh("true", tty=tty).returncode == 0
        marks = [tos for tos, _ in seen.take()]
        seen.sock.close()
        # As recorded from the real server: nothing before the program, its mark from there on.
        first = marks.index(mark)
        assert first > 3 and set(marks[:first]) == {0} and set(marks[first:]) == {mark}


def test_from_the_eleventh_on_clients_are_dropped_by_chance(own_honeypot):
    pot = own_honeypot()
    held, dropped = [], 0
    for _ in range(60):
        sock = connect(pot.port)
        line = read_banner(sock)
        if line.startswith(b"SSH-2.0-"):
            held.append(sock)
            continue
        assert line == b"Exceeded MaxStartups\r\n" and len(held) >= 10
        assert read_all(sock) == (b"", "FIN")
        sock.close()
        dropped += 1
    assert dropped > 0
    limits = wait_for(lambda: [e for e in pot.events() if e["eventid"] == "lured.session.limit"],
                      "the events of those that were dropped")
    assert limits[0]["limit"] == "MaxStartups"
    for sock in held:
        sock.close()
