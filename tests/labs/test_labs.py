"""The labs from outside: the student's checker on each, real clients, a thousand clients at once."""
import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import time

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("LABS", ROOT / "build/labs")).resolve()
sys.path.insert(0, str(ROOT / "labs"))
import checker  # noqa: E402

ON_THE_ENGINE = ["tcp-server", "echo", "chat", "pubsub", "reel-receiver", "strip", "web"]


def program(lab):
    return [str(BUILD / f"lab-{lab}")]


@contextlib.contextmanager
def running(lab):
    with checker.folder_of(lab) as folder, contextlib.chdir(folder or "."):
        server = checker.Program(program(lab))
        try:
            yield server
        finally:
            server.stop()


@pytest.mark.parametrize("lab", checker.LABS)
def test_the_lab_passes_the_students_checks(lab):
    done = subprocess.run([str(ROOT / "labs/checker.py"), lab, *program(lab)], capture_output=True,
                          text=True)
    assert done.returncode == 0, done.stdout + done.stderr


FAULTS = {
    # Each is a server with one mistake that students make, the check that must find it, and the words
    # that must tell him.
    "one read is taken for one line": (checker.chat_whole_lines, "half a line must wait", """
        for piece in iter(lambda: me.recv(4096), b''):
            for other in [*all]:
                if other is not me: other.sendall(piece if piece.endswith(b'\\n') else piece + b'\\n')
    """),
    "text where bytes are meant": (checker.echo_bytes, "all 256 byte values", """
        for piece in iter(lambda: me.recv(4096), b''):
            me.sendall(piece.decode('ascii', 'ignore').encode())
    """),
    "only the first read is answered": (checker.echo_pieces, "a byte alone", """
        me.sendall(me.recv(4096))
        me.recv(4096)
    """),
    "long reads are forgotten": (checker.echo_half_close, "before a half close", """
        for piece in iter(lambda: me.recv(4096), b''):
            if len(piece) < 4096: me.sendall(piece)
    """),
    "the answer is another": (checker.ack, "the answer must be ACK!", """
        print(me.recv(4096), flush=True); me.sendall(b'OK\\n')
    """),
    "nobody is told of a bad command": (checker.pubsub_errors, "must be answered with ERR", """
        for line in me.makefile('rb'): me.sendall(b'what?\\n')
    """),
    "a slow reader holds up the others": (checker.chat_slow, "no client may hold up the others", """
        for line in me.makefile('rb'):
            with lock:
                for other in [*all]: other.sendall(line)
    """),
    "the last half line is lost": (checker.receiver_ends, "a last line without a newline", """
        data = b''
        for piece in iter(lambda: me.recv(4096), b''):
            *lines, data = (data + piece).split(b'\\n')
            for line in lines: print(line, flush=True)
    """),
    "the output is not flushed": (checker.receiver_prints, "flush it after each line", """
        for line in me.makefile('rb'): print(line)
    """),
    "a receiver that answers": (checker.receiver_prints, "sends nothing back", """
        for line in me.makefile('rb'): print(line, flush=True); me.sendall(line)
    """),
    "nobody is told who left": (checker.receiver_tells, "when a client leaves", """
        print(me.getpeername(), flush=True)
        for line in me.makefile('rb'): print(line, flush=True)
    """),
    "it dies of SIGPIPE": (checker.survives_reset, "SIGPIPE", """
import signal, socket, sys, threading
signal.signal(signal.SIGPIPE, signal.SIG_DFL)
host, port = sys.argv[1].split(':')
listener = socket.create_server((host, int(port)))
def serve(me):
    try:
        for piece in iter(lambda: me.recv(1024), b''): me.sendall(piece)
    except OSError: pass
while True: threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()
"""),
    "no SO_REUSEADDR": (checker.restarts, "SO_REUSEADDR", """
import socket, sys, time
host, port = sys.argv[1].split(':')
listener = socket.socket()
listener.bind((host, int(port)))
listener.listen()
while True: listener.accept()[0].recv(1)
"""),
    "what waits for a slow reader has no limit": (checker.chat_slow, "needs a limit", """
import asyncio, sys
host, port = sys.argv[1].split(':')
everybody = set()
async def serve(reader, writer):
    everybody.add(writer)
    while line := await reader.readline():
        for other in everybody: other.write(line)
    everybody.discard(writer)
async def main():
    async with await asyncio.start_server(serve, host, int(port)) as server: await server.serve_forever()
asyncio.run(main())
"""),
}

SERVER = """
import signal, socket, sys, threading
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
host, port = sys.argv[1].split(':')
listener = socket.create_server((host, int(port)))
all = []
lock = threading.Lock()
def handle(me):
    all.append(me)
    try:
{body}
    except OSError: pass
    all.remove(me); me.close()
while True:
    threading.Thread(target=handle, args=(listener.accept()[0],), daemon=True).start()
"""


@pytest.mark.parametrize("fault", FAULTS)
def test_the_checker_finds_the_mistake(fault, tmp_path, monkeypatch):
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    check, words, body = FAULTS[fault]
    server = tmp_path / "server.py"
    server.write_text(body if "import" in body else SERVER.replace("{body}", body))
    with pytest.raises(checker.Wrong, match=words):
        checker.run_check(check, ["/usr/bin/python3", str(server)], socket.SOCK_STREAM)


def test_the_checker_says_what_is_wrong_in_a_line_and_with_its_status(tmp_path):
    server = tmp_path / "server.py"
    server.write_text(SERVER.replace("{body}", FAULTS["only the first read is answered"][2]))
    done = subprocess.run([str(ROOT / "labs/checker.py"), "echo", "/usr/bin/python3", str(server)],
                          capture_output=True, text=True)
    assert done.returncode == 1
    assert any(line.startswith("WRONG") and "a byte alone" in line for line in done.stdout.splitlines())


def test_the_checker_says_when_a_program_does_not_listen():
    done = subprocess.run([str(ROOT / "labs/checker.py"), "echo", "false"], capture_output=True,
                          text=True)
    assert "it ended at once, with exit status 1" in done.stdout


@pytest.mark.parametrize("netcat", [["nc.openbsd", "-N"], ["ncat"]], ids=["netcat-openbsd", "ncat"])
def test_both_netcats_are_served(netcat):
    with running("echo") as echo:
        done = subprocess.run([*netcat, "127.0.0.1", str(echo.port)], input=b"there and back\n",
                              capture_output=True)
        assert done.stdout == b"there and back\n"
    with running("receiver") as receiver:
        subprocess.run([*netcat, "127.0.0.1", str(receiver.port)], input=b"a line\n", check=True)
        receiver.must_print(b": a line", "a line by netcat")
        receiver.must_print(b"disconnected", "the end of netcat")


ANSWERED = {
    "echo": (b"hello %d\n", b"hello %d\n"),
    "tcp-server": (b"hello %d\n", b"ACK!\n"),
    "pubsub": (b"SUB\n", b"ERR SUB needs one topic\n"),
    "chat": (b"", b"for all\n"),
    "reel-receiver": (b"I am number %d!\n", None),
    "strip": (b"GET http://example.org/ HTTP/1.1\r\nHost: example.org\r\n\r\n", b"HTTP/1.1 403"),
    "web": (b"GET /counter HTTP/1.1\r\nHost: x\r\n\r\n", b"HTTP/1.1 200"),
}


@pytest.mark.parametrize("lab", ON_THE_ENGINE)
def test_a_thousand_clients_at_once(lab):
    say, answer = ANSWERED[lab]
    with running(lab) as server, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(server.connect()) for _ in range(1000)]
        for number, client in enumerate(clients):
            client.sendall(say % number if b"%d" in say else say)
        if lab == "chat":
            time.sleep(checker.QUIET)
            clients[0].sendall(answer)
        for number, client in enumerate(clients):
            if answer is None:
                server.must_print(say.strip() % number, f"client {number}")
                continue
            want = answer % number if b"%d" in answer else answer
            checker.read_some(client, want, f"{lab}: client {number} of {len(clients)}")


def test_a_thousand_senders_of_datagrams():
    server = checker.Program(program("echo-udp"), socket.SOCK_DGRAM)
    try:
        with contextlib.ExitStack() as stack:
            clients = [stack.enter_context(socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
                       for _ in range(1000)]
            for number, client in enumerate(clients):  # one by one: a burst may lose some, as UDP may
                client.settimeout(checker.PATIENCE)
                client.sendto(b"I am %d" % number, server.address)
                assert client.recv(100) == b"I am %d" % number
    finally:
        server.stop()


@pytest.mark.parametrize("lab", ["tasks", "race"])
def test_the_labs_without_a_port_refuse_arguments(lab):
    done = subprocess.run([*program(lab), "--nonsense"], capture_output=True, text=True)
    assert done.returncode == 2 and done.stderr.startswith("usage: ")


def test_race_loses_money_only_where_it_says():
    out = subprocess.run(program("race"), capture_output=True, text=True, check=True).stdout
    lost = {line[:42].strip(): int(line.split("lost ")[1]) for line in out.splitlines()[1:]}
    assert lost["two threads"] > 0
    assert lost["two threads and a mutex"] == 0
    assert lost["one loop, check and use in one callback"] == 0
    assert lost["one loop, check and use in two callbacks"] > 0


def test_tasks_draws_its_timeline(tmp_path):
    picture = tmp_path / "tasks.svg"
    out = subprocess.run([*program("tasks"), "--svg", str(picture)], capture_output=True, text=True,
                         check=True).stdout
    totals = [int(line.split(": ")[1].split()[0]) for line in out.splitlines() if line.endswith(" ms")]
    assert totals[0] > totals[1] and totals[0] > totals[2]
    assert picture.read_text().count("<rect") == 18  # three ways, three tasks, waiting and work


def test_a_slow_client_holds_up_only_the_receiver_that_blocks():
    labs = ["receiver", "threaded-receiver", "epoll-receiver", "reel-receiver"]
    with contextlib.ExitStack() as stack:
        ports = [stack.enter_context(running(lab)).port for lab in labs]
        slow = [subprocess.Popen([*program("slow-client"), f"127.0.0.1:{port}"], text=True,
                                 stdout=subprocess.PIPE) for port in ports]
        outs = [client.communicate()[0].splitlines() for client in slow]
    for lab, out in zip(labs, outs):
        assert len(out) == 5
        assert ("client 1" in out[0 if lab == "receiver" else -1]), (lab, out)
