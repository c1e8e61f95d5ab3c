"""lured import cowrie: what is taken, what is left, and that the result runs."""
import subprocess

from conftest import LURED

CONFIG = """# mine
[honeypot]
hostname = web17
sensor_name=lobby
timezone = UTC
interactive_timeout = 300
[ssh]
version = SSH-2.0-OpenSSH_8.2p1 Ubuntu-4ubuntu0.13
listen_endpoints = tcp:2222:interface=127.0.0.1
[output_jsonlog]
enabled = true
[made_up]
key = value
"""
USERDB = """# comment
root:x:!root
root:x:a*b\\c
admin:x:*
/adm.*/:x:secret
broken
"""


def run(*arguments):
    return subprocess.run([LURED, *map(str, arguments)], capture_output=True, text=True, check=False)


def test_what_has_a_counterpart_is_taken(own_honeypot, tmp_path):
    cowrie, made = tmp_path / "cowrie", tmp_path / "made"
    (cowrie / "etc").mkdir(parents=True)
    (cowrie / "honeyfs/etc").mkdir(parents=True)
    (cowrie / "etc/cowrie.cfg").write_text(CONFIG)
    (cowrie / "etc/userdb.txt").write_text(USERDB)
    (cowrie / "honeyfs/etc/motd").write_text("Keep out\n")
    (cowrie / "honeyfs/etc/motd").chmod(0o644)
    (cowrie / "honeyfs/etc/a b").write_text("x")
    done = run("import", "cowrie", "--from", cowrie, "--to", made)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert "taken      [honeypot] hostname: hostname" in lines
    assert "taken      [ssh] version: openssh-8.2p1" in lines
    for left in ("[honeypot] timezone", "[output_jsonlog] enabled", "[made_up] key", "userdb.txt:5", "userdb.txt:6", "/etc/a b"):
        assert any(line.startswith(f"not taken  {left}: ") for line in lines), (left, lines)
    assert lines[-1].startswith("9 taken, 6 not")
    assert (made / "passwords").read_text() == "root:!root\nroot:a\\*b\\\\c\nadmin:*\n"
    again = run("import", "cowrie", "--from", cowrie, "--to", made)
    assert again.returncode == 1 and "File exists" in again.stderr

    text = (made / "lured.yaml").read_text()
    assert "hostname: 'web17'" in text and "idle_s: 300" in text
    # What results works: its lists over the image of the tests.
    pot = own_honeypot(f"hostname: web17\npasswords: {made}/passwords\nbait: {made}/files\n")
    done = pot.ssh("hostname; cat /etc/motd", user="admin", password="whatever")
    assert done.stdout == b"web17\nKeep out\n"


def test_a_list_of_more_than_4095_lines_works(own_honeypot, tmp_path):
    (tmp_path / "cowrie/etc").mkdir(parents=True)
    (tmp_path / "cowrie/etc/userdb.txt").write_text("".join(f"root:x:secret{n}\n" for n in range(5000)))
    done = run("import", "cowrie", "--from", tmp_path / "cowrie", "--to", tmp_path / "made")
    assert done.stdout.splitlines()[-1].startswith("5000 taken, 1 not"), done.stdout
    pot = own_honeypot(f"passwords: {tmp_path}/made/passwords\n")
    assert pot.ssh("id -u", user="root", password="secret4999").stdout == b"0\n"


def test_what_it_is_told_wrongly(tmp_path):
    assert run("import", "kippo", "--from", tmp_path, "--to", tmp_path).returncode == 2
    assert run("import", "cowrie", "--from", tmp_path).returncode == 2
    assert run("import", "cowrie", "--from", tmp_path / "none", "--to", tmp_path).returncode == 1
