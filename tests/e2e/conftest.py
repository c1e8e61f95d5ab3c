"""A running honeypot for the tests, the clients' algorithm names, and a reader of its records."""
import contextlib
import json
import os
import pathlib
import select
import signal
import socket
import struct
import subprocess
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
LURED = os.environ.get("LURED", str(ROOT / "build/lured"))
IMAGE = os.environ.get("LURED_IMAGE", str(ROOT / "build/persona/debian-12.image"))
WAIT_S = 120  # for a condition that will come; never part of what is asserted


def wait_for(condition, what):
    end = time.monotonic() + WAIT_S
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.05)
    raise AssertionError(f"never came: {what}")


def plant_seed(data, seed=None, edition=None):
    """The seed of a machine that is to be drawn in `data`, a random one if none is given. Of the first
    edition, which has no number, every machine has two processors, as the recorded one."""
    (data / "identity").mkdir(parents=True, mode=0o700)
    born = struct.pack(">Q", int(time.time() * 1000))
    (data / "identity/seed").write_bytes(
        (seed or os.urandom(32)) + born + (b"" if edition is None else struct.pack(">I", edition)))


class Honeypot:
    """`lured run` in a folder of its own, on a free port of 127.0.0.1."""

    def __init__(self, folder, extra_config="", image=IMAGE):
        self.folder = folder
        self.data = folder / "data"
        self.config = folder / "lured.yaml"
        # Every test finds a new machine, unless visitors are what it is about.
        forget = "" if "visitors:" in extra_config else "visitors:\n  remember: 0\n"
        self.config.write_text(f"image: {image}\n{forget}{extra_config}")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.errors = open(folder / "stderr", "w+b")
        self.process = subprocess.Popen(
            [LURED, "run", "--config", self.config, "--data", self.data,
             "--ssh", f"tcp:{self.port}:interface=127.0.0.1"],
            stdout=subprocess.PIPE, stderr=self.errors, cwd=folder)
        self.ready_line = self.read_ready()

    def read_ready(self):
        if not select.select([self.process.stdout], [], [], WAIT_S)[0]:
            raise AssertionError("no ready line")
        line = self.process.stdout.readline().decode()
        if "ready" not in line:
            self.process.wait()
            raise AssertionError(f"not ready: {line!r} {(self.folder / 'stderr').read_text()}")
        return line

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(WAIT_S)
        self.process.stdout.close()
        self.errors.close()
        return status

    def stderr(self):
        return (self.folder / "stderr").read_text(errors="replace")

    def events(self):
        path = self.data / "log/events.json"
        if not path.exists():
            return []
        text = path.read_text()
        return [json.loads(line) for line in text[:text.rfind("\n") + 1].splitlines()]

    def count(self, eventid):
        return sum(event["eventid"] == eventid for event in self.events())

    def closed_sessions(self):
        """Lists of events by session, of the sessions that have ended, in order of their end."""
        by_session = {}
        for event in self.events():
            if "session" in event:
                by_session.setdefault(event["session"], []).append(event)
        done = [e["session"] for e in self.events() if e["eventid"] == "cowrie.session.closed"]
        return [by_session[name] for name in done]

    @contextlib.contextmanager
    def recorded(self, count=1):
        """Yields a list that holds, after the block, the events of the sessions it made."""
        wait_for(lambda: self.count("cowrie.session.connect") == self.count("cowrie.session.closed"),
                 "the end of the sessions before")
        before = len(self.closed_sessions())
        sessions = []
        yield sessions
        wait_for(lambda: len(self.closed_sessions()) >= before + count, f"{count} closed sessions")
        sessions.extend(self.closed_sessions()[before:])

    def ssh(self, *command, user="root", password="123456", options=(), tty=False, **kwargs):
        """Runs OpenSSH's client through sshpass; returns the finished process."""
        argv = ["sshpass", "-p", password, "ssh", "-F", "none", "-p", str(self.port)]
        # The first value given for an option is the one that holds.
        for option in (*options, "StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null",
                       "LogLevel=ERROR", "PubkeyAuthentication=no", "NumberOfPasswordPrompts=1"):
            argv += ["-o", option]
        argv += ["-tt"] if tty else []
        argv += [f"{user}@127.0.0.1", *command]
        kwargs.setdefault("stdin", subprocess.DEVNULL)
        return subprocess.run(argv, capture_output=True, timeout=WAIT_S, check=False, **kwargs)


@pytest.fixture(scope="session")
def honeypot(tmp_path_factory):
    pot = Honeypot(tmp_path_factory.mktemp("lured"))
    yield pot
    assert pot.process.poll() is None, f"it died: {pot.stderr()}"
    assert pot.stop() == 0
    assert "Sanitizer" not in pot.stderr() and "runtime error" not in pot.stderr(), pot.stderr()


@pytest.fixture
def own_honeypot(tmp_path):
    """A factory of honeypots with a configuration of their own."""
    pots = []

    def make(extra_config="", image=IMAGE):
        pots.append(Honeypot(tmp_path, extra_config, image))
        return pots[-1]

    yield make
    for pot in pots:
        if pot.process.poll() is None:
            pot.stop()
        assert "Sanitizer" not in pot.stderr() and "runtime error" not in pot.stderr(), pot.stderr()


def read_exactly(sock, n):
    data = b""
    while len(data) < n:
        piece = sock.recv(n - len(data))
        if not piece:
            raise EOFError(data)
        data += piece
    return data


def read_kexinit(port):
    """The name-lists of the server's KEXINIT (RFC 4253, section 7.1), in their order."""
    with socket.create_connection(("127.0.0.1", port), timeout=WAIT_S) as sock:
        banner = b""
        while not banner.endswith(b"\n"):
            banner += read_exactly(sock, 1)
        sock.sendall(b"SSH-2.0-lists\r\n")
        length, padding = struct.unpack(">IB", read_exactly(sock, 5))
        payload = read_exactly(sock, length - 1)[:length - 1 - padding]
    names = ["kex", "hostkey", "cipher", "cipher_s2c", "mac", "mac_s2c", "compression"]
    lists, at = {"banner": banner}, 17
    for name in names:
        size, = struct.unpack_from(">I", payload, at)
        lists[name] = payload[at + 4:at + 4 + size].decode().split(",")
        at += 4 + size
    return lists
