"""The same bytes to the real sshd and to ours: what comes back, in what packets, with what lengths
and padding, after what time, and how the connection ends, is the same. Where no real one can be
started, its recorded answers stand for it."""
import contextlib

import pytest

from battery import (all_cases, assert_99_of_100_are_right, assert_is_right, compare, read_records,
                     right_of)
from servers import OurServer, RealServer, why_not_sshd

CASES = all_cases()
SERVERS = 3  # of each kind: so many more cases wait at once


@pytest.fixture(scope="module")
def outcomes():
    with contextlib.ExitStack() as servers:
        ours = [servers.enter_context(OurServer()) for _ in range(SERVERS)]
        if why_not_sshd():
            yield compare(CASES, ours, lambda cases, patience: read_records())
            return
        real = [servers.enter_context(RealServer()) for _ in range(SERVERS)]
        yield compare(CASES, ours, right_of(real))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_real_server_and_ours_do_the_same(case, outcomes):
    real, ours = outcomes[case.name]
    assert "TROUBLE" not in str(ours), ours
    assert_is_right(case, real, ours)


def test_at_least_99_of_100_are_identical(outcomes):
    assert_99_of_100_are_right(outcomes)


def test_every_case_has_its_record():
    assert set(read_records()) == {case.name for case in CASES}
