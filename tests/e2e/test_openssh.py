"""OpenSSH's own client: commands, an interactive login, every algorithm offered."""
import subprocess

import pexpect
import pytest

from conftest import WAIT_S, read_kexinit


def client_knows(query):
    return set(subprocess.run(["ssh", "-Q", query], capture_output=True, text=True,
                              check=True).stdout.split())


def test_the_real_programs_answer_a_command(honeypot):
    done = honeypot.ssh("for i in 1 2 3; do echo $i; done | tac; id; cat /etc/os-release")
    lines = done.stdout.decode().splitlines()
    assert lines[:4] == ["3", "2", "1", "uid=0(root) gid=0(root) groups=0(root)"]
    assert 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"' in lines
    assert (done.stderr, done.returncode) == (b"", 0)


@pytest.mark.parametrize("command, stdout, stderr, status", [
    ("echo $0 $-", b"bash hBc\n", b"", 0),
    ("exit 7", b"", b"", 7),
    ("nosuchcommand", b"", b"bash: line 1: nosuchcommand: command not found\n", 127),
    ("echo out; echo err >&2", b"out\n", b"err\n", 0),
    ("a=(x y z); echo ${a[1]} ${#a[@]} $((3*7)) {1..3}", b"y 3 21 1 2 3\n", b"", 0),
    ("cat <<< hello | tr a-z A-Z; tty", b"HELLO\nnot a tty\n", b"", 1),
    ("mkdir -p /tmp/a/b && cd /tmp/a/b && echo x > f && ls -l f | cut -c1-10; pwd",
     b"-rw-r--r--\n/tmp/a/b\n", b"", 0),
    ("cat /nonexistent", b"", b"cat: /nonexistent: No such file or directory\n", 1),
    ("sleep 1 & wait $!; echo waited $?", b"waited 0\n", b"", 0),
    ("trap 'echo caught' TERM; kill $$; echo after", b"caught\nafter\n", b"", 0),
    ("busybox echo hi; sh -c 'echo $0'", b"hi\nsh\n", b"", 0),
    ("uname -srm", b"Linux 6.1.0-56-amd64 x86_64\n", b"", 0),
    ("seq 1 20000 | sort -rn | head -3 | md5sum", b"06a71126fcf3c64f615a748b67fc0244  -\n", b"", 0),
])
def test_a_command(honeypot, command, stdout, stderr, status):
    done = honeypot.ssh(command)
    assert (done.stdout, done.stderr, done.returncode) == (stdout, stderr, status)


def test_standard_input_reaches_the_program(honeypot, tmp_path):
    data = bytes(range(256)) * 4096
    (tmp_path / "in").write_bytes(data)
    with open(tmp_path / "in", "rb") as source:
        done = honeypot.ssh("cat", stdin=source)
    assert done.stdout == data


def test_the_machine_has_one_name(honeypot):
    out = honeypot.ssh("hostname; cat /etc/hostname; uname -n; hostname -i; grep -c $HOSTNAME /etc/hosts")
    name = out.stdout.decode().split()[0]
    assert out.stdout.decode().split() == [name, name, name, "127.0.1.1", "1"]


def test_a_program_killed_by_a_signal(honeypot):
    # OpenSSH's client gives 255 for an exit-signal, as it does with a real server.
    assert honeypot.ssh("kill -9 $$").returncode == 255


def spawn_interactive(pot, user="root", password="123456"):
    child = pexpect.spawn("ssh", [
        "-F", "none", "-p", str(pot.port), "-o", "StrictHostKeyChecking=no", "-o", "LogLevel=ERROR",
        "-o", "UserKnownHostsFile=/dev/null", "-o", "PubkeyAuthentication=no", f"{user}@127.0.0.1"],
        env={"TERM": "xterm", "PATH": "/usr/bin:/bin", "HOME": "/nonexistent"},
        dimensions=(24, 80), timeout=WAIT_S)
    child.delaybeforesend = None
    child.expect("password: ")
    child.sendline(password)
    return child


PROMPT = rb"root@[a-z0-9-]+:[^ ]*# "


def say(child, typed, *expected):
    """Types, and waits for each of the byte strings, in this order, and then for the prompt."""
    child.send(typed)
    for piece in expected:
        child.expect_exact(piece)
    child.expect(PROMPT)


def test_an_interactive_login_is_bash_itself(honeypot):
    """The bytes are those that bash 5.2 sends at a terminal of Linux."""
    child = spawn_interactive(honeypot)
    child.expect(rb"ABSOLUTELY NO WARRANTY.*\x1b\[\?2004h" + PROMPT)
    # Line editing: left, insert; then history: up twice; then completion of a file name.
    say(child, b"echo ac\x1b[Db\r", b"echo ac\x08bc\x08\r\n\x1b[?2004l\rabc\r\n\x1b[?2004h")
    say(child, b"echo two\r", b"echo two\r\n\x1b[?2004l\rtwo\r\n\x1b[?2004h")
    say(child, b"\x1b[A\x1b[A\r", b"echo two\x08\x08\x08abc\r\n\x1b[?2004l\rabc\r\n")
    say(child, b"cat /etc/hostn\t\r", b"cat /etc/hostname \r\n\x1b[?2004l\r")
    # Job control: interrupt, suspend, continue in the foreground, kill.
    child.send(b"sleep 1000\r")
    child.expect_exact(b"sleep 1000\r\n\x1b[?2004l\r")
    say(child, b"\x03", b"^C\r\n\x1b[?2004h")
    say(child, b"echo $?\r", b"\r130\r\n")
    child.send(b"sleep 1000\r")
    child.expect_exact(b"sleep 1000\r\n\x1b[?2004l\r")
    say(child, b"\x1a", b"^Z\r\n[1]+  Stopped                 sleep 1000\r\n")
    say(child, b"jobs; kill %1; fg\r", b"[1]+  Stopped                 sleep 1000\r\n")
    say(child, b"echo $COLUMNS\r", b"\r80\r\n")
    child.setwinsize(40, 132)
    say(child, b"stty size\r", b"\r40 132\r\n")
    child.send(b"\x04")
    child.expect_exact(b"\x1b[?2004l\r\r\nlogout\r\n")
    child.expect(pexpect.EOF)
    child.close()
    assert child.exitstatus == 0


def test_a_terminal_belongs_to_its_user(honeypot):
    seen = honeypot.ssh("stat -c '%U %G %a' $(tty); echo x > $(tty)", user="admin", password="admin", tty=True)
    assert seen.stdout == b"admin tty 620\r\nx\r\n"


def test_three_wrong_passwords(honeypot):
    with honeypot.recorded() as sessions:
        child = spawn_interactive(honeypot, password="wrong-1")
        for attempt in (b"wrong-2", b"wrong-3"):
            child.expect("Permission denied, please try again.")
            child.expect("password: ")
            child.sendline(attempt)
        child.expect(r"Permission denied \(publickey,password\)")
        child.expect(pexpect.EOF)
        child.close()
    failed = [e for e in sessions[0] if e["eventid"] == "cowrie.login.failed"]
    assert [e["password"] for e in failed] == ["wrong-1", "wrong-2", "wrong-3"]
    assert not [e for e in sessions[0] if e["eventid"] == "cowrie.login.success"]


def test_a_public_key_is_refused_and_kept(honeypot, tmp_path):
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "key"], check=True)
    listed = subprocess.run(["ssh-keygen", "-lf", tmp_path / "key"], capture_output=True, text=True,
                            check=True).stdout.split()[1]
    with honeypot.recorded() as sessions:
        done = honeypot.ssh("true", options=["PubkeyAuthentication=yes", "IdentitiesOnly=yes",
                                             f"IdentityFile={tmp_path / 'key'}"])
    assert done.returncode == 0  # by the password, after the key was refused
    offered = [e for e in sessions[0] if e["eventid"] == "cowrie.client.fingerprint"]
    assert [e["fingerprint"] for e in offered] == [listed]


KINDS = [("kex", "kex", "KexAlgorithms"), ("hostkey", "HostKeyAlgorithms", "HostKeyAlgorithms"),
         ("cipher", "cipher", "Ciphers"), ("mac", "mac", "MACs")]


@pytest.mark.parametrize("kind, query, option", KINDS)
def test_every_algorithm_offered(honeypot, kind, query, option):
    known = client_knows(query)
    offered = [name for name in read_kexinit(honeypot.port)[kind] if not name.startswith("kex-strict")]
    assert offered
    for name in offered:
        assert name in known, f"{name} is offered, and OpenSSH does not know it"
        options = [f"{option}={name}"]
        if kind == "mac":
            options.append("Ciphers=aes128-ctr")
        done = honeypot.ssh("echo $((6*7))", options=options)
        assert (done.stdout, done.returncode) == (b"42\n", 0), (name, done.stderr)
