"""The host keys of the machine are those that its SSH server proves, and no other machine's."""
import subprocess

import pytest

from conftest import Honeypot

TYPES = {"rsa": "ssh-rsa", "ecdsa": "ecdsa-sha2-nistp256", "ed25519": "ssh-ed25519"}


def keys_on_the_wire(pot):
    """Key by type, as ssh-keyscan prints it."""
    scan = subprocess.run(["ssh-keyscan", "-p", str(pot.port), "127.0.0.1"], capture_output=True,
                          text=True, check=True).stdout
    return dict(line.split()[1:3] for line in scan.splitlines() if not line.startswith("#"))


@pytest.mark.parametrize("name", TYPES)
def test_the_files_of_a_key_belong_to_what_the_server_proves(honeypot, tmp_path, name):
    public = honeypot.ssh(f"cat /etc/ssh/ssh_host_{name}_key.pub").stdout.decode()
    host = honeypot.ssh("hostname").stdout.decode().strip()
    assert public == f"{TYPES[name]} {keys_on_the_wire(honeypot)[TYPES[name]]} root@{host}\n"
    # OpenSSH reads the private half, and signs with it so that the public half agrees.
    private = tmp_path / "key"
    private.write_bytes(honeypot.ssh(f"cat /etc/ssh/ssh_host_{name}_key").stdout)
    private.chmod(0o600)
    asked = subprocess.run(["ssh-keygen", "-y", "-f", private], capture_output=True, text=True,
                           check=True)
    assert asked.stdout == public
    subprocess.run(["ssh-keygen", "-q", "-Y", "sign", "-n", "test", "-f", private],
                   input=b"text", capture_output=True, check=True)


def test_the_files_are_as_the_package_makes_them(honeypot):
    modes = honeypot.ssh("cd /etc/ssh && stat -c '%n %a %U:%G' ssh_host_*").stdout.decode()
    assert modes == "".join(f"ssh_host_{name}_key {mode} root:root\n".replace("_key ", f"_key{end} ")
                            for name in sorted(TYPES) for mode, end in (("600", ""), ("644", ".pub")))


def test_a_user_reads_the_public_halves_alone(honeypot):
    done = honeypot.ssh("cat /etc/ssh/ssh_host_*_key", user="admin", password="admin")
    assert done.stdout == b"" and done.stderr.count(b"Permission denied") == len(TYPES)


def test_two_installations_share_no_key(honeypot, tmp_path):
    other = Honeypot(tmp_path)
    try:
        ours, theirs = keys_on_the_wire(honeypot), keys_on_the_wire(other)
    finally:
        other.stop()
    assert set(ours) == set(theirs) == set(TYPES.values())
    assert not set(ours.values()) & set(theirs.values())
