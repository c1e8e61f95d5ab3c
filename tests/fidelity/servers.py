"""The two servers: Debian's own sshd in its default configuration, and ours."""
import contextlib
import os
import pathlib
import re
import select
import shutil
import signal
import socket
import struct
import subprocess
import tempfile
import threading
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
LURED = os.environ.get("LURED", str(ROOT / "build/lured"))
IMAGE = os.environ.get("LURED_IMAGE", str(ROOT / "build/persona/debian-12.image"))
SSHD, DEFAULT_CONFIG = "/usr/sbin/sshd", "/usr/share/openssh/sshd_config"
WAIT_S = 120
DROPBEAR = "/usr/sbin/dropbear"
BEFORE_LOGIN_DROPBEAR = 3  # it takes five of one address, and notices late that one is gone
BEFORE_LOGIN = 6  # connections, well below the ten at which MaxStartups begins to drop

# What sshd sees as its /etc/passwd and so on, in a mount namespace of its own: one user, with the
# number, the shell and the (empty) home that Debian gives the first one.
PASSWD_TAIL = "admin:x:1000:1000:Debian,,,:/home/admin:/bin/bash\n"
START = """
set -e
for name in passwd shadow group motd; do mount --bind "$1/$name" /etc/$name; done
mount -t tmpfs none /home
mkdir -p /home/admin /run/sshd && cp /etc/skel/.[a-z]* /home/admin
chown -R 1000:1000 /home/admin
ulimit -n 1024
shift
exec "$@"
"""


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def why_not_sshd():
    """Why the real server cannot be started here; empty: it can."""
    if not os.path.exists(SSHD):
        return "no openssh-server"
    if os.geteuid() != 0:
        return "sshd must be root to log a user in"
    if subprocess.run(["unshare", "-m", "true"], capture_output=True, check=False).returncode:
        return "no right to make a mount namespace"
    return ""


class Server(contextlib.AbstractContextManager):
    announces = True  # its host keys, after a login

    def __exit__(self, *_):
        self.stop()


class RealServer(Server):
    """sshd -D with the sshd_config that Debian's package installs; only port, address, host keys
    and the file of its process number are told on the command line."""
    def __init__(self, *options):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sshd-"))
        self.gate = threading.Semaphore(BEFORE_LOGIN)
        self.port = free_port()
        self.write_accounts()
        command = ["unshare", "-m", "sh", "-c", START, "sh", self.folder,
                   SSHD, "-D", "-e", "-f", DEFAULT_CONFIG, "-p", str(self.port)]
        for kind in ("rsa", "ecdsa", "ed25519"):
            key = self.folder / f"host_{kind}"
            subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-f", key], check=True)
            command += ["-h", str(key)]
        for option in ("ListenAddress=127.0.0.1", f"PidFile={self.folder}/pid", *options):
            command += ["-o", option]
        self.errors = open(self.folder / "stderr", "wb")
        self.process = subprocess.Popen(command, stderr=self.errors, cwd="/")
        wait_for_port(self.port, self.process)

    def write_accounts(self):
        secret = subprocess.run(["openssl", "passwd", "-6", "admin"], capture_output=True,
                                text=True, check=True).stdout.strip()
        for name, line in (("passwd", PASSWD_TAIL), ("group", "admin:x:1000:\n"),
                           ("shadow", f"admin:{secret}:19700:0:99999:7:::\n")):
            own = [old for old in pathlib.Path("/etc", name).read_text().splitlines(True)
                   if ":1000:" not in old and not old.startswith("admin:")]
            (self.folder / name).write_text("".join(own) + line)
        shutil.copy("/usr/share/base-files/motd", self.folder / "motd")

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        self.process.wait(WAIT_S)
        self.errors.close()
        shutil.rmtree(self.folder)


class RealDropbear(RealServer):
    """dropbear as it is without options: only port, host keys and the file of its process number are
    told, and that it stays in the foreground."""
    announces = False

    def __init__(self):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="dropbear-"))
        self.gate = threading.Semaphore(BEFORE_LOGIN_DROPBEAR)
        self.port = free_port()
        self.write_accounts()
        command = ["unshare", "-m", "sh", "-c", START, "sh", self.folder, DROPBEAR, "-F", "-E",
                   "-p", f"127.0.0.1:{self.port}", "-P", self.folder / "pid"]
        for kind in ("rsa", "ecdsa", "ed25519"):
            key = self.folder / f"host_{kind}"
            subprocess.run(["dropbearkey", "-t", kind, "-f", key], check=True, capture_output=True)
            command += ["-r", key]
        self.errors = open(self.folder / "stderr", "wb")
        self.process = subprocess.Popen(command, stderr=self.errors, cwd="/")
        wait_for_port(self.port, self.process)


class OurServer(Server):
    """`lured run` with its default configuration, but for the server it shows and what `config` says;
    every connection finds a new machine."""
    def __init__(self, profile="openssh-9.2p1", config=None):
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="lured-"))
        self.announces = profile.startswith("openssh")
        self.gate = threading.Semaphore(BEFORE_LOGIN if self.announces else BEFORE_LOGIN_DROPBEAR)
        self.port = free_port()
        config = config or f"ssh:\n  profile: {profile}\n"
        self.plant_seed()
        self.write_config(f"image: {IMAGE}\nvisitors:\n  remember: 0\n{config}")
        self.errors = open(self.folder / "stderr", "wb")
        self.process = subprocess.Popen(
            [LURED, "run", "--config", self.folder / "lured.yaml", "--data", self.folder / "data",
             "--ssh", f"tcp:{self.port}:interface=127.0.0.1"],
            stdout=subprocess.PIPE, stderr=self.errors, cwd=self.folder)
        if not select.select([self.process.stdout], [], [], WAIT_S)[0]:
            raise AssertionError("no ready line")
        self.process.stdout.readline()

    def write_config(self, text):
        (self.folder / "lured.yaml").write_text(text)

    def plant_seed(self):
        """A seed of the first edition: the machine has two processors, as the recorded one."""
        seed = self.folder / "data/identity/seed"
        if not seed.exists():
            seed.parent.mkdir(parents=True, mode=0o700)
            seed.write_bytes(os.urandom(32) + struct.pack(">Q", int(time.time() * 1000)))

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        status = self.process.wait(WAIT_S)
        self.process.stdout.close()
        self.errors.close()
        errors = (self.folder / "stderr").read_text(errors="replace")
        shutil.rmtree(self.folder)
        assert status == 0 and "Sanitizer" not in errors and "runtime error" not in errors, errors


class OwnUsersServer(OurServer):
    """The same, where only the machine's own user logs in, who has done so before."""
    PASSWORD = "own"

    def write_config(self, text):
        super().write_config(f"{text}passwords: {self.folder}/passwords\n")
        (self.folder / "passwords").write_text("")
        shown = subprocess.run([LURED, "identity", "--config", self.folder / "lured.yaml", "--data",
                                self.folder / "data"], capture_output=True, text=True, check=True)
        self.user = re.search(r"^user +(\S+)$", shown.stdout, flags=re.M)[1]
        (self.folder / "passwords").write_text(f"{self.user}:{self.PASSWORD}\n")


def wait_for_port(port, process):
    until = time.monotonic() + WAIT_S
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise AssertionError("sshd did not start")
