"""One connection of a client that does what it is told, right or wrong, and writes down what the
server does: one line a message, in order, and how the connection ended."""
import dataclasses
import hashlib
import re
import select
import secrets
import socket
import time
import zlib

import ciphers
from ciphers import CIPHERS, EXCHANGES, MACS, is_aead, mac_name
from wire import NUMBERS, Reader, key_text, message_text, mpint, quote, same_place, string, u32, varies

STRICT_C, STRICT_S = "kex-strict-c-v00@openssh.com", "kex-strict-s-v00@openssh.com"
ANSWER_S = 40  # for an answer that will come; never part of what is compared


@dataclasses.dataclass
class Options:
    """What a client says in its version line and its KEXINIT, and the session channel it opens."""
    version: str = "SSH-2.0-OpenSSH_9.2p1 Debian-2+deb12u3"
    kex: str = "curve25519-sha256"
    hostkey: str = "ssh-ed25519"
    cipher: str = "aes128-ctr"
    cipher_sc: str = ""  # empty: the same as the other way
    mac: str = "hmac-sha2-256"
    mac_sc: str = ""
    comp: str = "none"
    comp_sc: str = ""
    lang: str = ""
    after: str = ""  # more bytes than a KEXINIT has
    sizes: str = "2048,3072,8192"  # of group exchange
    follows: int = 0
    reserved: int = 0
    window: int = 2097152
    packet: int = 32768
    user: str = "admin"
    password: str = "admin"

    def lists(self):
        both = [("cipher", self.cipher), ("mac", self.mac), ("comp", self.comp)]
        names = [self.kex, self.hostkey]
        for name, value in both:
            names += [value, getattr(self, name + "_sc") or value]
        return [name.encode("latin-1") for name in names + [self.lang, self.lang]]


class Client:
    def __init__(self, server, options, patience=1.0):
        self.port, self.gate, self.waits_for_login = server.port, server.gate, False
        self.server = server
        self.options, self.patience = options, patience
        self.seen, self.recording, self.end = [], True, None
        self.buffer, self.reads, self.last = b"", [], b""
        self.sequence_in = self.sequence_out = 0
        self.inward, self.outward = ciphers.Plain(), ciphers.Plain()
        self.inflate = self.deflate = None
        self.server_line = b""
        self.own_kexinit = self.server_kexinit = None
        self.strict = self.logged_in = self.new_keys_seen = self.exchanging = False
        self.announced = self.leaves = False
        self.session_id, self.host_keys, self.texts = b"", {}, {}
        self.exchange, self.agreed, self.group_hash = None, None, b""
        self.sent_at = self.heard_at = 0.0

    # ---- Bytes ----

    def connect(self):
        self.gate.acquire()
        self.waits_for_login = True
        self.socket = socket.create_connection(("127.0.0.1", self.port), ANSWER_S)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def close(self):
        self.socket.close()
        self.open_gate()

    def open_gate(self):
        if self.waits_for_login:
            self.waits_for_login = False
            self.gate.release()

    def write(self, data):
        self.sent_at = time.monotonic()
        try:
            self.socket.sendall(data)
        except OSError:
            pass  # how it ended is told by reading

    def shut(self):
        try:
            self.socket.shutdown(socket.SHUT_WR)
        except OSError:
            pass

    def read(self, until):
        """More bytes before a point in time; false when there are none."""
        if self.end or not select.select([self.socket], [], [], max(0, until - time.monotonic()))[0]:
            return False
        try:
            data = self.socket.recv(65536)
        except OSError:
            self.end = "RST"
            return False
        if not data:
            self.end = "FIN"
            return False
        self.heard_at = time.monotonic()
        self.reads.append(len(data))
        self.buffer += data
        return True

    def note(self, line):
        if self.recording:
            self.seen.append(line)

    # ---- The version lines ----

    def read_line(self):
        until = time.monotonic() + ANSWER_S
        while b"\n" not in self.buffer and self.read(until):
            pass
        line, newline, self.buffer = self.buffer.partition(b"\n")
        self.server_line = line.rstrip(b"\r")
        self.note("LINE " + quote(line + newline))

    # ---- Packets out ----

    def packet(self, payload, pad=None, length=None, broken=False):
        """A sealed packet with the least padding, unless told otherwise."""
        if self.deflate and payload:
            payload = self.deflate.compress(payload) + self.deflate.flush(zlib.Z_PARTIAL_FLUSH)
        block = self.outward.block
        if pad is None:
            pad = block - (len(payload) + (5 if self.outward.length_counts else 1)) % block
            pad += block if pad < 4 else 0
        body = bytes([pad & 255]) + payload + secrets.token_bytes(pad)
        packet = self.outward.seal(self.sequence_out, u32(len(body) if length is None else length) + body)
        self.sequence_out = (self.sequence_out + 1) % 2**32
        return packet[:-1] + bytes([packet[-1] ^ 1]) if broken else packet

    def send(self, payload, **how):
        self.write(self.packet(payload, **how))

    # ---- Packets in ----

    def take_packet(self):
        """The payload of a whole packet out of the buffer; None: it is not there yet."""
        if not self.server_line:
            if b"\n" in self.buffer:
                self.read_line()
            return None
        how = self.inward
        length = how.length(self.sequence_in, self.buffer)
        if length is None:
            return None
        if not 5 <= length <= 300000 or self.new_keys_seen:
            self.take_text("SEALED" if self.new_keys_seen else "TEXT")
            return None
        if len(self.buffer) < 4 + length + how.tag_bytes:
            return None
        whole, tag = self.buffer[:4 + length], self.buffer[4 + length:4 + length + how.tag_bytes]
        self.buffer = self.buffer[4 + length + how.tag_bytes:]
        plain = how.open(self.sequence_in, whole, tag)
        self.sequence_in = (self.sequence_in + 1) % 2**32
        payload, pad = plain[5:len(plain) - plain[4]], plain[4]
        least = how.block - (len(payload) + (5 if how.length_counts else 1)) % how.block
        least += how.block if least < 4 else 0
        size = f"{length}/{pad}" if pad == least else f"{length}/{pad} not {least}"
        if self.inflate and payload:
            payload, size = self.inflate.decompress(payload), "z"
        elif varies(payload) and pad == least:
            size = "~"
        self.on_message(payload, size)
        return payload

    def take_text(self, kind):
        """What is no packet: everything that comes until silence."""
        while self.read(time.monotonic() + 0.3 * self.patience):
            pass
        data, self.buffer = self.buffer, b""
        self.note(f"{kind} {len(data)}" if kind == "SEALED" else f"{kind} {quote(data)}")

    def on_message(self, payload, size):
        self.last = payload
        number = payload[0] if payload else -1
        if number == 20:
            self.server_kexinit = payload
        elif number == 21 and isinstance(self.inward, ciphers.Plain):
            self.new_keys_seen = True
        elif number == 52:
            self.logged_in = True
            self.open_gate()
            if "zlib@openssh.com" in (self.agreed or ()):
                self.inflate, self.deflate = zlib.decompressobj(), zlib.compressobj(6)
        elif number == 80 and b"hostkeys-00" in payload[:30]:
            self.announced = True
            reader = Reader(payload[1:])
            reader.string(), reader.byte()
            while reader.at < len(reader.data):
                blob = reader.string()
                self.host_keys[key_text(blob).split("/")[0].split("-")[1]] = blob
        elif number in (94, 95):
            self.on_data(payload, size)
            return
        text = same_place(message_text(payload))
        self.note(f"{text} [{size}]")

    def on_data(self, payload, size):
        """Data is kept as bytes, because how it is cut into messages is a matter of chance."""
        reader = Reader(payload[1:])
        stream = (reader.u32(), reader.u32() if payload[0] == 95 else 0)
        data = reader.string()
        self.texts[stream] = self.texts.get(stream, b"") + data
        if " not " in size or reader.at < len(reader.data):
            self.note(f"STRANGE {message_text(payload)} [{size}]")
        self.note((stream, data))

    def next(self, until):
        """The next message before a point in time, or None."""
        while True:
            before = len(self.buffer)
            payload = self.take_packet() if self.buffer else None
            if payload is not None:
                return payload
            if len(self.buffer) in (0, before) and not self.read(until):
                return None

    def settle(self, quiet):
        """Everything that comes, until nothing has come for a while."""
        while self.next(time.monotonic() + quiet * self.patience) is not None:
            pass

    def wait(self, names):
        """The first message with one of these names, or a DISCONNECT; None: the end came first."""
        numbers = {NUMBERS[name] for name in names} | {1}
        numbers |= {33} if 31 in numbers else set()
        until = time.monotonic() + ANSWER_S
        while (payload := self.next(until)) is not None:
            if payload and payload[0] in numbers:
                return payload
        return None

    def wait_text(self, pattern):
        until = time.monotonic() + ANSWER_S
        while not re.search(pattern, self.texts.get((0, 0), b"")) and self.next(until) is not None:
            pass
        self.settle(0.3)
        self.texts.clear()

    # ---- Key exchange ----

    def kexinit(self, **changes):
        options = dataclasses.replace(self.options, **changes)
        self.asked = options
        payload = (b"\x14" + secrets.token_bytes(16) + b"".join(map(string, options.lists()))
                   + bytes([options.follows]) + u32(options.reserved) + options.after.encode())
        self.own_kexinit = payload
        self.exchanging = True
        return payload

    def choose(self):
        """The algorithms that RFC 4253, section 7.1 picks from both KEXINITs; None: there are none."""
        reader = Reader(self.server_kexinit[17:])
        server = [reader.string().decode().split(",") for _ in range(10)]
        client = [names.decode("latin-1").split(",") for names in self.asked.lists()]
        chosen = [next((name for name in own if name in theirs), None)
                  for own, theirs in zip(client[:8], server)]
        for cipher, mac in ((2, 4), (3, 5)):
            if chosen[cipher] and is_aead(chosen[cipher]):
                chosen[mac] = "hmac-sha2-256"  # of no use, but known
        if not self.session_id:
            self.strict = STRICT_C in client[0] and STRICT_S in server[0]
        return None if None in chosen else chosen

    def init(self, own=None):
        """The first message of the exchange; `own(exchange)` gives another value than a good one."""
        self.agreed = self.choose() or self.agreed
        kex = self.agreed[0]
        self.group_hash = b""
        if EXCHANGES[kex][1]:
            self.exchange = EXCHANGES[kex][1]()
        else:
            sizes = b"".join(u32(int(size)) for size in self.asked.sizes.split(","))
            self.send(b"\x22" + sizes)
            payload = self.wait(["KEX_REPLY"])
            if not payload or payload[0] != 31:
                return
            reader = Reader(payload[1:])
            prime, generator = reader.mpint(), reader.mpint()
            self.exchange = ciphers.Group(prime, generator, 33)
            self.group_hash = sizes + mpint(prime) + mpint(generator)
        self.send((b"\x20" if self.group_hash else b"\x1e")
                  + (own(self.exchange) if own else self.exchange.public))

    def reply(self):
        """Reads the server's half and makes the keys; false when it never came."""
        payload = self.wait(["KEX_REPLY"])
        if not payload or payload[0] != self.exchange.reply:
            return False
        kex, reader = self.agreed[0], Reader(payload[1:])
        host_key = reader.string()
        server_public, secret = self.exchange.shared(reader)
        hashed = (string(self.options.version.encode("latin-1")) + string(self.server_line)
                  + string(self.own_kexinit) + string(self.server_kexinit) + string(host_key)
                  + self.group_hash + self.exchange.public + server_public + secret)
        digest = hashlib.new(EXCHANGES[kex][0], hashed).digest()
        self.session_id = self.session_id or digest
        self.host_keys[key_text(host_key).split("/")[0].split("-")[1]] = host_key
        if not ciphers.signature_is_good(host_key, reader.string(), digest):
            self.note("WRONG SIGNATURE")

        def derive(letter, count):
            key = hashlib.new(EXCHANGES[kex][0], secret + digest + letter + self.session_id).digest()
            while len(key) < count:
                key += hashlib.new(EXCHANGES[kex][0], secret + digest + key).digest()
            return key[:count]

        self.derive = derive
        return True

    def direction(self, cipher, mac, letters):
        key_bytes, iv_bytes, make = CIPHERS[cipher]
        return make(self.derive(letters[1:2], key_bytes), self.derive(letters[0:1], iv_bytes),
                    self.derive(letters[2:3], MACS[mac_name(mac)][0]), mac)

    def new_keys(self, payload=b"\x15"):
        """Our NEWKEYS, and the server's."""
        self.send(payload)
        _, _, cipher, cipher_sc, mac, mac_sc, _, _ = self.agreed
        self.outward = self.direction(cipher, mac, b"ACE")
        if self.strict:
            self.sequence_out = 0
        self.exchanging = False
        if not self.new_keys_seen and not self.is_seen(21):
            return False
        self.inward, self.new_keys_seen = self.direction(cipher_sc, mac_sc, b"BDF"), False
        if self.strict:
            self.sequence_in = 0
        return True

    def is_seen(self, number):
        payload = self.wait(["NEWKEYS"])
        return bool(payload) and payload[0] == number

    def run_exchange(self, **changes):
        """A whole exchange, the first one or another."""
        self.server_kexinit = self.server_kexinit if not self.session_id else None
        self.send(self.kexinit(**changes))
        until = time.monotonic() + ANSWER_S
        while self.server_kexinit is None and self.next(until) is not None:
            pass
        if self.end or self.server_kexinit is None or not self.choose():
            return False
        self.init()
        return self.reply() and self.new_keys()

    # ---- To a place ----

    def go(self, place):
        """Everything before a place, in order and without being recorded."""
        self.recording = False
        for name, step in PLACES:
            step(self)
            if name == place or self.end:
                break
        self.recording = True
        self.reads.clear()
        if self.end:
            self.note(f"NEVER REACHED {place}")

    def say_version(self):
        self.write(self.options.version.encode("latin-1") + b"\r\n")
        self.wait(["KEXINIT"])

    def make_keys(self):
        if not self.choose():
            self.settle(1.2)
            return
        self.init()
        if self.reply():
            self.new_keys()

    def ask_service(self):
        self.send(b"\x05" + string(b"ssh-userauth"))
        self.wait(["SERVICE_ACCEPT"])

    def log_in(self):
        self.send(b"\x32" + string(self.options.user.encode()) + string(b"ssh-connection")
                  + string(b"password") + b"\0" + string(self.options.password.encode()))
        self.wait(["USERAUTH_SUCCESS"])
        told = self.server.announces and not re.match("SSH-2.0-(Cisco-1|TTSSH)", self.options.version)
        if self.logged_in and told:
            self.wait(["GLOBAL_REQUEST"])

    def open_session(self):
        self.send(b"\x5a" + string(b"session") + u32(0) + u32(self.options.window)
                  + u32(self.options.packet))
        self.wait(["CHANNEL_OPEN_CONFIRMATION"])

    # ---- The end ----

    def mark(self):
        """A request that is answered after all that came before it: nothing more is to come."""
        if self.logged_in and not self.end and not self.exchanging and not self.leaves:
            self.send(b"\x50" + string(b"keepalive@openssh.com") + b"\1")
            self.wait(["REQUEST_FAILURE", "UNIMPLEMENTED"])

    def finish(self):
        """Whatever is still to come, and how it ended."""
        if not self.end and any(str(entry).startswith("DISCONNECT") for entry in self.seen):
            self.settle(4)
        if self.buffer:
            self.note(f"REST {quote(self.buffer)}" if isinstance(self.inward, ciphers.Plain) else "REST")
        self.seen.append("END " + (self.end or "OPEN"))
        self.close()
        return in_one_order(self.seen)


PLACES = [
    ("tcp", Client.connect),
    ("line", Client.read_line),
    ("version", Client.say_version),
    ("kexinit", lambda client: client.send(client.kexinit())),
    ("keys", Client.make_keys),
    ("service", Client.ask_service),
    ("login", Client.log_in),
    ("session", Client.open_session),
]


def in_one_order(seen):
    """What races in a real server, in one order: pieces of one stream are one, standard output
    comes before standard error, the messages of a program's end stand together before CLOSE, and
    window that is given back while a program reads is told without its sizes."""
    pieces, tail, lines = {}, set(), []

    def flush():
        for (channel, kind), data in sorted(pieces.items()):
            name = f"CHANNEL_EXTENDED_DATA {channel} {kind}" if kind else f"CHANNEL_DATA {channel}"
            lines.append(f"{name} {same_place(quote(data))}")
        pieces.clear()

    for entry in seen:
        if isinstance(entry, tuple):
            pieces[entry[0]] = pieces.get(entry[0], b"") + entry[1]
        elif entry.startswith("CHANNEL_WINDOW_ADJUST") and " 2097152 " not in entry:
            tail.add(" ".join(entry.split()[:2]))
        elif entry.startswith(("CHANNEL_EOF", "CHANNEL_REQUEST")):
            tail.add(entry)
        else:
            flush()
            if entry.startswith(("CHANNEL_CLOSE", "END", "REQUEST_FAILURE")):
                lines.extend(sorted(tail))
                tail.clear()
            lines.append(entry)
    return lines
