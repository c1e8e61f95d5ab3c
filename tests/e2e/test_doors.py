"""What a visitor has changed counts when he is back: passwords, accounts, and the keys that he has left."""
import subprocess

import pytest

from conftest import WAIT_S


def text(done):
    return done.stdout.decode()


@pytest.fixture
def pot(own_honeypot):
    return own_honeypot("visitors:\n  known_by: address\nssh:\n  waits: 0\n")


def login(pot, command, key, user="root", bind="127.0.0.1"):
    argv = ["ssh", "-F", "none", "-p", str(pot.port), "-i", str(key), "-b", bind]
    for option in ("StrictHostKeyChecking=no", "UserKnownHostsFile=/dev/null", "LogLevel=ERROR", "BatchMode=yes",
                   "IdentitiesOnly=yes", "IdentityAgent=none"):
        argv += ["-o", option]
    return subprocess.run([*argv, f"{user}@127.0.0.1", command], capture_output=True, stdin=subprocess.DEVNULL,
                          timeout=WAIT_S, check=False)


def test_a_changed_password_is_the_one_that_works(pot):
    with pot.recorded():
        assert pot.ssh("echo root:n3w | chpasswd; useradd -m -s /bin/dash -G sudo ev; echo ev:x1 | chpasswd").returncode == 0
    with pot.recorded():
        assert pot.ssh("id -u", password="123456").returncode != 0
    with pot.recorded() as sessions:
        assert text(pot.ssh("id -u", password="n3w")) == "0\n"
    assert {"cowrie.login.success", "lured.visitor.return"} <= {e["eventid"] for e in sessions[0]}
    # An account that he has made, with its own shell, home and groups; a wrong password of it; one of the policy.
    with pot.recorded() as sessions:
        out = text(pot.ssh("id -un; pwd; echo $0; id -nG", user="ev", password="x1"))
        assert out.splitlines() == ["ev", "/home/ev", "dash", "ev sudo"]
    assert pot.ssh("id", user="ev", password="x2").returncode != 0
    assert text(pot.ssh("id -un", user="admin", password="admin")) == "admin\n"


def test_a_locked_account_and_one_that_is_gone(pot):
    with pot.recorded():
        pot.ssh("passwd -l admin; userdel -f pi; useradd nobody2; passwd -d nobody2")
    # A visit that changes nothing keeps it so.
    with pot.recorded():
        assert text(pot.ssh("id -u")) == "0\n"
    assert pot.ssh("id", user="admin", password="admin").returncode != 0
    assert pot.ssh("id", user="pi", password="raspberry").returncode != 0
    # sshd lets nobody in who has none (PermitEmptyPasswords), whatever he says.
    assert pot.ssh("id", user="nobody2", password="x").returncode != 0


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_a_key_that_he_has_left_lets_him_in(pot, tmp_path, kind):
    key, other = tmp_path / "key", tmp_path / "other"
    for path in (key, other):
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", path], check=True)
    line = key.with_suffix(".pub").read_text().strip()
    assert login(pot, "id -u", key).returncode != 0
    with pot.recorded() as sessions:
        pot.ssh(f"mkdir -p ~/.ssh; echo 'command=\"x y\" {line}' >> ~/.ssh/authorized_keys; echo mine > /root/mine")
    left = [e for e in sessions[0] if e["eventid"] == "lured.visitor.key"]
    assert [e["username"] for e in left] == ["root"] and left[0]["key"] == " ".join(line.split()[:2])
    with pot.recorded() as sessions:
        assert text(login(pot, "cat /root/mine", key)) == "mine\n"
    success = [e for e in sessions[0] if e["eventid"] == "cowrie.login.success"]
    assert [e["fingerprint"] for e in success] == [left[0]["fingerprint"]]
    assert not any(e["eventid"] == "lured.visitor.key" for e in sessions[0])
    assert login(pot, "id -u", key, user="admin").returncode != 0
    # A visit that changes nothing leaves it so, from wherever.
    with pot.recorded():
        assert text(login(pot, "true", key, bind="127.0.0.2")) == ""
    assert text(login(pot, "cat /root/mine", key)) == "mine\n"
    assert login(pot, "id -u", other).returncode != 0
    with pot.recorded():
        assert login(pot, "rm /root/.ssh/authorized_keys", key).returncode == 0
    assert login(pot, "id -u", key).returncode != 0
