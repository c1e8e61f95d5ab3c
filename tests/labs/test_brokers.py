"""Two pubsub servers joined by a real NATS and by a real Redis; a broker and a server are killed."""
import contextlib
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("LABS", ROOT / "build/labs"))
sys.path.insert(0, str(ROOT / "labs"))
import checker  # noqa: E402

BROKERS = {
    "nats": ["nats-server", "-a", "127.0.0.1", "-p", "{port}"],
    "redis": ["redis-server", "--bind", "127.0.0.1", "--port", "{port}", "--save", ""],
}


class Broker:
    def __init__(self, name, folder):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.url = f"{name}://127.0.0.1:{self.port}"
        self.words = [word.replace("{port}", str(self.port)) for word in BROKERS[name]]
        self.folder = folder
        self.start()

    def start(self):
        self.process = subprocess.Popen(self.words, cwd=self.folder, stdout=subprocess.DEVNULL,
                                        stderr=subprocess.DEVNULL)
        for _ in range(500):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", self.port)):
                return
            time.sleep(0.02)
        raise AssertionError("the broker does not listen")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()


@pytest.fixture(params=BROKERS)
def broker(request, tmp_path):
    if not shutil.which(BROKERS[request.param][0]):
        pytest.skip(f"no {BROKERS[request.param][0]} here")
    broker = Broker(request.param, tmp_path)
    yield broker
    broker.kill()


@pytest.fixture
def servers(broker):
    programs = [checker.Program([str(BUILD / "lab-pubsub"), "--broker", broker.url]) for _ in "ab"]
    yield programs
    for program in programs:
        program.stop()


def arrives(publisher, subscriber, text):
    """Publishes until it arrives: while a broker is away, what is published is lost to others."""
    subscriber.settimeout(0.2)
    got = b""
    for _ in range(100):
        publisher.sendall(b"PUB news.today " + text + b"\n")
        with contextlib.suppress(TimeoutError):
            got += subscriber.recv(65536)
        if b"news.today " + text + b"\n" in got:
            return True
    return False


def test_topics_are_shared_and_survive_a_death(broker, servers):
    one, other = servers
    with one.connect() as subscriber, other.connect() as publisher:
        subscriber.sendall(b"SUB news.*\n")
        assert arrives(publisher, subscriber, b"before")
        broker.kill()
        broker.start()
        assert arrives(publisher, subscriber, b"after the broker was killed")
    other.stop()
    again = checker.Program([str(BUILD / "lab-pubsub"), "--broker", broker.url])
    servers[1] = again
    with one.connect() as subscriber, again.connect() as publisher:
        subscriber.sendall(b"SUB news.*\n")
        assert arrives(publisher, subscriber, b"after a server was killed")


def test_each_message_comes_once(servers):
    one, other = servers
    with one.connect() as subscriber, other.connect() as publisher, one.connect() as local:
        subscriber.sendall(b"SUB news.today\nSUB news.>\n")
        assert arrives(publisher, subscriber, b"joined")
        time.sleep(checker.QUIET)
        subscriber.settimeout(checker.QUIET)
        with contextlib.suppress(TimeoutError):
            while subscriber.recv(65536):
                pass
        subscriber.settimeout(checker.PATIENCE)
        for number in range(100):
            local.sendall(b"PUB news.today number %d\n" % number)
        want = b"".join(b"news.today number %d\n" % number for number in range(100))
        checker.read_some(subscriber, want, "a hundred messages")
        checker.must_be_silent(subscriber, "nothing comes twice")


def test_without_a_broker_the_own_clients_are_served():
    program = checker.Program([str(BUILD / "lab-pubsub"), "--broker", "nats://127.0.0.1:1"])
    try:
        checker.pubsub_topics(program)
    finally:
        program.stop()


@pytest.mark.parametrize("url", ["http://127.0.0.1:80", "nats://", "nonsense", "redis://127.0.0.1"])
def test_a_bad_url_is_told(url):
    done = subprocess.run([str(BUILD / "lab-pubsub"), "--broker", url, "127.0.0.1:0"],
                          capture_output=True, text=True)
    assert done.returncode == 1 and "a broker is nats://" in done.stderr
