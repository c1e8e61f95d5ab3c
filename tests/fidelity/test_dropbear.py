"""The same cases to the real dropbear and to ours that shows dropbear."""
import contextlib
import functools
import os

import pytest

from battery import all_cases, compare, first_difference, is_known, known_differences, play_all
from servers import DROPBEAR, OurServer, RealDropbear, why_not_sshd

# Of the tables of key exchange every tenth case will do: dropbear has few algorithms, and most fail alike.
ALL = [case for n, case in enumerate(all_cases())
       if case.place not in ("line", "version", "kexinit") or n % 10 == 0]
CASES = ALL if os.environ.get("FIDELITY_ALL") else ALL[::3]
SERVERS = 3
KNOWN = functools.partial(is_known, known=tuple(known_differences("dropbear: ")))
pytestmark = pytest.mark.skipif(bool(why_not_sshd()) or not os.path.exists(DROPBEAR),
                                reason="no dropbear that may log a user in")


@pytest.fixture(scope="module")
def outcomes():
    with contextlib.ExitStack() as servers:
        ours = [servers.enter_context(OurServer("dropbear-2022.83")) for _ in range(SERVERS)]
        real = [servers.enter_context(RealDropbear()) for _ in range(SERVERS)]
        yield compare(CASES, ours, lambda cases, patience: play_all(cases, real, patience), KNOWN)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_real_dropbear_and_ours_do_the_same(case, outcomes):
    real, ours = outcomes[case.name]
    if KNOWN(case.name) and real != ours:
        pytest.xfail("listed in docs/fidelity.md")
    assert real == ours, first_difference(real, ours)


def test_at_least_99_of_100_are_identical(outcomes):
    same = sum(real == ours for real, ours in outcomes.values())
    print(f"{same} of {len(outcomes)} identical")
    assert same >= 0.99 * len(outcomes)
