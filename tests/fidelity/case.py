"""Cases as text: what a client does to a server, a line a step. README.md says what the lines mean;
here they are read (`read_cases`) and played (`play`)."""
import contextlib
import dataclasses
import itertools
import re
import socket
import time

from ciphers import KEY_BLOBS, sign, signature_is_good
from client import ANSWER_S, Client, Options
from wire import Reader, mpint, quote, string, u32

TOKEN = re.compile(r'''"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|(\S+)''')
PAUSE_S, QUIET_S = 0.12, 0.35  # to see whether a step closed the connection; at the end


@dataclasses.dataclass
class Case:
    name: str
    place: str = "tcp"
    options: dict = dataclasses.field(default_factory=dict)
    steps: list = dataclasses.field(default_factory=list)  # (word, rest of the line)

    def runs_program(self):
        return any(re.search('"(exec|shell|sftp)"', rest) for _, rest in self.steps)

    def needs_the_server_alone(self):
        return any(word == "crowd" for word, _ in self.steps)

    def play(self, server, patience=1.0):
        return play(self, server, patience)


# ---- Reading -------------------------------------------------------------------------------------

def values_of(text):
    """What `for` counts through: 3..9, or words, or whatever stands between bars."""
    numbers = re.fullmatch(r"(\d+)\.\.(\d+)", text)
    if numbers:
        return [str(n) for n in range(int(numbers[1]), int(numbers[2]) + 1)]
    return [value.strip() for value in text.split("|")] if "|" in text else text.split()


def fill(text, names):
    """{name} is the value, {name:02x} is it in hex; a value a=b has {name.0} and {name.1}."""
    def value(match):
        name, _, form = match[1].partition(":")
        name, _, part = name.partition(".")
        if name not in names:
            return match[0]
        whole = names[name]
        if part:
            halves = whole.split("=>")
            return halves[int(part)].strip() if int(part) < len(halves) else ""
        return format(int(whole), form) if form else whole
    return re.sub(r"\{(\w+(?:\.\d)?(?::\w+)?)\}", value, text)


def read_case(text):
    """One case, or as many as its `for` lines make of it."""
    head, *lines = text.strip("\n").split("\n")
    loops = [line[4:].split(None, 1) for line in lines if line.startswith("for ")]
    choices = [[(name, value) for value in values_of(values)] for name, values in loops]
    for chosen in itertools.product(*choices):
        names = dict(chosen)
        case = Case(fill(head, names).strip())
        for line in lines:
            word, _, rest = fill(line, names).partition(" ")
            if word == "for" or not line or line.startswith("#"):
                continue
            if word == "at":
                case.place, _, options = rest.partition(" ")
                case.options = read_options(options)
            else:
                case.steps.append((word, rest))
        yield case


def read_options(text):
    return {name: int(value) if isinstance(getattr(Options, name), int) else value
            for name, value in (word.split("=", 1) for word in
                                re.findall(r"\w+=(?:\"[^\"]*\"|\S*)", text))
            for value in [value.strip('"').encode().decode("unicode_escape")]}


def read_cases(path):
    """The cases of a file; each begins with a line `= name`, which is unique."""
    cases = []
    for text in re.split(r"^= ", path.read_text(), flags=re.M)[1:]:
        cases += read_case(text)
    names = [case.name for case in cases]
    twice = {name for name in names if names.count(name) > 1}
    assert not twice, f"{path}: twice: {twice}"
    return cases


# ---- Tokens --------------------------------------------------------------------------------------

def unescape(text):
    return text.encode("latin-1", "backslashreplace").decode("unicode_escape").encode("latin-1")


def word_bytes(word, client, so_far):
    """The bytes of a token that is no text in quotes."""
    if re.fullmatch(r"(?:[0-9a-f]{2})+", word):
        return bytes.fromhex(word)
    if word.startswith("#"):
        return u32(int(word[1:], 0))
    if word.startswith("%"):
        return mpint(int(word[1:], 0))
    if re.fullmatch(r"\d+\*[0-9a-f]{2}", word):
        count, byte = word.split("*")
        return bytes.fromhex(byte) * int(count)
    if word.startswith("@"):
        return named_bytes(word[1:], client, so_far)
    raise ValueError(f"what is {word!r}?")


def named_bytes(name, client, so_far):
    """@user, @password; @key-TYPE of the client, @host-TYPE of the server; @sign-ALGORITHM over the
    message so far, @badsign-ALGORITHM the same with one bit wrong; @server-line, the bytes alone."""
    kind, _, which = name.partition("-")
    if name == "server-line":
        return client.server_line
    if kind == "key":
        return string(KEY_BLOBS[which])
    if kind == "host":
        return string(client.host_keys[which])
    if kind in ("sign", "badsign"):
        blob = sign(which, string(client.session_id) + so_far)
        return string(blob if kind == "sign" else blob[:-1] + bytes([blob[-1] ^ 1]))
    return string(getattr(client.options, kind).encode())


def compose(text, client):
    """Bytes, and how to pack them, from tokens; what stands in parentheses is a string."""
    stack, how = [b""], {}
    for in_double, in_single, word in TOKEN.findall(text):
        if word == "(":
            stack.append(b"")
        elif word == ")":
            inner = stack.pop()
            stack[-1] += string(inner)
        elif re.fullmatch(r"(pad|length)=\d+", word):
            name, _, value = word.partition("=")
            how[name] = int(value)
        elif word == "broken":
            how["broken"] = True
        elif word:
            stack[-1] += word_bytes(word, client, stack[-1])
        elif in_single:
            stack[-1] += unescape(in_single)
        else:
            stack[-1] += string(unescape(in_double))
    return stack[0], how


def first_read(connection):
    with contextlib.suppress(OSError):
        return connection.recv(1000)
    return b"reset"


def is_greeting(line):
    return line.startswith(b"SSH-2.0-")


# ---- Playing -------------------------------------------------------------------------------------

class Player:
    def __init__(self, case, server, patience):
        self.case = case
        self.client = Client(server, Options(**case.options), patience)
        self.pending, self.over = b"", False

    def flush(self):
        if self.pending:
            self.client.write(self.pending)
            self.pending = b""

    def sealed(self, text):
        payload, how = compose(text, self.client)
        return self.client.packet(payload, **how)

    def do_send(self, text):  # >
        self.pending += self.sealed(text)

    def do_line(self, _):
        self.client.read_line()

    def do_hello(self, text):
        line = compose(text, self.client)[0]
        self.client.options.version = line.decode("latin-1")
        self.pending += line + b"\r\n"

    def do_raw(self, text):  # >>
        self.pending += compose(text, self.client)[0]

    def do_drip(self, text):
        for byte in compose(text, self.client)[0]:
            self.client.write(bytes([byte]))
            time.sleep(0.005)

    def do_kexinit(self, text):
        self.pending += self.client.packet(self.client.kexinit(**read_options(text)))

    def do_init(self, text):
        """Without tokens a good value; %p-1 and its like count from the prime of the group."""
        def own(exchange):
            if text.startswith("%p"):
                return mpint(exchange.prime + int(text[2:] or "0"))
            return compose(text, self.client)[0]

        self.client.init(own if text else None)

    def do_reply(self, _):
        self.client.reply()

    def do_newkeys(self, text):
        self.client.new_keys(b"\x15" + compose(text, self.client)[0])

    def do_exchange(self, text):
        if not self.client.run_exchange(**read_options(text)):
            self.client.settle(1.2)

    def do_sleep(self, text):
        self.client.settle(float(text))

    def do_wait(self, text):
        self.client.wait(text.split())

    def do_until(self, text):
        self.client.wait_text(text.encode())

    def do_shut(self, _):
        self.client.shut()

    def do_quiet(self, _):
        self.client.recording = False

    def do_record(self, _):
        self.client.settle(0.1)
        self.client.recording = True

    def do_leave(self, _):
        self.client.leaves = True

    def do_announced(self, _):
        self.over = not self.client.announced

    def do_crowd(self, text):
        """So many connections, this one included: whether the first ten are let in, and what those
        are told that are not."""
        self.client.read_line()
        others = [socket.create_connection(("127.0.0.1", self.client.port), ANSWER_S)
                  for _ in range(int(text) - 1)]
        told = [self.client.server_line] + [first_read(other) for other in others]
        for other in others:
            other.close()
        self.client.seen = [f"FIRST TEN {all(map(is_greeting, told[:10]))}",
                            *sorted({f"OTHERS {quote(line)}" for line in told if not is_greeting(line)})]
        self.client.buffer, self.over = b"", True

    def do_say(self, text):
        self.client.note(f"-- {text}")

    def do_timed(self, text):
        """How long the last answer took: at once, or as long as PAM lets a wrong password wait."""
        self.client.wait(text.split())
        took = self.client.heard_at - self.client.sent_at
        self.client.note("TOOK " + ("no time" if took < 1 else "seconds" if took < 8 else "longer"))

    def do_reads(self, _):
        """In what pieces the bytes came: one write of the server is one piece."""
        self.client.settle(0.3)
        self.client.note(f"READS {self.client.reads}")

    def do_signed(self, _):
        """By what algorithm the last message is signed."""
        self.client.wait(["REQUEST_SUCCESS", "REQUEST_FAILURE"])
        if self.client.last[:1] == b"\x51":
            name = Reader(Reader(self.client.last[1:]).string()).string()
            self.client.note(f"SIGNED {name.decode()}")

    def do_proof(self, text):
        """Whether the answer proves that the server has this host key."""
        self.client.wait(["REQUEST_SUCCESS", "REQUEST_FAILURE"])
        key = self.client.host_keys[text]
        signed = string(b"hostkeys-prove-00@openssh.com") + string(self.client.session_id) + string(key)
        try:
            good = signature_is_good(key, Reader(self.client.last[1:]).string(), signed)
        except ValueError:
            good = False
        self.client.note(f"PROOF {good}")

    ACTIONS = {">": do_send, ">>": do_raw}

    def play(self):
        client = self.client
        client.go(self.case.place)
        for word, rest in self.case.steps:
            if not word.startswith("+"):
                self.flush()
                if client.sent_at and word in (">", ">>", "kexinit", "init", "shut"):
                    client.settle(PAUSE_S)
            if client.end or self.over:
                break
            word = word.removeprefix("+") or ">"
            action = self.ACTIONS.get(word) or getattr(type(self), f"do_{word}")
            action(self, rest)
        self.flush()
        if not self.over:
            client.recording = True
            client.settle(QUIET_S)
            client.mark()
        return client.finish()


def play(case, server, patience=1.0):
    """What a server does in a case: lines of text."""
    player = Player(case, server, patience)
    try:
        return player.play()
    except Exception as error:  # the case is told apart by it, and the next one is played
        return in_trouble(player, error)


def in_trouble(player, error):
    lines = player.client.finish() if hasattr(player.client, "socket") else []
    return [*lines, f"TROUBLE {type(error).__name__} {error}"]
