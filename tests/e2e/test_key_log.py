"""With its option on, the keys that let Wireshark read a captured connection are kept; else none."""
import os
import re
import shutil
import subprocess

import pytest

from conftest import wait_for

COMMAND = "echo seen-in-the-capture"


def can_capture():
    return os.geteuid() == 0 and shutil.which("dumpcap") and shutil.which("tshark")


def decrypted(path, pot):
    """Every byte that tshark finds under the encryption, as text."""
    out = subprocess.run(
        ["tshark", "-r", path, "-d", f"tcp.port=={pot.port},ssh", "-o",
         f"ssh.keylog_file:{pot.data / 'log/ssh.keys'}", "-T", "fields", "-e", "ssh.payload"],
        capture_output=True, text=True, check=True).stdout
    return b"".join(bytes.fromhex(part) for part in out.replace("\n", ",").split(",") if part)


@pytest.mark.skipif(not can_capture(), reason="capturing needs root and tshark")
def test_tshark_finds_the_command_in_the_decrypted_packets(own_honeypot, tmp_path):
    pot = own_honeypot("ssh: {key_log: 1}\n")
    path = tmp_path / "capture.pcapng"
    sniffer = subprocess.Popen(["dumpcap", "-q", "-i", "lo", "-f", f"tcp port {pot.port}", "-w", path],
                               stderr=subprocess.DEVNULL)
    try:
        wait_for(lambda: path.exists() and path.stat().st_size > 0, "the capture's first bytes")
        for _ in range(3):
            with pot.recorded():
                # What tshark 4.0 knows: X25519, and a cipher that does not count packets.
                done = pot.ssh(COMMAND, options=["KexAlgorithms=curve25519-sha256",
                                                 "Ciphers=aes256-gcm@openssh.com"])
            assert done.stdout == b"seen-in-the-capture\n"
            # Nor has it the right keys when the secret begins with a zero, as one in 256 does.
            if re.search(r"SHARED_SECRET \S{64}", (pot.data / "log/ssh.keys").read_text()):
                break
        size = path.stat().st_size
        wait_for(lambda: path.stat().st_size >= size, "the last packets")
    finally:
        sniffer.terminate()
        sniffer.wait()
    assert COMMAND.encode() in decrypted(path, pot)


def test_there_is_a_line_for_each_exchange(own_honeypot):
    pot = own_honeypot("ssh: {key_log: 1}\n")
    with pot.recorded():
        pot.ssh("true", options=["KexAlgorithms=sntrup761x25519-sha512@openssh.com"])
    keys = pot.data / "log/ssh.keys"
    cookie, kind, secret = keys.read_text().split()
    assert (len(cookie), kind, len(secret)) == (32, "SHARED_SECRET", 128)
    assert keys.stat().st_mode & 0o777 == 0o600


def test_without_the_option_no_key_is_kept(honeypot):
    with honeypot.recorded():
        honeypot.ssh("true")
    assert not (honeypot.data / "log/ssh.keys").exists()
