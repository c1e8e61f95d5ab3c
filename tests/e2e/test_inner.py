"""The machine's own SSH server, as programs of the machine meet it at port 22, and whoever is joined with it."""
import re
import subprocess

from conftest import wait_for

# sntrup761 is a billion instructions for the client, which the machine executes.
SSH = ("ssh -o KexAlgorithms=curve25519-sha256 -o StrictHostKeyChecking=accept-new "
       "-o NumberOfPasswordPrompts=1")


def asked(password):
    """A line of the shell, after which ssh gets this password."""
    return (f"printf '#!/bin/sh\\necho {password}\\n' >/tmp/say; chmod 755 /tmp/say; "
            "export SSH_ASKPASS=/tmp/say SSH_ASKPASS_REQUIRE=force; ")


def through(pot, command, user="root", password="123456", options=()):
    """From outside, over a channel of a login that is joined with port 22 of the machine."""
    proxy = (f"sshpass -p 123456 ssh -F none -p {pot.port} -o StrictHostKeyChecking=no "
             "-o UserKnownHostsFile=/dev/null -o LogLevel=ERROR -W localhost:22 root@127.0.0.1")
    return pot.ssh(command, user=user, password=password, options=(f"ProxyCommand={proxy}", *options))


def inner_sessions(pot, count):
    """By session, the events of those that began in another's machine; all have ended."""
    def ended():
        names = [e["session"] for e in pot.events() if e["eventid"] == "lured.session.inner"]
        closed = {e["session"] for e in pot.events() if e["eventid"] == "cowrie.session.closed"}
        return len(names) >= count and closed >= set(names) and names
    names = wait_for(ended, f"{count} sessions within a machine")
    return [[e for e in pot.events() if e.get("session") == name] for name in names]


def test_a_program_logs_in_to_its_own_machine(own_honeypot):
    pot = own_honeypot()
    shown = "tty; echo $SSH_CONNECTION; ps -o args= -p $PPID; ps -o args= -p $(ps -o ppid= -p $PPID); who | tail -1; id -un"
    out = pot.ssh(asked("123456") + f"{SSH} -tt root@localhost '{shown}'; cat ~/.ssh/known_hosts",
                  tty=True).stdout.decode().replace("\r", "")
    assert "/dev/pts/1\n" in out, out
    port = re.search(r"^::1 (\d+) ::1 22$", out, flags=re.M)[1]
    assert len(re.findall(r"^sshd: root@pts/1$", out, flags=re.M)) == 2, out
    assert re.search(r"^root +pts/1 .*\(::1\)\nroot$", out, flags=re.M), out
    scan = subprocess.run(["ssh-keyscan", "-t", "ed25519", "-p", str(pot.port), "127.0.0.1"],
                          capture_output=True, text=True, check=True).stdout
    assert f" ssh-ed25519 {scan.split()[2]}\n" in out  # the key that outsiders know

    [events] = inner_sessions(pot, 1)
    assert [e["eventid"] for e in events[:2]] == ["cowrie.session.connect", "lured.session.inner"]
    assert (events[0]["src_ip"], events[0]["src_port"], events[0]["dst_port"]) == ("::1", int(port), 22)
    assert events[1]["outer"] != events[1]["session"]
    login = next(e for e in events if e["eventid"] == "cowrie.login.success")
    assert (login["username"], login["password"]) == ("root", "123456")
    recording = next(e for e in events if e["eventid"] == "cowrie.log.open")
    assert "/dev/pts/1" in (pot.data / recording["ttylog"]).read_text()
    assert events[-1]["eventid"] == "cowrie.session.closed"


def test_the_policy_holds_within_and_the_logs_tell(own_honeypot):
    pot = own_honeypot()
    refused = through(pot, "true", password="wrong")
    assert refused.returncode == 255 and b"Permission denied (publickey,password)." in refused.stderr
    assert through(pot, "echo in", user="nobody-here").returncode == 255
    out = pot.ssh(asked("wrong") + f"{SSH} root@127.0.0.1 true; grep ::1 /var/log/auth.log; "
                  "grep 127.0.0.1.port /var/log/auth.log | grep Failed")
    assert b"Permission denied, please try again." not in out.stderr
    assert b"root@127.0.0.1: Permission denied (publickey,password)." in out.stderr
    assert re.search(rb"sshd\[\d+\]: Failed password for root from 127.0.0.1 port \d+ ssh2\n", out.stdout)
    failed = [e for session in inner_sessions(pot, 3) for e in session if e["eventid"] == "cowrie.login.failed"]
    assert [(e["username"], e["password"]) for e in failed] == [("root", "wrong"), ("nobody-here", "123456"),
                                                               ("root", "wrong")]


def test_what_the_visitor_changes_opens_or_closes_the_door(own_honeypot):
    pot = own_honeypot()
    out = pot.ssh("echo admin:another | chpasswd; mkdir /root/.ssh; "
                  "ssh-keygen -q -t ed25519 -N '' -f /root/k; cp /root/k.pub /root/.ssh/authorized_keys2; "
                  "chmod -R go= /root/.ssh; "
                  + asked("admin") + f"{SSH} -o PubkeyAuthentication=no admin@localhost id -un; "
                  + asked("another") + f"{SSH} -o PubkeyAuthentication=no admin@localhost id -un; "
                  f"{SSH} -o PasswordAuthentication=no -i /root/k localhost 'id -un; cat /proc/self/loginuid; echo'; "
                  "chmod 777 /root/.ssh; "  # StrictModes
                  f"{SSH} -o PasswordAuthentication=no -i /root/k localhost id; "
                  "sleep 1; grep -c 'Disconnected from user root ::1 port' /var/log/auth.log")
    assert out.stdout.decode().split() == ["admin", "root", "0", "1"], out
    assert out.stderr.count(b"Permission denied") == 2, out


def test_what_is_no_client_is_told_what_outsiders_are(own_honeypot):
    pot = own_honeypot()
    out = pot.ssh("printf 'GET / HTTP/1.0\\n\\n' | nc -q 9 localhost 22; "
                  "curl -sS -m 9 localhost:22; "
                  "systemctl stop ssh; nc -z localhost 22 || echo gone; systemctl start ssh; "
                  "nc -z localhost 22 && echo back")
    line = out.stdout.decode().split("\r\n")
    assert line[0].startswith("SSH-2.0-OpenSSH_9.2p1 Debian"), line
    assert line[1].startswith("Invalid SSH identification string."), line
    assert out.stdout.endswith(b"gone\nback\n"), out
    assert b"HTTP/0.9" in out.stderr, out


def test_so_many_at_once_and_no_more(own_honeypot):
    pot = own_honeypot()
    out = pot.ssh("for i in 1 2 3 4 5 6 7 8 9 10; do "
                  "(timeout 9 nc localhost 22 </dev/null | head -c 4; echo) & done; wait")
    assert out.stdout.count(b"SSH-") == 8, out
    limits = [e for e in pot.events() if e["eventid"] == "lured.session.limit"]
    assert [(e["limit"], e["value"]) for e in limits] == [("inner_sessions", "8")] * 2
