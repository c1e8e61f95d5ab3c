"""A client's half of the cryptography of SSH: key exchanges, ciphers and MACs, each by a library
that neither server under test uses in the same way."""
import ctypes
import ctypes.util
import hashlib
import hmac
import pathlib
import secrets
import struct

from cryptography.exceptions import InvalidSignature, InvalidTag
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa, utils, x25519
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.poly1305 import Poly1305
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from wire import Reader, mpint, string, u32

HASHES = {"sha1": hashes.SHA1, "sha256": hashes.SHA256, "sha512": hashes.SHA512}


class BadMac(Exception):
    """What the server sent does not carry its own MAC."""


# ---- Packets -------------------------------------------------------------------------------------

class Plain:
    """Before keys: no cipher, blocks of 8, the length counts for the padding."""
    block, length_counts, tag_bytes = 8, True, 0

    def seal(self, _sequence, packet):
        return packet

    def length(self, _sequence, head):
        return struct.unpack(">I", head[:4])[0] if len(head) >= 4 else None

    def open(self, _sequence, packet, _tag):
        return packet


class Chacha20Poly1305:
    """PROTOCOL.chacha20poly1305 of OpenSSH: one key for lengths, one for the rest."""
    block, length_counts, tag_bytes = 8, False, 16

    def __init__(self, key, _iv, _mac_key, _mac):
        self.main, self.lengths = key[:32], key[32:]

    @staticmethod
    def stream(key, counter, sequence, data):
        nonce = struct.pack("<Q", counter) + struct.pack(">Q", sequence)
        return Cipher(algorithms.ChaCha20(key, nonce), None).encryptor().update(data)

    def seal(self, sequence, packet):
        sealed = (self.stream(self.lengths, 0, sequence, packet[:4])
                  + self.stream(self.main, 1, sequence, packet[4:]))
        return sealed + Poly1305.generate_tag(self.stream(self.main, 0, sequence, bytes(32)), sealed)

    def length(self, sequence, head):
        if len(head) < 4:
            return None
        return struct.unpack(">I", self.stream(self.lengths, 0, sequence, head[:4]))[0]

    def open(self, sequence, packet, tag):
        key = self.stream(self.main, 0, sequence, bytes(32))
        if Poly1305.generate_tag(key, packet) != tag:
            raise BadMac
        return packet[:4] + self.stream(self.main, 1, sequence, packet[4:])


class AesGcm:
    """RFC 5647: the length in the clear, a counter in the last eight bytes of the IV."""
    block, length_counts, tag_bytes = 16, False, 16

    def __init__(self, key, iv, _mac_key, _mac):
        self.cipher, self.fixed, self.counter = AESGCM(key), iv[:4], int.from_bytes(iv[4:12], "big")

    def nonce(self):
        self.counter += 1
        return self.fixed + ((self.counter - 1) % 2**64).to_bytes(8, "big")

    def seal(self, _sequence, packet):
        return packet[:4] + self.cipher.encrypt(self.nonce(), packet[4:], packet[:4])

    def length(self, _sequence, head):
        return struct.unpack(">I", head[:4])[0] if len(head) >= 4 else None

    def open(self, _sequence, packet, tag):
        try:
            return packet[:4] + self.cipher.decrypt(self.nonce(), packet[4:] + tag, packet[:4])
        except InvalidTag as error:
            raise BadMac from error


class AesCtr:
    """RFC 4344 with a MAC over the plain packet, or (-etm) over the sealed one."""
    block = 16

    def __init__(self, key, iv, mac_key, mac):
        self.sealer = Cipher(algorithms.AES(key), modes.CTR(iv)).encryptor()
        self.opener = Cipher(algorithms.AES(key), modes.CTR(iv)).decryptor()
        self.encrypt_first = mac.endswith("-etm@openssh.com")
        self.length_counts = not self.encrypt_first
        self.mac, self.tag_bytes = MACS[mac_name(mac)][1](mac_key), MACS[mac_name(mac)][2]
        self.head = b""

    def seal(self, sequence, packet):
        if self.encrypt_first:
            sealed = packet[:4] + self.sealer.update(packet[4:])
            return sealed + self.mac(sequence, sealed)
        return self.sealer.update(packet) + self.mac(sequence, packet)

    def length(self, _sequence, head):
        if self.encrypt_first:
            return struct.unpack(">I", head[:4])[0] if len(head) >= 4 else None
        if not self.head and len(head) >= self.block:
            self.head = self.opener.update(head[:self.block])
        return struct.unpack(">I", self.head[:4])[0] if self.head else None

    def open(self, sequence, packet, tag):
        if self.encrypt_first:
            plain = packet[:4] + self.opener.update(packet[4:])
        else:
            plain = self.head + self.opener.update(packet[self.block:])
            self.head = b""
        if self.mac(sequence, packet if self.encrypt_first else plain) != tag:
            raise BadMac
        return plain


def hmac_maker(name):
    def make(key):
        return lambda sequence, data: hmac.new(key, u32(sequence) + data, name).digest()
    return make


def umac_maker(bits):
    """UMAC (RFC 4418) from Debian's libnettle."""
    def make(key):
        nettle = ctypes.CDLL(ctypes.util.find_library("nettle") or "libnettle.so.8")
        state = ctypes.create_string_buffer(8192)  # more than either of its structs
        size = ctypes.c_size_t
        getattr(nettle, f"nettle_umac{bits}_set_key")(state, key)

        def mac(sequence, data):
            tag = ctypes.create_string_buffer(bits // 8)
            nonce = struct.pack(">Q", sequence)
            getattr(nettle, f"nettle_umac{bits}_set_nonce")(state, size(8), nonce)
            getattr(nettle, f"nettle_umac{bits}_update")(state, size(len(data)), data)
            getattr(nettle, f"nettle_umac{bits}_digest")(state, size(bits // 8), tag)
            return tag.raw
        return mac
    return make


# name: bytes of the key, what makes the function, bytes of its tag
MACS = {
    "hmac-sha1": (20, hmac_maker("sha1"), 20),
    "hmac-sha2-256": (32, hmac_maker("sha256"), 32),
    "hmac-sha2-512": (64, hmac_maker("sha512"), 64),
    "umac-64": (16, umac_maker(64), 8),
    "umac-128": (16, umac_maker(128), 16),
}
# name: bytes of the key, bytes of the IV, the class
CIPHERS = {
    "chacha20-poly1305@openssh.com": (64, 0, Chacha20Poly1305),
    "aes128-gcm@openssh.com": (16, 12, AesGcm),
    "aes256-gcm@openssh.com": (32, 12, AesGcm),
    "aes128-ctr": (16, 16, AesCtr),
    "aes192-ctr": (24, 16, AesCtr),
    "aes256-ctr": (32, 16, AesCtr),
}


def mac_name(mac):
    return mac.removesuffix("@openssh.com").removesuffix("-etm")


def is_aead(cipher):
    return CIPHERS[cipher][2] is not AesCtr


# ---- Key exchanges -------------------------------------------------------------------------------

def group_prime(bits):
    """The prime of RFC 3526 with so many bits, out of libcrypto's own table."""
    crypto = ctypes.CDLL(ctypes.util.find_library("crypto"))
    prime = getattr(crypto, f"BN_get_rfc3526_prime_{bits}")
    prime.restype = ctypes.c_void_p
    data = ctypes.create_string_buffer(bits // 8)
    crypto.BN_bn2bin(ctypes.c_void_p(prime(None)), data)
    return int.from_bytes(data.raw, "big")


class X25519:
    """curve25519-sha256 (RFC 8731)."""
    reply = 31

    def __init__(self):
        self.key = x25519.X25519PrivateKey.generate()
        self.public = string(self.key.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw))

    def shared(self, reader):
        value = reader.string()
        key = self.key.exchange(x25519.X25519PublicKey.from_public_bytes(value))
        return string(value), mpint(int.from_bytes(key, "big"))


class Nist:
    """ecdh-sha2-nistp* (RFC 5656)."""
    reply = 31

    def __init__(self, curve):
        self.curve = curve()
        self.key = ec.generate_private_key(self.curve)
        self.public = string(self.key.public_key().public_bytes(
            Encoding.X962, PublicFormat.UncompressedPoint))

    def shared(self, reader):
        value = reader.string()
        peer = ec.EllipticCurvePublicKey.from_encoded_point(self.curve, value)
        return string(value), mpint(int.from_bytes(self.key.exchange(ec.ECDH(), peer), "big"))


class Group:
    """diffie-hellman-group* (RFC 4253, section 8), and the second half of group exchange."""
    def __init__(self, prime, generator=2, reply=31):
        self.prime, self.reply = prime, reply
        self.exponent = secrets.randbits(320)
        self.public = mpint(pow(generator, self.exponent, prime))

    def shared(self, reader):
        value = reader.mpint()
        return mpint(value), mpint(pow(value, self.exponent, self.prime))


class Sntrup761:
    """sntrup761x25519-sha512 with one fixed key (sntrup761.key): decapsulation alone, as the NTRU
    Prime round-3 paper has it, without the check that a client would need against a liar."""
    reply, degree, modulus = 31, 761, 4591
    lines = (pathlib.Path(__file__).parent / "sntrup761.key").read_text().split()
    kem_public = bytes.fromhex(lines[0])
    f, inverse_g = ([{"+": 1, "-": -1, "0": 0}[sign] for sign in line] for line in lines[1:])

    def __init__(self):
        self.x25519 = X25519()
        self.public = string(self.kem_public + self.x25519.public[4:])

    @classmethod
    def decode(cls, data, moduli):
        """The paper's Decode: numbers below `moduli`, packed in pairs."""
        if len(moduli) == 1:
            return [int.from_bytes(data, "little") % moduli[0]]
        bottoms, next_moduli, at = [], [], 0
        for pair in zip(moduli[::2], moduli[1::2]):
            product, value, scale = pair[0] * pair[1], 0, 1
            while product >= 16384:
                value, scale = value + scale * data[at], scale * 256
                at, product = at + 1, (product + 255) // 256
            bottoms.append((value, scale))
            next_moduli.append(product)
        odd = moduli[-1:] if len(moduli) % 2 else []
        tops, numbers = cls.decode(data[at:], next_moduli + odd), []
        for (value, scale), top, first, second in zip(bottoms, tops, moduli[::2], moduli[1::2]):
            value += scale * top
            numbers += [value % first, value // first % second]
        return numbers + ([tops[-1]] if odd else [])

    @classmethod
    def multiply(cls, one, small):
        """one * small modulo x^761 - x - 1; `small` has only -1, 0 and 1."""
        product = [0] * (2 * cls.degree)
        for shift, sign in enumerate(small):
            if sign:
                for index, value in enumerate(one):
                    product[shift + index] += sign * value
        for index in range(2 * cls.degree - 2, cls.degree - 1, -1):
            product[index - cls.degree] += product[index]
            product[index - cls.degree + 1] += product[index]
        return product[:cls.degree]

    @classmethod
    def decapsulate(cls, sealed):
        half = cls.modulus // 2
        rounded = [3 * n - half for n in cls.decode(sealed[:1007], [1531] * cls.degree)]
        e = [(3 * n + half) % cls.modulus - half for n in cls.multiply(rounded, cls.f)]
        r = [(n + 1) % 3 for n in cls.multiply([n % 3 for n in e], cls.inverse_g)] + [0, 0, 0]
        packed = bytes(sum(r[at + i] << 2 * i for i in range(4)) for at in range(0, cls.degree, 4))
        seed = hashlib.sha512(b"\3" + packed).digest()[:32]
        return hashlib.sha512(b"\1" + seed + sealed).digest()[:32]

    def shared(self, reader):
        value = reader.string()
        peer = x25519.X25519PublicKey.from_public_bytes(value[1039:])
        both = self.decapsulate(value[:1039]) + self.x25519.key.exchange(peer)
        return string(value), string(hashlib.sha512(both).digest())


# name: hash, what makes the client's half; None: it needs a group of the server first
EXCHANGES = {
    "curve25519-sha256": ("sha256", X25519),
    "curve25519-sha256@libssh.org": ("sha256", X25519),
    "ecdh-sha2-nistp256": ("sha256", lambda: Nist(ec.SECP256R1)),
    "ecdh-sha2-nistp384": ("sha384", lambda: Nist(ec.SECP384R1)),
    "ecdh-sha2-nistp521": ("sha512", lambda: Nist(ec.SECP521R1)),
    "sntrup761x25519-sha512": ("sha512", Sntrup761),
    "sntrup761x25519-sha512@openssh.com": ("sha512", Sntrup761),
    "diffie-hellman-group14-sha256": ("sha256", lambda: Group(group_prime(2048))),
    "diffie-hellman-group16-sha512": ("sha512", lambda: Group(group_prime(4096))),
    "diffie-hellman-group18-sha512": ("sha512", lambda: Group(group_prime(8192))),
    "diffie-hellman-group-exchange-sha256": ("sha256", None),
}


def signature_is_good(key_blob, signature_blob, data):
    """Whether a host key signed this (RFC 4253, 5656, 8332, 8709)."""
    key, signature = Reader(key_blob), Reader(signature_blob)
    kind, algorithm, value = key.string(), signature.string().decode(), signature.string()
    try:
        if kind == b"ssh-ed25519":
            ed25519.Ed25519PublicKey.from_public_bytes(key.string()).verify(value, data)
        elif kind == b"ssh-rsa":
            exponent, modulus = key.mpint(), key.mpint()
            hash_name = {"rsa-sha2-256": "sha256", "rsa-sha2-512": "sha512"}[algorithm]
            rsa.RSAPublicNumbers(exponent, modulus).public_key().verify(
                value, data, padding.PKCS1v15(), HASHES[hash_name]())
        else:
            key.string()
            point, pair = key.string(), Reader(value)
            ec.EllipticCurvePublicKey.from_encoded_point(ec.SECP256R1(), point).verify(
                utils.encode_dss_signature(pair.mpint(), pair.mpint()), data, ec.ECDSA(hashes.SHA256()))
    except (InvalidSignature, KeyError, ValueError):
        return False
    return True


# ---- The client's own keys -----------------------------------------------------------------------

ED25519 = ed25519.Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
RSA = rsa.generate_private_key(65537, 2048)
RSA_NUMBERS = RSA.public_key().public_numbers()
KEY_BLOBS = {
    "ed25519": string(b"ssh-ed25519") + string(
        ED25519.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)),
    "rsa": string(b"ssh-rsa") + mpint(RSA_NUMBERS.e) + mpint(RSA_NUMBERS.n),
}


def sign(algorithm, data):
    """A signature blob of one of the keys above."""
    if algorithm == "ssh-ed25519":
        value = ED25519.sign(data)
    else:
        name = {"ssh-rsa": "sha1", "rsa-sha2-256": "sha256", "rsa-sha2-512": "sha512"}[algorithm]
        value = RSA.sign(data, padding.PKCS1v15(), HASHES[name]())
    return string(algorithm.encode()) + string(value)
