"""The same bytes to the real sshd and to ours: what comes back, in what packets, with what lengths
and padding, after what time, and how the connection ends, is the same."""
import pytest

from battery import cases_of, compare, first_difference, is_known, play_all
from servers import OurServer, RealServer, why_not_sshd

CASES = cases_of("probes") + cases_of("records")
pytestmark = pytest.mark.skipif(bool(why_not_sshd()), reason=why_not_sshd())


@pytest.fixture(scope="module")
def outcomes():
    real, ours = RealServer(), OurServer()
    try:
        yield compare(CASES, ours, lambda cases, patience: play_all(cases, real.port, patience))
    finally:
        real.stop()
        ours.stop()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_real_server_and_ours_do_the_same(case, outcomes):
    real, ours = outcomes[case.name]
    assert not any(line.startswith(("TROUBLE", "NEVER")) for line in real), real
    if is_known(case.name) and real != ours:
        pytest.xfail("listed in docs/fidelity.md")
    assert real == ours, first_difference(real, ours)


def test_at_least_99_of_100_are_identical(outcomes):
    own = [case.name for case in CASES]
    same = sum(outcomes[name][0] == outcomes[name][1] for name in own)
    print(f"{same} of {len(own)} identical")
    assert same >= 0.99 * len(own)
