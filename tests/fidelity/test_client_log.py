"""What OpenSSH's own client logs of a login (ssh -vvv) differs in nothing but keys, ports and times."""
import os
import re
import subprocess

import pytest

from servers import OurServer, RealServer, why_not_sshd

pytestmark = pytest.mark.skipif(bool(why_not_sshd()), reason=why_not_sshd())
# A shell's first words are the machine's, so the commands say the same on every machine. They wait
# for the end of their input: whether it or a program's end comes first is chance in a real server.
SESSIONS = {"exec": ["cat; printf 'out\\n'; printf 'err\\n' >&2; exit 3"],
            "pty": ["-tt", "stty -a; exit 4"],
            "sftp": ["-s", "sftp"],
            "zlib": ["-C", "cat"],
            "sntrup": ["-oKexAlgorithms=sntrup761x25519-sha512@openssh.com", "cat"],
            "gex": ["-oKexAlgorithms=diffie-hellman-group-exchange-sha256", "cat"],
            "keys": ["-oPubkeyAuthentication=yes", "-oIdentitiesOnly=yes", "-iKEY_FILE", "cat"],
            "remote forward": ["-R", "23601:localhost:9", "cat"],
            "refused forward": ["-R", "80:localhost:9", "cat"],
            "socket forward": ["-R", "/home/admin/logged:localhost:9", "cat"],
            "local forward": ["-L", "23602:localhost:1", "cat"],
            "dynamic forward": ["-D", "23603", "cat"],
            "tunnel": ["-w", "0:0", "cat"],
            "refused stdio": ["-W", "127.0.0.1:1", ""],
            "no subsystem": ["-s", "nosuch"],
            "variables": ["-oSendEnv=LANG", "-oSetEnv=LC_X=1", "echo $LC_X; cat"],
            "new keys": ["-oRekeyLimit=64K", "head -c 300000 /dev/zero | tr '\\0' x | wc -c; cat"]}
# The end of a program and the end of its output are told by two events that race in a real server.
RACE = ("rcvd eof", "output open", "rcvd close", "obuf empty", "eof", "exit-status", "rtype", "eow",
        "free:", "nchannels", "status: The following", "#0 client-session", "close_write",
        "close_read", "chan_shutdown", "input open", "input drain", "send eof", "send close",
        "receive packet", "send packet", "garbage collecting", "client_input", "input wait",
        "almost dead", "is dead", "output drain", "channel 0:")
# The client says eow itself when the end of the program's output finds its own input open.
CHANCE = ("debug3: send packet: type 98", "debug3: channel 0: will not send data after close",
          "debug2: channel 0: obuf_empty delayed efd N/(4)")


def key_file(folder):
    path = folder / "id"
    if not path.exists():
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


def log_of(server, arguments, folder):
    arguments = [word.replace("KEY_FILE", str(key_file(folder))) for word in arguments]
    known = folder / f"known-{server.port}"
    argv = ["sshpass", "-p", "admin", "ssh", "-vvv", "-F", "none", "-p", str(server.port)]
    for option in ("StrictHostKeyChecking=accept-new", f"UserKnownHostsFile={known}",
                   "PubkeyAuthentication=no", "UpdateHostKeys=yes", "HostKeyAlgorithms=ssh-ed25519"):
        argv += ["-o", option]
    *options, command = arguments
    silent, keep = os.pipe()  # a terminal at which nobody types, and for the others no input
    stdin = silent if "-tt" in options else subprocess.DEVNULL
    done = subprocess.run([*argv, *options, "admin@127.0.0.1", command],
                          stdin=stdin, capture_output=True, timeout=120, check=False)
    os.close(silent)
    os.close(keep)
    lines = done.stderr.decode("latin-1").replace("\r", "").splitlines()
    return done.returncode, done.stdout, [plain(line, server) for line in lines]


def plain(line, server):
    """A line of the log without what belongs to one run."""
    line = line.replace(str(server.port), "PORT")
    line = re.sub(r"SHA256:[\w+/]+", "KEY", line)
    line = re.sub(r"known-PORT\S*", "KNOWN", line)
    line = re.sub(r"bits set: \d+/", "bits set: N/", line)
    line = re.sub(r"[\d.]+ (?=bytes per second|seconds)", "N ", line)
    line = re.sub(r"per second: sent [\d.]+, received [\d.]+", "per second", line)
    line = re.sub(r"\(?\bi\d(/\d)? o\d", "STATE", line)  # of the channel, as the race left it
    line = re.sub(r"raw data (\d+), compressed \d+, factor [\d.]+", r"raw data \1", line)
    line = re.sub(r"(sent|received) \d+(?=,| bytes)", r"\1 N", line)
    return re.sub(r"(pid|fd) \d+", r"\1 N", line)


def parts(lines):
    """The lines in their order, and those about the end, which race, once each and sorted."""
    ordered = [line for line in lines if not any(word in line for word in RACE)]
    return ordered, sorted({line for line in lines if line not in ordered} - set(CHANCE))


@pytest.fixture(scope="module")
def servers():
    with RealServer() as real, OurServer() as ours:
        yield real, ours


@pytest.mark.parametrize("name", SESSIONS)
def test_a_client_logs_the_same(name, servers, tmp_path):
    real, ours = (log_of(server, SESSIONS[name], tmp_path) for server in servers)
    assert ours[:2] == real[:2]
    assert parts(ours[2])[0] == parts(real[2])[0]
    assert parts(ours[2])[1] == parts(real[2])[1]
