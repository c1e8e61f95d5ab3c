"""What a person at a terminal sees, byte for byte: the same keys to bash, vi, less ... on this machine's own
terminal, and through `ssh -tt` on lured's. Programs that this machine does not have are left out."""
import contextlib
import fcntl
import os
import pathlib
import pty
import re
import select
import shutil
import signal
import struct
import termios
import time

import pytest

from conftest import WAIT_S

QUIET_S = 0.5  # the real program has said all it will say to a key
PLACE = f"/tmp/terminal-{os.getpid()}"
SHELL = ["env", "-i", "TERM=xterm", "HOME=/root", "LANG=C.UTF-8", "PATH=/usr/sbin:/usr/bin:/sbin:/bin",
         "PS1=\\$ ", "HISTFILE=/dev/null",
         "bash", "--norc", "--noprofile", "-i"]
SET_UP = (f"rm -rf {PLACE}; mkdir -p {PLACE}; cd {PLACE}; "
          "for i in $(seq 60); do echo line $i; done >long; touch alpha.txt beta.txt beton.txt; clear\r")


class Terminal:
    """A program at a terminal of 24 rows and 80 columns."""

    def __init__(self, argv):
        self.pid, self.fd = pty.fork()
        if self.pid == 0:
            signal.signal(signal.SIGPIPE, signal.SIG_DFL)  # Python ignores it
            os.execvp(argv[0], argv)
        self.resize(24, 80)
        self.seen = b""

    def resize(self, rows, columns):
        fcntl.ioctl(self.fd, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def press(self, keys):
        if isinstance(keys, tuple):
            self.resize(*keys)
        else:
            os.write(self.fd, keys.encode())

    def read(self, wait_s):
        """Adds what comes within the time; false when nothing came."""
        if not select.select([self.fd], [], [], wait_s)[0]:
            return False
        try:
            piece = os.read(self.fd, 65536)
        except OSError:
            piece = b""
        self.seen += piece
        return piece != b""

    def taken(self):
        seen, self.seen = self.seen, b""
        return seen

    def until_quiet(self, quiet_s):
        self.read(WAIT_S)
        while self.read(quiet_s):
            pass
        return self.taken()

    def until(self, expected, normal):
        """What came when it is what was expected, or when nothing comes that could make it so."""
        end = time.monotonic() + WAIT_S / 4
        while normal(self.seen) != expected and time.monotonic() < end:
            self.read(1)
        return normal(self.taken())

    def end(self):
        os.kill(self.pid, signal.SIGKILL)
        os.close(self.fd)
        os.waitpid(self.pid, 0)


def plain(seen):
    return seen


def numberless(seen):
    """Without numbers, widths of columns, and names that are each machine's own."""
    return re.sub(rb" +", b" ", re.sub(rb"[\d.]+", b"0", seen))


def controls(seen):
    """What the program tells the terminal to do, without the texts in between, and each only once."""
    return list(dict.fromkeys(re.findall(rb"\x1b(?:\[[?>\d;]*[a-zA-Z]|[()][0AB]|[=>78])", seen)))


@pytest.fixture
def server(honeypot):
    debian = pathlib.Path("/etc/debian_version")
    if os.geteuid() != 0 or not debian.exists() or not debian.read_text().startswith("12"):
        pytest.skip("needs to be root on a Debian 12, to compare with")
    yield honeypot
    shutil.rmtree(PLACE, ignore_errors=True)


@contextlib.contextmanager
def two_shells(server):
    """Two new bashes at terminals: this machine's, and lured's."""
    ssh = ["sshpass", "-p", "123456", "ssh", "-tt", "-F", "none", "-p", str(server.port),
           "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null", "-o", "LogLevel=ERROR",
           "-o", "EscapeChar=none", "-o", "PubkeyAuthentication=no", "root@127.0.0.1"]
    theirs = Terminal(SHELL)
    ours = Terminal([*ssh, " ".join(f"'{word}'" for word in SHELL)])
    yield theirs, ours
    theirs.end()
    ours.end()


def at_prompt(terminal):
    """In the folder, at an empty screen."""
    terminal.press(SET_UP)
    while not terminal.seen.endswith(b"\x1b[H\x1b[2J\x1b[3J\x1b[?2004h# "):
        assert terminal.read(WAIT_S), terminal.seen
    terminal.taken()


SESSIONS = {
    "a line": ["echo hello\r", "false\r", "nosuchcommand\r"],
    "stty": ["stty -a\r", "stty size\r", "tput cols\r"],
    "interrupt": ["sleep 100\r", "\x03", "echo $?\r", "half a line\x03"],
    "stop, background, foreground": ["sleep 100\r", "\x1a", "jobs\r", "bg\r", "fg\r", "\x03"],
    "quit": ["sleep 100\r", "\x1c", "echo $?\r"],
    "end of input": ["cat\r", "said\r", "\x04", "cat\rab\x04\x04"],
    "erase in canonical mode": ["cat\r", "wrongly\x7f\x7fx y\x17z\r", "gone\x15kept\x12\r", "\x03"],
    "editing": ["echo one two", "\x17", "\x01", "\x05", "\x1bb", "\x0b", "\x19", "\x15", "\r"],
    "a long line": ["echo " + "0123456789" * 9, "\x01", "\x05", "\x7f" * 20, "\x03"],
    "history": ["echo first\r", "echo second\r", "\x1b[A", "\x1b[A", "\x1b[B", "\x03"],
    "search": ["echo needle\r", "\x12", "need", "\r"],
    "clear": ["echo abc\x0c", "\r"],
    "completion": ["ls al\t", "\r", "ls be\t", "\t", "t", "o\t", "\r"],
    "here-document": ["cat <<E\r", "in it\r", "E\r"],
    "window": ["trap 'echo changed; stty size' WINCH\r", (30, 100), "\r", (24, 80), "\r", "trap - WINCH\r"],
    "read": ["read -s x\r", "hidden\r", "echo $x\r", "read -n 1 c\r", "q", "read -p 'name? ' n\r", "me\r"],
    "python": ["python3 -q\r", "1+1\r", "import os\r", "\x04"],
    "UTF-8": ["echo \u00e4\u00f6", "\x7f", "\r"],
}
PROGRAMS = {
    "vi": ("vi", plain, ["vi -u NONE new\r", "ihello", "\x1b", "yyp", ":set nu\r", ":wq\r", "cat new\r"]),
    "less": ("less", plain, ["less long\r", " ", "b", "/line 33\r", "G", "g", (20, 60), "q", "\r"]),
    "more": ("more", plain, ["more long\r", " ", "q"]),
    "nano": ("nano", plain, ["nano -I new2\r", "text", "\x0f", "\r", "\x18"]),
    "top": ("top", controls, ["top -p $$\r", "q"]),
    "top once": ("top", numberless, ["top -b -n 1 -p 999999 | tail -n 1\r"]),
    "a pipe into less": ("less", plain, ["cat long long | less\r", "q"]),
}


def difference(server, keys, normal, quiet_s):
    """The first key to which the two write other bytes, with both; None when there is none."""
    with two_shells(server) as (theirs, ours):
        at_prompt(theirs)
        at_prompt(ours)
        for key in keys:
            theirs.press(key)
            expected = normal(theirs.until_quiet(quiet_s))
            ours.press(key)
            got = ours.until(expected, normal)
            if got != expected:
                return key, got, expected
    return None


def play(server, keys, normal):
    """What differs is played again with more patience before it counts: the real program may have been slow."""
    if difference(server, keys, normal, QUIET_S) is not None:
        assert difference(server, keys, normal, 5 * QUIET_S) is None


@pytest.mark.parametrize("name", SESSIONS)
def test_a_shell_at_a_terminal_writes_the_same_bytes(server, name):
    play(server, SESSIONS[name], plain)


@pytest.mark.parametrize("name", PROGRAMS)
def test_a_program_of_the_screen_writes_the_same_bytes(server, name):
    program, normal, keys = PROGRAMS[name]
    if shutil.which(program) is None:
        pytest.skip(f"{program} is not on this machine")
    play(server, keys, normal)
