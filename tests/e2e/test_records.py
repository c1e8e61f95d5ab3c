"""What is on record: the events of a session, complete and in order; the terminal's recording."""
import hashlib
import json
import os
import re
import signal
import subprocess

import paramiko
import pexpect

from conftest import LURED, WAIT_S, wait_for
from test_openssh import PROMPT, spawn_interactive

SHARED = {"eventid", "timestamp", "message", "sensor", "uuid", "session", "src_ip", "protocol", "id"}


def ids(session):
    return [event["eventid"] for event in session]


def test_the_events_of_a_command(honeypot):
    with honeypot.recorded() as sessions:
        honeypot.ssh("echo hello | rev", options=["SetEnv=LC_TEST=x"])
    session, = sessions
    mine = [name for name in ids(session) if name.startswith("cowrie.")]
    order = ["cowrie.session.connect", "cowrie.client.version", "cowrie.client.kex",
             "cowrie.login.success", "cowrie.session.params", "cowrie.client.var",
             "cowrie.command.input", "cowrie.session.closed"]
    positions = [mine.index(name) for name in order]
    assert mine[0] == order[0] and mine[-1] == order[-1]
    assert positions == sorted(positions), mine
    for event in session:
        assert SHARED <= event.keys(), event
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z", event["timestamp"])
        assert event["src_ip"] == "127.0.0.1" and event["protocol"] == "ssh"
        assert re.fullmatch("[0-9a-f]{12}", event["session"])
    numbers = [event["id"] for event in session]
    assert numbers == sorted(set(numbers))
    times = [event["timestamp"] for event in session]
    assert times == sorted(times)
    by_id = {event["eventid"]: event for event in session}
    assert by_id["cowrie.login.success"]["username"] == "root"
    assert by_id["cowrie.login.success"]["password"] == "123456"
    assert by_id["cowrie.command.input"]["input"] == "echo hello | rev"
    assert by_id["cowrie.client.version"]["version"].startswith("SSH-2.0-OpenSSH_")
    assert re.fullmatch("[0-9a-f]{32}", by_id["cowrie.client.kex"]["hassh"])


def test_every_exec_of_a_guest_is_an_event(honeypot):
    with honeypot.recorded() as sessions:
        honeypot.ssh("/bin/echo one two; true | cat; env -i /bin/sh -c 'exec /bin/sleep 0'")
    execs = [e for e in sessions[0] if e["eventid"] == "lured.process.exec"]
    arguments = [e["argv"] for e in execs]
    for expected in (["/bin/echo", "one", "two"], ["cat"], ["env", "-i", "/bin/sh", "-c",
                                                            "exec /bin/sleep 0"],
                     ["/bin/sleep", "0"]):
        assert expected in arguments, arguments


def test_lines_read_by_bash_are_events_and_the_recording_plays_back(honeypot):
    seen = b""
    with honeypot.recorded() as sessions:
        child = spawn_interactive(honeypot)
        child.logfile_read = log = Log()
        child.expect(PROMPT)
        child.send(b"echo ac\x1b[Db\r")
        child.expect(rb"abc\r\n")
        child.expect(PROMPT)
        child.send("printf '%s\\n' \"$HOME\" \u00e9\r".encode())
        child.expect(PROMPT)
        child.send(b"exit\r")
        child.expect(pexpect.EOF)
        child.close()
        seen = log.data
    session, = sessions
    lines = [e["input"] for e in session if e["eventid"] == "cowrie.command.input"]
    assert lines == ["echo abc", "printf '%s\\n' \"$HOME\" \u00e9", "exit"]
    closed = [e for e in session if e["eventid"] == "cowrie.log.closed"][0]
    played = subprocess.run([LURED, "play", session[0]["session"], "--data", honeypot.data,
                             "--speed", "100000"], capture_output=True, timeout=WAIT_S, check=True)
    recording = played.stdout
    # The client shows a line of its own at the end, and the password prompt's newline before.
    assert recording and recording in seen, (recording, seen)
    assert recording.endswith(b"logout\r\n")
    cast = (honeypot.data / closed["ttylog"]).read_text().splitlines()
    header = json.loads(cast[0])
    assert (header["version"], header["width"], header["height"]) == (2, 80, 24)
    output = "".join(json.loads(line)[2] for line in cast[1:] if json.loads(line)[1] == "o")
    assert output.encode() == recording


class Log:
    """What a pexpect child wrote, kept from now on."""

    def __init__(self):
        self.data = b""

    def write(self, data):
        self.data += data

    def flush(self):
        pass


def test_lured_log_shows_the_session_and_no_escape_of_the_attackers(honeypot):
    with honeypot.recorded() as sessions:
        honeypot.ssh("echo \x1b[31mred; true")
    out = subprocess.run([LURED, "log", "--data", honeypot.data, "--session",
                          sessions[0][0]["session"]], capture_output=True, timeout=WAIT_S,
                         check=True).stdout
    assert b"red; true" in out and b"\x1b" not in out
    assert len(out.splitlines()) == len(sessions[0])


def test_lured_log_follows(honeypot):
    tail = subprocess.Popen([LURED, "log", "--data", honeypot.data, "--follow"],
                            stdout=subprocess.PIPE)
    try:
        honeypot.ssh("echo followed-by-the-tail")
        wait_for(lambda: b"followed-by-the-tail" in tail.stdout.readline(), "the line in the tail")
    finally:
        tail.terminate()
        tail.wait()
        tail.stdout.close()


def test_an_abrupt_end_is_recorded(honeypot):
    with honeypot.recorded() as sessions:
        child = spawn_interactive(honeypot)
        child.expect(PROMPT)
        child.send(b"echo last words\r")
        child.expect_exact(b"\rlast words\r\n")
        child.kill(9)
        child.close()
    assert ids(sessions[0])[-1] == "cowrie.session.closed"
    assert "echo last words" in [e.get("input") for e in sessions[0]]


# ---- What a client gives away of itself ----

def check_fingerprint(session, version, hassh_has, kex):
    """What every client shows by its first messages; the algorithms agreed are among those offered."""
    by_id = {event["eventid"]: event for event in session}
    assert re.match(version, by_id["cowrie.client.version"]["version"])
    offer, keys = by_id["cowrie.client.kex"], by_id["lured.client.keys"]
    hashed = ";".join(",".join(offer[name]) for name in ("kexAlgs", "encCS", "macCS", "compCS"))
    assert hashed == offer["hasshAlgorithms"] and hassh_has in hashed
    assert hashlib.md5(hashed.encode()).hexdigest() == offer["hassh"]
    assert re.match(kex, keys["kexAlg"]) and keys["kexAlg"] in offer["kexAlgs"]
    assert keys["keyAlg"] in offer["keyAlgs"]
    assert keys["encIn"] in offer["encCS"] and keys["compIn"] in offer["compCS"]
    assert keys["macIn"] == "<implicit>" or keys["macIn"] in offer["macCS"]
    steps = by_id["lured.client.timing"]
    for name in ("version_ms", "kexinit_ms", "keys_ms", "service_ms", "auth_ms"):
        assert 0 <= steps[name] < 1000 * WAIT_S, name
    return by_id


def test_the_fingerprint_of_openssh(honeypot, tmp_path):
    """Every key that it offers, the agent and the variables that it asks for."""
    made = []
    for kind in ("ed25519", "ecdsa", "rsa"):
        path = tmp_path / kind
        subprocess.run(["ssh-keygen", "-q", "-t", kind, "-N", "", "-C", "me@home", "-f", path],
                       check=True)
        made.append(path)
    agent = subprocess.run(["ssh-agent", "-s"], capture_output=True, text=True, check=True).stdout
    names = dict(re.findall(r"(SSH_\w+)=([^;]+);", agent))
    options = ["PubkeyAuthentication=yes", "IdentitiesOnly=yes", "ForwardAgent=yes",
               "SendEnv=LC_ME", *(f"IdentityFile={path}" for path in made)]
    try:
        with honeypot.recorded() as sessions:
            honeypot.ssh("true", options=options, env={**os.environ, **names, "LC_ME": "here"})
    finally:
        os.kill(int(names["SSH_AGENT_PID"]), signal.SIGTERM)
    session, = sessions
    by_id = check_fingerprint(session, "SSH-2.0-OpenSSH_", "sntrup761x25519", "sntrup761x25519")
    offered = [event for event in session if event["eventid"] == "cowrie.client.fingerprint"]
    assert len(offered) == 3
    for path, event in zip(made, offered):
        public = path.with_suffix(".pub").read_text().split()
        assert event["key"].split()[1] == public[1] and event["username"] == "root"
        shown = subprocess.run(["ssh-keygen", "-lf", path], capture_output=True, text=True,
                               check=True).stdout
        assert event["fingerprint"] in shown
    assert [event["type"] for event in offered] == ["ssh-ed25519", "ecdsa-sha2-nistp256",
                                                    "rsa-sha2-512"]
    assert "lured.agent.request" in by_id
    assert {"name": "LC_ME", "value": "here"}.items() <= by_id["cowrie.client.var"].items()


def test_the_fingerprint_of_dbclient(honeypot, tmp_path):
    with honeypot.recorded() as sessions:
        subprocess.run(["sshpass", "-p", "123456", "dbclient", "-y", "-y", "-p",
                        str(honeypot.port), "root@127.0.0.1", "true"], capture_output=True,
                       timeout=WAIT_S, check=False, stdin=subprocess.DEVNULL,
                       env={**os.environ, "HOME": str(tmp_path)})
    session, = sessions
    check_fingerprint(session, "SSH-2.0-dropbear_", "kexguess2@matt.ucc.asn.au", "curve25519-sha256")


def test_the_fingerprint_of_paramiko(honeypot):
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    key = paramiko.ECDSAKey.generate()
    with honeypot.recorded() as sessions:
        client.connect("127.0.0.1", honeypot.port, "root", "123456", pkey=key, allow_agent=False,
                       look_for_keys=False)
        client.close()
    session, = sessions
    by_id = check_fingerprint(session, "SSH-2.0-paramiko_", "aes128-cbc", "curve25519-sha256")
    assert by_id["cowrie.client.fingerprint"]["key"].split()[1] == key.get_base64()


def connect(honeypot):
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    client.connect("127.0.0.1", honeypot.port, "root", "123456", look_for_keys=False,
                   allow_agent=False, timeout=WAIT_S, banner_timeout=WAIT_S)
    return client


def test_what_is_uploaded_is_kept_whole(honeypot):
    contents = bytes(i * i % 251 for i in range(1_000_000))
    with honeypot.recorded() as sessions:
        client = connect(honeypot)
        with client.open_sftp() as sftp, sftp.open("/tmp/by-sftp", "wb") as file:
            file.write(contents)
        stdin, stdout, _ = client.exec_command("scp -t /tmp/by-scp")
        stdin.write(b"C0755 11 name\nlittle text\0")
        stdin.channel.shutdown_write()
        stdout.read()
        client.close()
    session, = sessions
    by_sftp, by_scp = [e for e in session if e["eventid"] == "cowrie.session.file_upload"]
    assert by_sftp["destfile"] == "/tmp/by-sftp" and by_sftp["filename"] == "by-sftp"
    assert by_sftp["size"] == len(contents)
    assert by_sftp["shasum"] == hashlib.sha256(contents).hexdigest()
    kept = os.path.join(honeypot.data, by_sftp["outfile"])
    wait_for(lambda: os.path.exists(kept), "the artefact")
    with open(kept, "rb") as file:
        assert file.read() == contents
    assert by_sftp["message"].startswith('SFTP Uploaded file "by-sftp" to artefacts/')
    assert by_scp["destfile"] == "/tmp/by-scp" and by_scp["program"].endswith("/scp")
    assert by_scp["shasum"] == hashlib.sha256(b"little text").hexdigest()


def test_an_exec_has_its_environment_and_an_exit_its_status_and_times(honeypot):
    with honeypot.recorded() as sessions:
        honeypot.ssh("A=1 B=2 /bin/sleep 0.2; sh -c 'exit 7'; "
                     "python3 -c \"import socket; socket.socket().connect_ex(('192.0.2.9', 81))\"")
    session, = sessions
    sleep, = [e for e in session if e["eventid"] == "lured.process.exec"
              and e["argv"][0] == "/bin/sleep"]
    assert {"A=1", "B=2"} <= set(sleep["env"])
    ends = {e["pid"]: e for e in session if e["eventid"] == "lured.process.exit"}
    assert ends[sleep["pid"]]["duration_ms"] >= 200
    assert 7 in [e.get("status") for e in ends.values()]
    tried, = [e for e in session if e["eventid"] == "lured.connect.tried"]
    assert (tried["dst_ip"], tried["dst_port"]) == ("192.0.2.9", 81)
    assert "python3" in tried["program"]
    seen = [e for e in session if "instructions" in e]
    for key in ("instructions", "session_ms"):
        values = [e[key] for e in seen]
        assert values == sorted(values) and values[-1] > 0, key
