"""The same cases to the real dropbear and to ours that shows dropbear."""
import contextlib
import functools
import os
import pathlib
import re

import pytest

from battery import (all_cases, assert_99_of_100_are_right, assert_is_right, compare, is_known,
                     known_differences, right_of)
from client import Client, Options
from wire import string, u32
from servers import DROPBEAR, OurServer, RealDropbear, why_not_sshd

# Of the tables of key exchange every tenth case will do: dropbear has few algorithms, and most fail alike.
ALL = [case for n, case in enumerate(all_cases())
       if case.place not in ("line", "version", "kexinit") or n % 10 == 0]
CASES = ALL if os.environ.get("FIDELITY_ALL") else ALL[::3]
SERVERS = 3
MEMORY_MAX_KIB = 4096  # SSH_MEMORY_MAX_BYTES
KNOWN = functools.partial(is_known, known=tuple(known_differences("dropbear: ")))
pytestmark = pytest.mark.skipif(bool(why_not_sshd()) or not os.path.exists(DROPBEAR),
                                reason="no dropbear that may log a user in")


@pytest.fixture(scope="module")
def outcomes():
    with contextlib.ExitStack() as servers:
        ours = [servers.enter_context(OurServer("dropbear-2022.83")) for _ in range(SERVERS)]
        real = [servers.enter_context(RealDropbear()) for _ in range(SERVERS)]
        yield compare(CASES, ours, right_of(real), KNOWN)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_real_dropbear_and_ours_do_the_same(case, outcomes):
    real, ours = outcomes[case.name]
    assert_is_right(case, real, ours, KNOWN)


def test_at_least_99_of_100_are_identical(outcomes):
    assert_99_of_100_are_right(outcomes)


def resident_kib(pid):
    """Of a process and all that it has started."""
    children = pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    own = re.search(r"VmRSS:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text())[1]
    return int(own) + sum(map(resident_kib, children))


def open_channels(server, count):
    """Which answers so many openings got, and by how much the server has grown."""
    client = Client(server, Options())
    client.go("login")
    before = resident_kib(server.process.pid)
    for number in range(count):
        client.send(b"\x5a" + string(b"session") + u32(number) + u32(1000) + u32(1000))
        client.wait(["CHANNEL_OPEN_CONFIRMATION", "CHANNEL_OPEN_FAILURE"])
    grown = resident_kib(server.process.pid) - before
    client.close()
    return client.seen, grown


def test_a_thousand_channels_are_opened_and_no_more():
    with RealDropbear() as real, OurServer("dropbear-2022.83") as ours:
        theirs, _ = open_channels(real, 1003)
        seen, grown = open_channels(ours, 1003)
    assert seen == theirs
    assert sum(line.startswith("CHANNEL_OPEN_CONFIRMATION") for line in seen) == 1000
    assert grown < MEMORY_MAX_KIB
