"""Bait: files, logins and hosts that tell when they are touched."""
import subprocess

from conftest import IMAGE, LURED


def touched(session):
    return [(e["type"], e["name"]) for e in session if e["eventid"] == "lured.bait.touched"]


def test_what_is_touched_is_told(own_honeypot, tmp_path):
    (tmp_path / "aws.txt").write_text("[default]\naws_secret_access_key = canary\n")
    (tmp_path / "bait").write_text("file /root/.aws/credentials 0600 root aws.txt\nwatch /etc/shadow\n"
                                   "login backup hunter2\nhost db01 10.0.3.17\n")
    pot = own_honeypot(f"bait: {tmp_path}/bait\n")
    with pot.recorded() as sessions:
        done = pot.ssh("ls -lR /root/.aws; stat -c '%a %U' /root/.aws/credentials; grep db01 /etc/hosts")
    assert b"600 root\n10.0.3.17\tdb01\n" in done.stdout
    assert touched(sessions[0]) == []
    for _ in range(4):  # however often: learned starts of programs tell as well
        with pot.recorded() as sessions:
            done = pot.ssh("cat /root/.aws/credentials")
        assert done.stdout == b"[default]\naws_secret_access_key = canary\n"
        assert touched(sessions[0]) == [("file", "/root/.aws/credentials")]
    with pot.recorded() as sessions:
        pot.ssh("mv /root/.aws /tmp/a; tail -1 /tmp/a/credentials; cp /etc/shadow /tmp/s; echo > /dev/tcp/db01/5432")
    assert touched(sessions[0]) == [("file", "/tmp/a/credentials"), ("file", "/etc/shadow"), ("host", "db01")]
    with pot.recorded() as sessions:
        pot.ssh("id", user="backup", password="hunter2")
    assert touched(sessions[0]) == [("login", "backup")]


def test_bait_that_cannot_be_laid_is_said(tmp_path):
    config = tmp_path / "lured.yaml"
    config.write_text(f"image: {IMAGE}\nbait: {tmp_path}/bait\nssh:\n  endpoint: tcp:0:interface=127.0.0.1\n")
    for text, said in (("watch nothing\n", "bait:1: not a line of bait"), ("watch /not/there\n", '"/not/there": No such file'),
                       ("file /a 0600 root missing\n", '"/a": No such file'), ("file /a 0600 nobodyatall bait\n", '"/a": No such file')):
        (tmp_path / "bait").write_text(text)
        done = subprocess.run([LURED, "run", "--config", config, "--data", tmp_path / "data"], capture_output=True, text=True, check=False)
        assert done.returncode == 1 and said in done.stderr, done.stderr
