"""The bytes of SSH: numbers and strings (RFC 4251, section 5), and each message of a server as one
line of text that holds all that two servers can be compared by."""
import re
import struct


def u32(number):
    return struct.pack(">I", number & 0xFFFFFFFF)


def string(data):
    return u32(len(data)) + data


def mpint(number):
    if number == 0:
        return string(b"")
    bits = number.bit_length() if number > 0 else (-number - 1).bit_length()
    return string(number.to_bytes(bits // 8 + 1, "big", signed=True))


def quote(data):
    """Bytes as text in quotes, the same for the same bytes."""
    return "'" + data.decode("latin-1").encode("unicode_escape").decode().replace("'", "\\'") + "'"


class Reader:
    def __init__(self, data):
        self.data, self.at = data, 0

    def take(self, count):
        if self.at + count > len(self.data):
            raise ValueError("too short")
        self.at += count
        return self.data[self.at - count:self.at]

    def byte(self):
        return self.take(1)[0]

    def u32(self):
        return struct.unpack(">I", self.take(4))[0]

    def string(self):
        return self.take(self.u32())

    def mpint(self):
        return int.from_bytes(self.string(), "big", signed=True)

    def rest(self):
        return self.take(len(self.data) - self.at)


def key_text(blob):
    """A host key without what is random in it: its type and its size."""
    reader = Reader(blob)
    kind = reader.string().decode()
    if kind != "ssh-rsa":
        return f"{kind}/{len(blob)}"
    return f"{kind}/e={reader.mpint()}/{reader.mpint().bit_length()}"


# What follows the number of a message: u number, b byte, s string, c count of bytes in a string,
# k key, r count of the bytes that are left, * a rule of its own below.
MESSAGES = {
    1: ("DISCONNECT", "uss"), 2: ("IGNORE", "c"), 3: ("UNIMPLEMENTED", "u"), 4: ("DEBUG", "bss"),
    6: ("SERVICE_ACCEPT", "s"), 7: ("EXT_INFO", "*"), 20: ("KEXINIT", "*"), 21: ("NEWKEYS", ""),
    31: ("KEX_REPLY", "*"), 33: ("KEX_REPLY", "*"),
    51: ("USERAUTH_FAILURE", "sb"), 52: ("USERAUTH_SUCCESS", ""), 53: ("USERAUTH_BANNER", "ss"),
    60: ("USERAUTH_PK_OK", "sk"), 80: ("GLOBAL_REQUEST", "*"), 81: ("REQUEST_SUCCESS", "r"),
    82: ("REQUEST_FAILURE", ""), 90: ("CHANNEL_OPEN", "*"),
    91: ("CHANNEL_OPEN_CONFIRMATION", "uuuu"), 92: ("CHANNEL_OPEN_FAILURE", "uuss"),
    93: ("CHANNEL_WINDOW_ADJUST", "uu"), 94: ("CHANNEL_DATA", "us"),
    95: ("CHANNEL_EXTENDED_DATA", "uus"), 96: ("CHANNEL_EOF", "u"), 97: ("CHANNEL_CLOSE", "u"),
    98: ("CHANNEL_REQUEST", "*"), 99: ("CHANNEL_SUCCESS", "u"), 100: ("CHANNEL_FAILURE", "u"),
}
NUMBERS = {name: number for number, (name, _) in MESSAGES.items() if number != 33}
REQUEST_FIELDS = {b"exit-status": "u", b"exit-signal": "sbss"}
READERS = {
    "u": lambda reader: str(reader.u32()),
    "b": lambda reader: str(reader.byte()),
    "s": lambda reader: quote(reader.string()),
    "c": lambda reader: str(len(reader.string())),
    "k": lambda reader: key_text(reader.string()),
    "r": lambda reader: str(len(reader.rest())),
}


def kexinit_text(reader):
    reader.take(16)
    return [reader.string().decode() or "-" for _ in range(10)] + [str(reader.byte()), str(reader.u32())]


def ext_info_text(reader):
    return [f"{reader.string().decode()}={reader.string().decode()}" for _ in range(reader.u32())]


def kex_reply_text(reader):
    """Host key, size of the public value, signature; a group (31 of group exchange) is two numbers."""
    first, second = reader.string(), reader.string()
    if reader.at == len(reader.data):
        return ["group", str(int.from_bytes(first, "big").bit_length())]
    signature = Reader(reader.string())
    return [key_text(first), "~" if len(second) > 133 and len(second) != 1071 else str(len(second)),
            signature.string().decode()]


def global_request_text(reader):
    name = reader.string()
    words = [quote(name), str(reader.byte())]
    while name == b"hostkeys-00@openssh.com" and reader.at < len(reader.data):
        words.append(key_text(reader.string()))
    return words


def channel_request_text(reader):
    channel, name = reader.u32(), reader.string()
    words = [str(channel), quote(name), str(reader.byte())]
    return words + [READERS[kind](reader) for kind in REQUEST_FIELDS.get(name, "")]


def channel_open_text(reader):
    """A channel that the server opens; the port from which a program connects is a matter of chance."""
    kind = reader.string()
    words = [quote(kind), *(str(reader.u32()) for _ in range(3))]
    if kind == b"forwarded-tcpip":
        words += [quote(reader.string()), str(reader.u32()), quote(reader.string())]
        reader.u32()
    elif kind == b"x11":
        words.append(quote(reader.string()))
        reader.u32()
    elif kind == b"forwarded-streamlocal@openssh.com":
        words += [quote(reader.string()), quote(reader.string())]
    return words


OWN_RULES = {7: ext_info_text, 20: kexinit_text, 31: kex_reply_text, 33: kex_reply_text,
             80: global_request_text, 90: channel_open_text, 98: channel_request_text}


def message_text(payload):
    """A message as a line; its fields in order, and whatever is left over."""
    if not payload:
        return "EMPTY"
    name, fields = MESSAGES.get(payload[0], (f"MESSAGE_{payload[0]}", "r"))
    reader, words = Reader(payload[1:]), []
    try:
        if fields == "*":
            words = OWN_RULES[payload[0]](reader)
        else:
            for kind in fields:
                words.append(READERS[kind](reader))
    except (ValueError, UnicodeDecodeError):
        return f"{name} unreadable {payload.hex()}"
    if reader.at < len(reader.data):
        words.append(f"and {quote(reader.rest())}")
    return " ".join([name, *words])


def varies(payload):
    """Whether the size of this message is a matter of chance: values of Diffie-Hellman, ECDSA."""
    return payload[:1] in (b"\x1f", b"\x21") and (
        b"ecdsa-sha2" in payload or len(payload) > 1400 or "~" in message_text(payload))


def same_place(text):
    """Takes out of a text what differs from machine to machine and from day to day."""
    text = re.sub(r"admin@[\w.-]+", "admin@HOST", text)
    text = re.sub(r"Linux \S+ \d[^\\]*", "Linux HOST", text)
    text = re.sub(r"Last login: \w+ \w+ [ \d]\d [\d:]+ \d+ from [\w.:-]+", "Last login: DATE", text)
    return re.sub(r"127\.0\.0\.1 port \d+", "127.0.0.1 port N", text)
