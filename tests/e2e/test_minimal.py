"""The persona debian-12-minimal: the same server of fewer packages, in less than 60 MiB."""
import os
import pathlib

import pytest

from conftest import Honeypot, ROOT

IMAGE = pathlib.Path(os.environ.get("LURED_MINIMAL_IMAGE", ROOT / "build/persona/debian-12-minimal.image"))

pytestmark = pytest.mark.skipif(not IMAGE.exists(), reason="script/setup --minimal makes the image")


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    pot = Honeypot(tmp_path_factory.mktemp("minimal"), "persona: debian-12-minimal\n", IMAGE)
    yield pot
    assert pot.stop() == 0
    assert "Sanitizer" not in pot.stderr() and "runtime error" not in pot.stderr(), pot.stderr()


def lines(pot, command, **options):
    return pot.ssh(command, **options).stdout.decode().splitlines()


def test_it_is_small():
    assert IMAGE.stat().st_size < 60 << 20


def test_it_is_a_debian_of_fewer_packages(small):
    out = lines(small, "cat /etc/debian_version; uname -srm; dpkg -l | grep -c ^ii; dpkg --audit; id -un; nproc")
    assert out[:2] == ["12.15", "Linux 6.1.0-56-amd64 x86_64"]
    assert 150 < int(out[2]) < 220
    assert out[3] == "root" and out[4] in ("1", "2", "4")


def test_what_an_attacker_types_first(small):
    out = lines(small, "wget --version | head -1; curl -V | cut -d' ' -f1 | head -1; perl -e 'print 6*7,\"\\n\"'; ip -br a | wc -l;"
                       "ps -e -o comm= | grep -cx sshd; systemctl is-active cron; crontab -l 2>&1; ss -Hltn | grep -c :22;"
                       "printf '%s' abc | sha256sum | cut -c1-8; tar --version | head -1; ssh -V 2>&1 | cut -c1-11; sudo -n id -u")
    assert out == ["GNU Wget 1.21.3 built on linux-gnu.", "curl", "42", "2", "3", "active", "no crontab for root", "2", "ba7816bf",
                   "tar (GNU tar) 1.34", "OpenSSH_9.2", "0"]


def test_a_login_shell(small):
    done = small.ssh(tty=True, input=b"top -bn1 | head -1 | cut -c1-3; df -h / | tail -1 | cut -d' ' -f1; exit\n", stdin=None)
    assert b"\rtop\r\n" in done.stdout and b"/dev/vda1\r\n" in done.stdout
    assert lines(small, "echo $HOME; groups", user="admin", password="admin")[0] == "/home/admin"


def test_what_is_not_documented_is_excluded(small):
    assert lines(small, "ls /usr/share/doc /usr/share/man | wc -l; grep -c path-exclude /etc/dpkg/dpkg.cfg.d/01_small") == ["3", "8"]
