#!/usr/bin/python3
"""Checks a program of your own that should behave like a lab.

usage: script/lab check NAME COMMAND [ARGUMENT...]
       script/lab check echo ./my-echo
       script/lab check chat python3 my_chat.py

The program is started with 127.0.0.1:PORT as its last argument, as the labs are. Each check prints a
line; a program that fails one is told in a sentence what is wrong. Exit status: 0 when all is well.
"""
import contextlib
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

PATIENCE = 5.0  # seconds that an answer may take
QUIET = 0.3  # seconds after which nothing more is expected


class Wrong(Exception):
    """What is wrong, in a sentence."""


class Program:
    """The program under test, its address and all that it has printed."""

    def __init__(self, command, kind=socket.SOCK_STREAM, port=None):
        with socket.socket(socket.AF_INET, kind) as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = port or probe.getsockname()[1]
        self.address = ("127.0.0.1", self.port)
        self.printed = b""
        self.process = subprocess.Popen([*command, f"127.0.0.1:{self.port}"], stdout=subprocess.PIPE)
        self.reader = threading.Thread(target=self._collect, daemon=True)
        self.reader.start()
        self._wait(kind)

    def _collect(self):
        while piece := os.read(self.process.stdout.fileno(), 65536):
            self.printed += piece

    def _wait(self, kind):
        table = "/proc/net/tcp" if kind == socket.SOCK_STREAM else "/proc/net/udp"
        for _ in range(int(PATIENCE * 50)):
            if self.process.poll() is not None:
                raise Wrong(f"it ended at once, with exit status {self.process.returncode}")
            if any(f":{self.port:04X} 00000000:0000" in line for line in open(table)):
                return
            time.sleep(0.02)
        raise Wrong(f"it does not listen on 127.0.0.1:{self.port}, which was its last argument")

    def connect(self):
        client = socket.create_connection(self.address, timeout=PATIENCE)
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return client

    def must_live(self, after):
        time.sleep(0.1)
        if self.process.poll() is not None:
            raise Wrong(f"it ended (status {self.process.returncode}) after {after}")

    def must_print(self, text, why):
        for _ in range(int(PATIENCE * 50)):
            if text in self.printed:
                return
            time.sleep(0.02)
        hint = "" if self.printed else (" (it has printed nothing at all: perhaps its output waits in a "
                                        "buffer; flush it after each line)")
        raise Wrong(f"{why}: it never printed {text!r}{hint}")

    def wait_until_idle(self):
        """It has begun to listen, but may not yet be ready for signals: until it sleeps."""
        for _ in range(int(PATIENCE * 50)):
            time.sleep(0.02)
            with open(f"/proc/{self.process.pid}/stat") as stat:
                if stat.read().rsplit(")")[-1].split()[0] == "S":
                    return

    def memory(self):
        """Resident bytes."""
        with open(f"/proc/{self.process.pid}/status") as status:
            return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS"))

    def stop(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.reader.join(PATIENCE)
        self.process.stdout.close()


def read_all(client, why):
    """All until the server ends its half."""
    data = b""
    try:
        while piece := client.recv(65536):
            data += piece
    except TimeoutError:
        raise Wrong(f"{why}: the connection was not closed within {PATIENCE:.0f} s") from None
    return data


def read_some(client, want, why):
    data = b""
    try:
        while len(data) < len(want):
            piece = client.recv(len(want) - len(data))
            if not piece:
                break
            data += piece
    except TimeoutError:
        pass
    if data != want:
        raise Wrong(f"{why}: expected {want[:60]!r}, got {data[:60]!r}")


def must_be_silent(client, why):
    client.settimeout(QUIET)
    try:
        data = client.recv(65536)
    except TimeoutError:
        client.settimeout(PATIENCE)
        return
    raise Wrong(f"{why}: got {data[:60]!r}")


def reset(client):
    client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    client.close()


# ---- what every program with a port must do ----

def port_taken(command, kind):
    """says so and ends with status 1 when the port is taken"""
    first = Program(command, kind)
    try:
        second = subprocess.run([*command, f"127.0.0.1:{first.port}"], capture_output=True,
                                timeout=PATIENCE)
        if second.returncode != 1 or not second.stderr:
            raise Wrong(f"started on a port that is taken it must say so on standard error and exit "
                        f"with 1; it exited with {second.returncode}")
    except subprocess.TimeoutExpired:
        raise Wrong("started on a port that is taken it does not end") from None
    finally:
        first.stop()


def bad_usage(command, _kind):
    """says how it is used and ends with status 2 when it gets two arguments"""
    try:
        done = subprocess.run([*command, "1", "2"], capture_output=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise Wrong("with two arguments it does not end") from None
    if done.returncode != 2 or not done.stderr:
        raise Wrong(f"with two arguments it must print its usage on standard error and exit with 2; "
                    f"it exited with {done.returncode}")


def stops(command, kind):
    """ends with status 0 on Ctrl-C and on SIGTERM"""
    for number in (signal.SIGINT, signal.SIGTERM):
        program = Program(command, kind)
        try:
            program.wait_until_idle()
            program.process.send_signal(number)
            status = program.process.wait(PATIENCE)
            if status != 0:
                raise Wrong(f"on {signal.Signals(number).name} it ends with {status}, not with 0")
        except subprocess.TimeoutExpired:
            raise Wrong(f"it does not end on {signal.Signals(number).name}") from None
        finally:
            program.stop()


def restarts(command, kind):
    """can be started again at once, on the port that it has just left"""
    first = Program(command, kind)
    try:
        with first.connect() as client:
            time.sleep(QUIET)  # it takes the client
            first.process.kill()  # whose connection this end is now the first to close: TIME_WAIT
            first.process.wait()
            with contextlib.suppress(OSError):
                client.recv(1)
        time.sleep(0.05)
        try:
            Program(command, kind, first.port).stop()
        except Wrong:
            raise Wrong("started again on the port that it has just left it cannot listen; old connections "
                        "rest in TIME_WAIT for a minute: set SO_REUSEADDR before bind") from None
    finally:
        first.stop()


def flood(client):
    """Sends without reading, until the server stops taking it, or for two seconds."""
    client.setblocking(False)
    sent, piece, end = 0, bytes(65536), time.monotonic() + 2
    quiet = time.monotonic()
    while time.monotonic() < end and time.monotonic() < quiet + QUIET and sent < 256 << 20:
        try:
            sent += client.send(piece)
            quiet = time.monotonic()
        except BlockingIOError:
            time.sleep(0.01)


# ---- receivers ----

def receiver_prints(program):
    """prints a line for each line that comes"""
    with program.connect() as client:
        client.sendall(b"one\ntwo\n")
        program.must_print(b"one", "after two lines in one packet")
        program.must_print(b"two", "after two lines in one packet")
        must_be_silent(client, "a receiver sends nothing back")


def receiver_tells(program):
    """prints who connected, by address and port, and that he has left"""
    with program.connect() as client:
        port = b"%d" % client.getsockname()[1]
        program.must_print(port, "after a client has connected, its port")
        client.sendall(b"bye\n")
        program.must_print(b"bye", "after a line")
        before = len(program.printed)
    for _ in range(int(PATIENCE * 50)):
        if b"\n" in program.printed[before:].lstrip(b"\n"):
            return
        time.sleep(0.02)
    raise Wrong("when a client leaves it must print so: it printed nothing")


def receiver_joins(program):
    """prints a line that comes in pieces as one line"""
    with program.connect() as client:
        for byte in b"in pieces\n":
            client.sendall(bytes([byte]))
            time.sleep(0.01)
        program.must_print(b"in pieces", "a line sent byte by byte must be one line")


def receiver_waits(program):
    """serves one at a time: the second is silent until the first has left"""
    with program.connect() as first, program.connect() as second:
        first.sendall(b"from the first\n")
        program.must_print(b"from the first", "with two clients connected")
        second.sendall(b"from the second\n")
        time.sleep(QUIET)
        if b"from the second" in program.printed:
            raise Wrong("the second client was served while the first was still there")
        first.close()
        program.must_print(b"from the second", "after the first client has left")


def receiver_serves_all(program):
    """serves many at once"""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(program.connect()) for _ in range(50)]
        for number, client in reversed(list(enumerate(clients))):
            client.sendall(b"from number %d.\n" % number)
        for number in range(len(clients)):
            program.must_print(b"from number %d." % number, "with 50 clients at once")


def receiver_ends(program):
    """notices that a client has left, also when it left with half a line or with a reset"""
    with program.connect() as client:
        client.sendall(b"half a line")
    program.must_print(b"half a line", "a last line without a newline")
    client = program.connect()
    client.sendall(b"reset follows\n")
    program.must_print(b"reset follows", "before a reset")
    reset(client)
    program.must_live("a client's reset")
    with program.connect() as client:
        client.sendall(b"after the reset\n")
        program.must_print(b"after the reset", "after another client's reset")


# ---- tcp-server, echo ----

def ack(program):
    """answers ACK! and closes"""
    with program.connect() as client:
        client.sendall(b"hello there\n")
        data = read_all(client, "after the answer")
        if data.strip() != b"ACK!":
            raise Wrong(f"the answer must be ACK!, it was {data[:60]!r}")
    program.must_print(b"hello there", "after the client's line")


def ack_many(program):
    """answers many at once"""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(program.connect()) for _ in range(100)]
        for client in clients:
            client.sendall(b"hi\n")
        for number, client in enumerate(clients):
            if read_all(client, f"client {number} of {len(clients)}").strip() != b"ACK!":
                raise Wrong(f"client {number} of {len(clients)} was not answered")


def silent_first(program):
    """is not held up by a client that says nothing"""
    with program.connect() as silent, program.connect() as client:
        client.sendall(b"hi\n")
        if not client.recv(16):
            raise Wrong("it closed without an answer")
        silent.close()


def echo_bytes(program):
    """sends back every byte, whatever its value"""
    with program.connect() as client:
        client.sendall(bytes(range(256)))
        read_some(client, bytes(range(256)), "all 256 byte values")


def echo_pieces(program):
    """sends back what comes byte by byte"""
    with program.connect() as client:
        for byte in b"slowly\n":
            client.sendall(bytes([byte]))
            read_some(client, bytes([byte]), "a byte alone")


def echo_half_close(program):
    """answers all of it after the client has ended its half"""
    payload = os.urandom(200_000)
    with program.connect() as client:
        sender = threading.Thread(target=lambda: (client.sendall(payload),
                                                  client.shutdown(socket.SHUT_WR)))
        sender.start()
        data = read_all(client, "after the client's end")
        sender.join()
    if data != payload:
        raise Wrong(f"of {len(payload)} bytes before a half close {len(data)} came back")


def echo_many(program):
    """serves a hundred at once"""
    with contextlib.ExitStack() as stack:
        clients = [stack.enter_context(program.connect()) for _ in range(100)]
        for number, client in enumerate(clients):
            client.sendall(b"I am %d" % number)
        for number, client in enumerate(clients):
            read_some(client, b"I am %d" % number, f"client {number} of {len(clients)}")


def echo_slow_reader(program):
    """keeps its memory, and the others served, when a client sends and never reads"""
    before = program.memory()
    with program.connect() as greedy, program.connect() as other:
        flood(greedy)
        other.sendall(b"still there?")
        read_some(other, b"still there?", "beside a client that does not read")
        grown = program.memory() - before
        if grown > 64 << 20:
            raise Wrong(f"a client that sends and never reads made it grow by {grown >> 20} MiB")


def survives_reset(program):
    """lives on after a reset"""
    for _ in range(20):
        client = program.connect()
        client.sendall(b"x" * 1000)
        reset(client)
    program.must_live("resets by 20 clients")
    # Who sends and goes without reading: the first answer is refused, the second one raises SIGPIPE.
    for _ in range(20):
        with contextlib.suppress(OSError), program.connect() as client:
            client.sendall(b"x" * 60_000)
    program.must_live("it wrote to clients that had left; the second write to such a client raises "
                      "SIGPIPE: ignore the signal, or send with MSG_NOSIGNAL")
    with program.connect() as client:
        client.sendall(b"ok")
        read_some(client, b"ok", "after resets by others")


# ---- echo-udp ----

def udp_echo(program):
    """sends each datagram back to its sender"""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one, \
            socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two:
        for client in (one, two):
            client.settimeout(PATIENCE)
        one.sendto(b"from one", program.address)
        two.sendto(b"from two", program.address)
        for client, want in ((one, b"from one"), (two, b"from two")):
            try:
                got = client.recv(65536)
            except TimeoutError:
                raise Wrong(f"no answer to {want!r}") from None
            if got != want:
                raise Wrong(f"{want!r} was answered with {got!r}")
    program.must_print(b"from one", "after a datagram")


def udp_sizes(program):
    """keeps the borders between datagrams, of any size"""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(PATIENCE)
        for size in (0, 1, 1472, 9000, 60000):
            client.sendto(b"d" * size, program.address)
            try:
                got = client.recv(65536)
            except TimeoutError:
                raise Wrong(f"no answer to a datagram of {size} bytes") from None
            if len(got) != size:
                raise Wrong(f"a datagram of {size} bytes came back with {len(got)}")


# ---- chat, pubsub ----

def joined(program, count):
    """So many clients that the server has taken."""
    clients = [program.connect() for _ in range(count)]
    time.sleep(QUIET)
    return clients


def chat_to_all(program):
    """sends a line to every other client"""
    with contextlib.ExitStack() as stack:
        a, b, c = (stack.enter_context(client) for client in joined(program, 3))
        a.sendall(b"hello all\n")
        for client in (b, c):
            line = client.makefile("rb").readline()
            if b"hello all" not in line:
                raise Wrong(f"a line that one sent must reach the others; they got {line!r}")


def chat_whole_lines(program):
    """sends a line in pieces on as one, and only when it is whole"""
    with contextlib.ExitStack() as stack:
        a, b = (stack.enter_context(client) for client in joined(program, 2))
        a.sendall(b"half")
        must_be_silent(b, "half a line must wait for its end")
        a.sendall(b" and half\nnext\n")
        lines = b.makefile("rb")
        for want in (b"half and half", b"next"):
            line = lines.readline()
            if want not in line:
                raise Wrong(f"expected a line with {want!r}, got {line!r}")


def chat_slow(program):
    """keeps its memory, and the others served, when a client does not read"""
    before = program.memory()
    with contextlib.ExitStack() as stack:
        slow, talker, listener = (stack.enter_context(client) for client in joined(program, 3))
        sink = threading.Thread(target=drain, args=(talker,), daemon=True)
        sink.start()
        lines = (b"x" * 1000 + b"\n") * 100
        try:
            for done in range(300):  # the one that reads is never far behind
                talker.sendall(lines)
                take(listener, len(lines))
        except TimeoutError:
            raise Wrong("beside a client that does not read, another one got less than "
                        f"{done + 1}00 of 30000 lines: no client may hold up the others") from None
        grown = program.memory() - before
        if grown > 16 << 20:
            raise Wrong(f"a client that did not read 30 MB made it grow by {grown >> 20} MiB: what waits "
                        "for a client needs a limit, and who is beyond it must be disconnected")
        slow.close()


def take(client, size):
    while size > 0:
        piece = client.recv(size)
        if not piece:
            raise Wrong("a client that reads was disconnected because another one does not")
        size -= len(piece)


def drain(client):
    with contextlib.suppress(OSError):
        while client.recv(1 << 20):
            pass


def chat_leaves(program):
    """notices who left, by end or by reset"""
    for leave in (socket.socket.close, reset):
        with contextlib.ExitStack() as stack:
            a, b, c = joined(program, 3)
            stack.enter_context(a)
            stack.enter_context(b)
            leave(c)
            time.sleep(QUIET)
            a.sendall(b"who is left?\n")
            if b"who is left?" not in b.makefile("rb").readline():
                raise Wrong("after one client has left, a line no longer reaches the others")
    program.must_live("clients that left")


def pubsub_topics(program):
    """gives a topic's messages to those who said SUB, until they say UNSUB"""
    with contextlib.ExitStack() as stack:
        a, b, c = (stack.enter_context(client) for client in joined(program, 3))
        a.sendall(b"SUB news\n")
        time.sleep(QUIET)
        c.sendall(b"PUB news it rains\n")
        read_some(a, b"news it rains\n", "a subscriber")
        must_be_silent(b, "one who did not subscribe")
        a.sendall(b"UNSUB news\n")
        time.sleep(QUIET)
        c.sendall(b"PUB news it still rains\n")
        must_be_silent(a, "after UNSUB")


def pubsub_wildcards(program):
    """takes * for one level of a topic and > for the rest"""
    with contextlib.ExitStack() as stack:
        one, rest, pub = (stack.enter_context(client) for client in joined(program, 3))
        one.sendall(b"SUB house.*.door\n")
        rest.sendall(b"SUB house.>\n")
        time.sleep(QUIET)
        pub.sendall(b"PUB house.red.door open\nPUB house.red.window.left shut\n")
        read_some(one, b"house.red.door open\n", "house.*.door")
        read_some(rest, b"house.red.door open\nhouse.red.window.left shut\n", "house.>")
        must_be_silent(one, "house.*.door does not match house.red.window.left")


def pubsub_errors(program):
    """answers a bad command with one line that begins with ERR"""
    with program.connect() as client:
        for command in (b"SUB\n", b"PUB\n", b"PUB topic\n", b"SUB a b\n"):
            client.sendall(command)
            line = client.makefile("rb").readline()
            if not line.startswith(b"ERR "):
                raise Wrong(f"{command!r} must be answered with ERR and a reason, not with {line!r}")


# ---- web ----

def ask(program, request):
    with program.connect() as client:
        client.sendall(request)
        client.settimeout(PATIENCE)
        return client.recv(1 << 20)


def web_answers(program):
    """answers a request, in one piece or byte by byte"""
    request = b"GET /counter HTTP/1.1\r\nHost: localhost\r\n\r\n"
    if not ask(program, request).startswith(b"HTTP/1.1 200"):
        raise Wrong("GET /counter must be answered with HTTP/1.1 200")
    with program.connect() as client:
        for byte in request:
            client.sendall(bytes([byte]))
        if not client.recv(65536).startswith(b"HTTP/1.1 200"):
            raise Wrong("a request that comes byte by byte must be answered like any other")


def web_keeps_alive(program):
    """answers several requests on one connection"""
    with program.connect() as client:
        for _ in range(3):
            client.sendall(b"GET /counter HTTP/1.1\r\nHost: localhost\r\n\r\n")
            if not client.recv(65536).startswith(b"HTTP/1.1 200"):
                raise Wrong("HTTP/1.1 keeps the connection for further requests")


def web_stays_inside(program):
    """serves no path outside its folder"""
    for path in (b"/../../../../../../etc/passwd", b"/%2e%2e/%2e%2e/%2e%2e/%2e%2e/etc/passwd",
                 b"/..%2f..%2f..%2f..%2fetc/passwd", b"//etc/passwd"):
        answer = ask(program, b"GET " + path + b" HTTP/1.1\r\nHost: localhost\r\n\r\n")
        if b"root:" in answer or answer.startswith(b"HTTP/1.1 200"):
            raise Wrong(f"{path.decode()} was answered with {answer[:40]!r}")


def web_refuses(program):
    """refuses what is no request, and what is too long"""
    for request in (b"hello\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n",
                    b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n"):
        answer = ask(program, request)
        if not answer.startswith(b"HTTP/1.1 4"):
            raise Wrong(f"{request[:30]!r} must be answered with a status 4xx, not {answer[:40]!r}")
    program.must_live("bad requests")


# ---- strip: in its lab folder, beside its site ----

def via(program, url):
    host = url.split("/")[2]
    return ask(program, f"GET {url} HTTP/1.1\r\nHost: {host}\r\n\r\n".encode())


def strip_strips(program):
    """hands on the shop's page without TLS in its links"""
    page = via(program, "http://shop.lab/")
    if not page.startswith(b"HTTP/1.1 200"):
        raise Wrong(f"http://shop.lab/ must be fetched and handed on, not answered with {page[:40]!r}")
    if b"https://" in page or b"http://shop.lab/basket" not in page:
        raise Wrong("the links of the page must begin with http://")
    if b"secure" in page.split(b"\r\n\r\n")[0].lower():
        raise Wrong("a cookie that is Secure would not come back: the attribute must go")


def strip_refuses(program):
    """refuses all hosts that are not in its lab file with a 403"""
    for url in ("http://example.org/", "http://127.0.0.1/", "http://shop.lab.example.org/"):
        answer = via(program, url)
        if not answer.startswith(b"HTTP/1.1 403"):
            raise Wrong(f"{url} is not of the lab and must be answered with 403, not {answer[:40]!r}")


def loopback_only(command, _kind):
    """does not listen on any address but the loopback's"""
    try:
        done = subprocess.run([*command, "0.0.0.0:0"], capture_output=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise Wrong("asked to listen on 0.0.0.0 it does; it must refuse") from None
    if done.returncode != 1:
        raise Wrong(f"asked to listen on 0.0.0.0 it must exit with 1, not with {done.returncode}")


@contextlib.contextmanager
def folder_of(lab):
    """A lab with files of its own is started where they are."""
    setup = os.path.join(os.path.dirname(os.path.abspath(__file__)), lab, "setup")
    if not os.path.exists(setup):
        yield None
        return
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([setup, folder], check=True)
        yield folder


STREAM = socket.SOCK_STREAM
RECEIVER = [receiver_prints, receiver_tells, receiver_joins, receiver_ends]
CHAT = [chat_to_all, chat_whole_lines, chat_leaves, chat_slow]
LABS = {
    "receiver": (STREAM, [*RECEIVER, receiver_waits]),
    "threaded-receiver": (STREAM, [*RECEIVER, receiver_serves_all]),
    "epoll-receiver": (STREAM, [*RECEIVER, receiver_serves_all]),
    "reel-receiver": (STREAM, [*RECEIVER, receiver_serves_all]),
    "tcp-server": (STREAM, [ack, silent_first, ack_many]),
    "echo": (STREAM, [echo_bytes, echo_pieces, echo_half_close, echo_many, survives_reset,
                      echo_slow_reader]),
    "echo-udp": (socket.SOCK_DGRAM, [udp_echo, udp_sizes]),
    "chat": (STREAM, CHAT),
    "pubsub": (STREAM, [*CHAT, pubsub_topics, pubsub_wildcards, pubsub_errors]),
    "strip": (STREAM, [strip_strips, strip_refuses, loopback_only]),
    "web": (STREAM, [web_answers, web_keeps_alive, web_stays_inside, web_refuses]),
}
COMMON = [port_taken, bad_usage, stops]
OF_THE_COMMAND = [*COMMON, restarts, loopback_only]  # start the program themselves


def run_check(check, command, kind):
    if check in OF_THE_COMMAND:
        check(command, kind)
        return
    program = Program(command, kind)
    try:
        check(program)
    finally:
        program.stop()


def fails(check, command, kind):
    try:
        run_check(check, command, kind)
        print(f"ok     it {check.__doc__}")
    except Wrong as fault:
        print(f"WRONG  {fault}")
        return True
    except OSError as fault:
        print(f"WRONG  it must be so that it {check.__doc__}; but: {fault.strerror or fault}")
        return True
    return False


def main():
    if len(sys.argv) < 3 or sys.argv[1] not in LABS:
        print(f"{__doc__}\nlabs: {' '.join(LABS)}", file=sys.stderr)
        return 2
    kind, checks = LABS[sys.argv[1]]
    command = sys.argv[2:]
    if "/" in command[0]:
        command[0] = os.path.abspath(command[0])
    wrong = 0
    with folder_of(sys.argv[1]) as folder:
        os.chdir(folder or ".")
        checks = [*checks, *COMMON, *([restarts] if kind == STREAM else [])]
        wrong = sum(fails(check, command, kind) for check in checks)
        os.chdir("/")
    print(f"{len(checks) - wrong} of {len(checks)} checks passed")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
