"""What a visitor leaves for the machine to start: units of systemd, and jobs of cron."""
import re

UNIT = """cat > /etc/systemd/system/helper.service <<'END'
[Unit]
Description=System Helper
[Service]
ExecStart=/bin/sh -c 'echo "hello from $USER %n"; exec sleep 1000'
User=admin
Restart=always
Environment="A=b c"
[Install]
WantedBy=multi-user.target
END
systemctl daemon-reload
"""


def run(pot, script):
    done = pot.ssh("bash -s", input=script.encode(), stdin=None)
    return done.stdout.decode() + done.stderr.decode()


def test_a_units_program_runs_as_its_file_says(honeypot):
    with honeypot.recorded() as sessions:
        out = run(honeypot, UNIT + """systemctl enable --now helper && echo started
until pid=$(pgrep -x sleep); do sleep 0.1; done
ps -o user=,ppid=,pid=,args= -p $pid; systemctl show -p MainPID --value helper; cat /proc/$pid/cgroup
tr '\\0' '\\n' < /proc/$pid/environ | grep -x 'A=b c'; systemctl is-active helper; systemctl is-enabled helper
journalctl -o cat -u helper; systemctl status helper""")
    lines = out.splitlines()
    assert "started" in lines and "0::/system.slice/helper.service" in lines and "A=b c" in lines
    pid = re.search(r"^admin +1 +(\d+) sleep 1000$", out, re.M).group(1)
    assert pid in lines and "active" in lines and "enabled" in lines
    assert "Started helper.service - System Helper." in lines and "hello from admin helper.service" in lines
    assert re.search(rf"Main PID: {pid} \(sleep\)", out) and f"└─{pid} sleep 1000" in out
    execs = [e for e in sessions[0] if e["eventid"] == "lured.process.exec" and e["argv"] == ["sleep", "1000"]]
    assert [(e["ppid"], e["uid"]) for e in execs] == [(1, 1000)]


def test_what_is_killed_comes_back_and_what_is_stopped_does_not(honeypot):
    out = run(honeypot, UNIT + """systemctl start helper
until first=$(pgrep -x sleep); do sleep 0.1; done
kill -9 $first
until second=$(pgrep -x sleep) && [ $second != $first ]; do sleep 0.1; done
systemctl show -p NRestarts helper
systemctl stop helper; pgrep -x sleep; systemctl is-active helper; systemctl start helper && systemctl restart helper && systemctl is-active helper
systemctl kill -s KILL helper; journalctl -o cat -u helper | grep exited""")
    assert out.splitlines()[:3] == ["NRestarts=1", "inactive", "active"]
    assert "helper.service: Main process exited, code=killed, status=9/KILL" in out


def test_one_that_cannot_start_fails_as_often_as_systemd_tries(honeypot):
    out = run(honeypot, """printf '[Service]\\nExecStart=/nowhere/x\\nRestart=always\\n' > /etc/systemd/system/bad.service
systemctl start bad; until systemctl is-failed -q bad; do sleep 0.2; done; systemctl show -p Result -p ExecMainStatus bad; systemctl --failed --plain --no-legend | cut -d' ' -f1
journalctl -o cat -u bad | tail -n 3; journalctl -o cat -u bad | grep -c status=203/EXEC
printf '[Service]\\nUser=nobody-here\\nExecStart=/bin/true\\nType=oneshot' > /etc/systemd/system/who.service; systemctl start who
printf '[Service]\\nUser=root\\n' > /etc/systemd/system/none.service; printf '[Service]\\nType=simple\\n' > /etc/systemd/system/none.service; systemctl start none""")
    assert out.splitlines()[:2] == ["ExecMainStatus=203", "Result=exit-code"] or \
        out.splitlines()[:2] == ["Result=exit-code", "ExecMainStatus=203"]
    assert "bad.service: Start request repeated too quickly.\n" in out and "\n5\n" in out and "\nbad.service\n" in out
    assert "Job for who.service failed because the control process exited with error code." in out
    assert "Failed to start none.service: Unit none.service has a bad unit file setting." in out


def test_starts_that_end_and_starts_that_fork(honeypot):
    out = run(honeypot, """printf '[Service]\\nType=oneshot\\nRemainAfterExit=yes\\nExecStartPre=-/bin/false\\nExecStart=/bin/sleep 1\\nExecStart=/bin/touch /tmp/second\\n' > /etc/systemd/system/once.service
printf '[Service]\\nType=forking\\nExecStart=/bin/sh -c "sleep 500 & exit 0"\\n' > /etc/systemd/system/fork.service
systemctl start once && ls /tmp/second && systemctl show -p SubState once
systemctl start fork && systemctl show -p SubState fork && ps -o ppid=,args= -C sleep; systemctl stop fork once; pgrep sleep; echo end""")
    assert [line.strip() for line in out.splitlines()] == [
        "/tmp/second", "SubState=exited", "SubState=running", "1 sleep 500", "end"]


def test_services_of_the_machine_stop_and_start(honeypot):
    out = run(honeypot, """pgrep -x cron; service cron restart; pgrep -x cron | wc -l; service cron stop; pgrep -x cron; service cron status | grep Active
systemctl start cron; ps -o ppid=,args= -C cron; systemctl stop rsyslog 2> /dev/null; pgrep -x rsyslogd; systemctl start rsyslog; pgrep -x rsyslogd | wc -l""")
    lines = [line.strip() for line in out.splitlines()]
    assert lines[0] == "349" and lines[1] == "1" and "inactive (dead)" in lines[2]
    assert lines[3:] == ["1 /usr/sbin/cron -f", "1"]


def test_cron_runs_a_visitors_jobs(honeypot):
    """All of them at their next minute; the program has been there since the machine was booted."""
    out = run(honeypot, """echo '* * * * * id -un > /tmp/user; echo said' | crontab -u admin -
echo '* * * * * root echo ${0} $LOGNAME > /tmp/system' > /etc/cron.d/extra; ps -o pid=,ppid=,args= -C cron
until [ -s /tmp/user ] && [ -s /tmp/system ]; do sleep 1; done; cat /tmp/user /tmp/system
until journalctl -q --grep discarding > /dev/null; do sleep 1; done; grep -h CRON /var/log/auth.log /var/log/syslog; crontab -r -u admin; rm /etc/cron.d/extra""")
    lines = [line.strip() for line in out.splitlines()]
    assert lines[:3] == ["349       1 /usr/sbin/cron -f", "admin", "/bin/sh root"]
    for line in (r"CRON\[\d+\]: pam_unix\(cron:session\): session opened for user admin\(uid=1000\) by \(uid=0\)",
                 r"CRON\[\d+\]: \(admin\) CMD \(id -un > /tmp/user; echo said\)",
                 r"CRON\[\d+\]: \(root\) CMD \(echo \$\{0\} \$LOGNAME > /tmp/system\)",
                 r"CRON\[\d+\]: \(CRON\) info \(No MTA installed, discarding output\)"):
        assert re.search(line, out), line


def test_open_logs_show_what_is_new(honeypot):
    out = run(honeypot, """tail -n 0 -f /var/log/auth.log > /tmp/auth & journalctl -n 0 -f > /tmp/journal & dmesg -W > /tmp/kernel &
sleep 1; until [ -s /tmp/auth ]; do logger -p auth.info first; sleep 1; done; until grep -q second /tmp/journal; do echo second | systemd-cat -t cat; sleep 1; done
until [ -s /tmp/kernel ]; do echo third > /dev/kmsg; sleep 1; done; kill %1 %2 %3
grep first /tmp/auth | cut -d' ' -f3- | sort -u; cut -d' ' -f5- /tmp/journal | grep second | sed 's/[0-9]//g' | sort -u; cut -c17- /tmp/kernel | sort -u
journalctl --rotate && journalctl --sync && journalctl --flush && echo good""")
    assert [line.strip() for line in out.splitlines()] == ["root: first", "cat[]: second", "third", "good"]
