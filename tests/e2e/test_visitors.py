"""Who comes back finds the machine as he left it: for a time, within a quota, on a recorder that survives."""
import hashlib
import os
import signal

from conftest import Honeypot, wait_for


def text(done):
    return done.stdout.decode()


def test_a_visitor_finds_what_he_left(own_honeypot):
    pot = own_honeypot("visitors:\n  known_by: address\n")
    with pot.recorded() as sessions:
        pot.ssh("echo mine > /root/.x; chmod 4750 /root/.x; mkdir -m 1777 /opt/w; mv /etc/issue /opt/w/; rm -r /usr/share/man;"
                "ln -s .x /root/link; ln /root/.x /opt/w/second; echo '* * * * * /root/.x' | crontab -; "
                "useradd -m guest; head -c 200000 /dev/urandom > /opt/w/blob; md5sum < /opt/w/blob > /opt/w/sum")
    assert any(e["eventid"] == "lured.visitor.kept" for e in sessions[0])
    with pot.recorded() as sessions:
        out = text(pot.ssh("cat /root/link; stat -c '%a %h' /root/.x; stat -c %a /opt/w; ls /usr/share/man /etc/issue 2>&1 | wc -l;"
                           "crontab -l; id -nu guest; md5sum < /opt/w/blob | cmp - /opt/w/sum && echo same"))
    assert out.splitlines() == ["mine", "4750 2", "1777", "2", "* * * * * /root/.x", "guest", "same"]
    assert any(e["eventid"] == "lured.visitor.return" for e in sessions[0])
    # Another login of his is on the same machine.
    assert text(pot.ssh("ls /opt/w", user="admin", password="admin")).split() == ["blob", "issue", "second", "sum"]


def test_what_is_kept_outlives_the_processes(own_honeypot):
    pot = own_honeypot("visitors:\n  known_by: either\n")
    with pot.recorded():
        pot.ssh("echo one > /tmp/one")
    for name in ("lured-recorder", "lured-sensor"):
        pid = child(pot, name)
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: child(pot, name) not in (None, pid), f"another {name}")
        assert text(pot.ssh("cat /tmp/one")) == "one\n"


def child(pot, name):
    path = f"/proc/{pot.process.pid}/task/{pot.process.pid}/children"
    for pid in open(path).read().split():
        try:
            if open(f"/proc/{pid}/comm").read().strip() == name:
                return int(pid)
        except OSError:
            pass
    return None


def test_changed_logs_are_kept(own_honeypot):
    """Their contents come from no image: they are written when somebody looks."""
    pot = own_honeypot("visitors:\n  known_by: address\n")
    with pot.recorded() as sessions:
        before = text(pot.ssh("echo mine > /root/mine; chmod 600 /var/log/wtmp; : > /var/log/lastlog; echo end >> /var/log/syslog;"
                              "printf 0 | dd of=/var/log/auth.log conv=notrunc 2> /dev/null; cd /var/log; md5sum wtmp syslog auth.log"))
    assert any(e["eventid"] == "lured.visitor.kept" for e in sessions[0])
    out = text(pot.ssh("cd /var/log; md5sum wtmp syslog auth.log; cat /root/mine; stat -c '%a %s' wtmp lastlog | cut -d' ' -f1; wc -c < lastlog"))
    assert out == before + "mine\n600\n664\n0\n"


def test_a_history_is_there_the_next_time(own_honeypot):
    pot = own_honeypot("visitors:\n  remember: 1\n")
    for line in ("echo first", "echo second"):
        with pot.recorded():
            pot.ssh(tty=True, input=f"{line}; exit\n".encode(), stdin=None)
    assert text(pot.ssh("tail -n 2 /root/.bash_history")).splitlines() == ["echo first; exit", "echo second; exit"]


def test_what_is_uploaded_is_there_in_the_very_next_connection(own_honeypot):
    pot = own_honeypot("visitors:\n  remember: 1\n")
    program = os.urandom(4 << 20)
    pot.ssh("cat > /tmp/program", input=program, stdin=None)
    assert text(pot.ssh("sha256sum < /tmp/program")).split()[0] == hashlib.sha256(program).hexdigest()


def test_a_full_disk_says_so_and_what_is_too_much_is_not_kept(own_honeypot):
    pot = own_honeypot("visitors:\n  one_mib: 1\nlimits:\n  disk_mib: 4\n")
    with pot.recorded() as sessions:
        done = pot.ssh("dd if=/dev/zero of=/root/big bs=64k count=100 2>&1 | head -1; echo x > /root/more; ls -s /root/big;"
                       "head -c 3000000 /dev/urandom > /root/big; rm /root/nothing")
    assert b"No space left on device" in done.stdout + done.stderr
    kinds = {e["eventid"] for e in sessions[0]}
    assert "lured.visitor.forgotten" in kinds and "lured.visitor.kept" not in kinds
    assert text(pot.ssh("ls /root")) == ""


def test_one_password_and_nobody_remembered(own_honeypot):
    pot = own_honeypot("visitors:\n  one_password: 1\n")
    with pot.recorded():
        assert text(pot.ssh("echo in", password="toor")) == "in\n"
    with pot.recorded():
        assert pot.ssh("echo in", password="root").returncode != 0
    assert text(pot.ssh("echo in", password="toor")) == "in\n"


def test_nobody_is_remembered_when_told_so(own_honeypot):
    pot = own_honeypot("visitors:\n  remember: 0\n")
    with pot.recorded():
        pot.ssh("echo one > /tmp/one")
    assert pot.ssh("cat /tmp/one").returncode == 1
    assert not list((pot.data / "visits").iterdir())


def test_old_records_are_deleted_by_the_recorder(own_honeypot):
    pot = own_honeypot("record:\n  keep_days: 1\n")
    pot.stop()
    old, young = pot.data / "log/events-00000001.json.zst", pot.data / "tty/0123456789ab-0.cast"
    for path in (old, young):
        path.write_text("{}\n")
    os.utime(old, (1, 1))
    owner = (pot.data / "log/events.json").stat()
    os.chown(old, owner.st_uid, owner.st_gid)
    again = Honeypot(pot.folder, "record:\n  keep_days: 1\n")
    try:
        with again.recorded():
            again.ssh("true")
        wait_for(lambda: not old.exists(), "the end of the old segment")
        with again.recorded():  # told with the next record that lends its number
            again.ssh("echo", tty=True)
        assert again.count("lured.record.retired") == 1
        assert young.exists()
    finally:
        again.stop()


def test_his_earlier_visits_and_settings_are_known(own_honeypot):
    """last, lastlog, the greeting and the logs tell of them; /proc/sys says what he has set."""
    pot = own_honeypot("visitors:\n  known_by: address\n")
    with pot.recorded():
        pot.ssh(tty=True, input=b"sysctl -w net.ipv4.ip_forward=1 vm.swappiness=7; touch /root/mine; exit\n", stdin=None)
    with pot.recorded() as sessions:
        out = text(pot.ssh(tty=True, input=b"last -n 3 -F | cat; lastlog -u root | tail -n 1; sysctl -n vm.swappiness net.ipv4.ip_forward; exit\n",
                           stdin=None))
    assert any(e["eventid"] == "lured.visitor.return" for e in sessions[0])
    now, before = [line for line in out.splitlines() if line.startswith("root     pts/0 ")][:2]
    assert "still logged in" in now and " - " in before and "127.0.0.1" in before
    assert "from 127.0.0.1" in out.split("Last login: ")[1].splitlines()[0]
    assert out.split("Last login: ")[1].split(" from")[0] in before
    assert "\r\n7\r\n1\r\n" in out
    auth = text(pot.ssh("grep -c 'Accepted password for root from 127.0.0.1' /var/log/auth.log; journalctl -q _COMM=sshd --grep 'disconnected by user' | grep -c 127.0.0.1"))
    assert [int(word) for word in auth.split()] == [3, 2] or [int(word) for word in auth.split()] == [2, 1]
