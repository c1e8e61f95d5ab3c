"""lured audit: what it finds on honeypots that give themselves away."""
import contextlib
import socket
import subprocess
import threading

import paramiko
import pytest

from conftest import LURED, WAIT_S, Honeypot


def audit(*arguments):
    """The exit status, and the ids of what was found and of the notes."""
    done = subprocess.run([LURED, "audit", *map(str, arguments)], capture_output=True, text=True,
                          timeout=4 * WAIT_S, check=False)
    assert "Sanitizer" not in done.stderr and "runtime error" not in done.stderr, done.stderr
    lines = done.stdout.splitlines()
    found = {line.split()[1] for line in lines if not line.startswith(("note:", "score"))}
    return done.returncode, found, lines[-1] if lines else done.stderr


class Cowrie(paramiko.ServerInterface):
    """Takes every password and answers every command with the little that it knows."""

    def check_auth_password(self, username, password):
        return paramiko.AUTH_SUCCESSFUL

    def get_allowed_auths(self, username):
        return "password"

    def check_channel_request(self, kind, chanid):
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel, command):
        known = {b"hostname": b"svr04\n", b"uname -n": b"svr04\n", b"cat /etc/hostname": b"svr04\n",
                 b"cut -d. -f1 /proc/uptime": b"0\n", b"nproc": b"4\n",
                 b"grep -c ^processor /proc/cpuinfo": b"2\n",
                 b"cat /etc/passwd": b"root:x:0:0:root:/root:/bin/bash\n"
                                     b"phil:x:1000:1000:Phil California,,,:/home/phil:/bin/bash\n"}

        def answer():
            channel.sendall(known.get(command, b""))
            channel.send_exit_status(0)
            channel.close()

        threading.Timer(0.01, answer).start()
        return True


@pytest.fixture
def cowrie():
    key = paramiko.RSAKey.generate(2048)
    listener = socket.create_server(("127.0.0.1", 0))

    def serve():
        while True:
            try:
                connection = listener.accept()[0]
            except OSError:
                return
            transport = paramiko.Transport(connection)
            transport.local_version = "SSH-2.0-OpenSSH_6.0p1 Debian-4+deb7u2"
            transport.add_server_key(key)
            try:
                transport.start_server(server=Cowrie(), event=threading.Event())
            except paramiko.SSHException:
                pass

    threading.Thread(target=serve, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


def test_an_imitation_is_found_out(cowrie):
    status, found, score = audit(f"127.0.0.1:{cowrie}", "--login", "root:root")
    assert status == 3 and score.startswith("score 100 of 100")
    assert found >= {"default-version", "any-password", "shell-language", "exit-status", "session-status",
                     "scripts", "programs", "binary", "user-phil", "host-name", "uptime", "cpus-cpuinfo",
                     "forgets-files"}


def test_a_configuration_that_gives_itself_away_is_found_out(own_honeypot, tmp_path):
    (tmp_path / "passwords").write_text("root:*\n")
    pot = own_honeypot(f"hostname: svr04\npasswords: {tmp_path}/passwords\n"
                       "ssh:\n  profile: openssh-8.2p1\n")
    status, found, _ = audit(f"127.0.0.1:{pot.port}", "--login", "root:anything",
                             "--compare", f"127.0.0.1:{pot.port}")
    assert status == 3
    assert found >= {"any-password", "host-name", "system", "server-package", "shared-host-key",
                     "shared-machine-id", "shared-boot"}


def test_a_machine_that_cannot_be_asked(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert audit(f"127.0.0.1:{port}")[:2] == (1, set())
    config = tmp_path / "lured.yaml"
    config.write_text("ssh:\n  endpoint: unix:/run/lured.sock\n")
    assert audit("--config", config)[0] == 2
    assert audit("127.0.0.1:ssh")[0] == 2


def test_a_server_that_never_says_what_it_is():
    """It says noise without a line's end, and keeps the connection."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        def serve():
            connection = listener.accept()[0]
            with connection, contextlib.suppress(OSError):
                connection.sendall(b"x" * 60000)
                while connection.recv(1 << 16):
                    pass

        threading.Thread(target=serve, daemon=True).start()
        status, _, why = audit(f"127.0.0.1:{listener.getsockname()[1]}")
    assert status == 1 and why.endswith("no SSH server answers\n")


def test_two_fresh_installations_give_nothing_away_and_share_nothing(own_honeypot, tmp_path):
    one = own_honeypot("visitors:\n  remember: 1\n")
    (tmp_path / "two").mkdir()
    two = Honeypot(tmp_path / "two")
    try:
        status, found, score = audit("--config", config_of(one), "--compare", f"127.0.0.1:{two.port}")
    finally:
        two.stop()
    assert (status, found) == (0, set()), score


def config_of(pot):
    """Its configuration with the port that it was told on the command line: what `lured audit` goes by."""
    path = pot.folder / "audit.yaml"
    path.write_text(pot.config.read_text() + f"ssh:\n  endpoint: tcp:{pot.port}:interface=127.0.0.1\n")
    return path
