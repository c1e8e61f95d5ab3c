"""What lured's machine answers to command lines, beside what the real Debian machine answered."""
import asyncio
import pathlib

import asyncssh
import pytest

from servers import OurServer
from shell_case import all_cases, differing, shape_of

AT_ONCE = 10
CONFIG = "hostname: srv04\nssh:\n  waits: 0\n  max_startups: 0\n"
CASES = all_cases()
DIFFERS = differing()
DOCUMENT = pathlib.Path(__file__).resolve().parents[2] / "docs/fidelity.md"


async def answer_to(port, line):
    """Its output, its errors and its end: one login and one exec request, no terminal, no input."""
    async with asyncssh.connect("127.0.0.1", port, username="root", password="123456",
                                known_hosts=None, client_keys=None, config=None,
                                agent_path=None) as connection:
        done = await connection.run(line.decode(), encoding=None, stdin=asyncssh.DEVNULL)
    end = f"signal {done.exit_signal[0]}" if done.exit_signal else f"status {done.exit_status}"
    return done.stdout, done.stderr, end


async def play(port):
    gate = asyncio.Semaphore(AT_ONCE)

    async def one(case):
        async with gate:
            return await answer_to(port, case.line)
    return await asyncio.gather(*map(one, CASES))


@pytest.fixture(scope="module")
def answers():
    server = OurServer(config=CONFIG)
    try:
        yield dict(zip((case.name for case in CASES), asyncio.run(play(server.port))))
    finally:
        server.stop()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_line_is_answered_as_by_the_real_machine(answers, case):
    answer = answers[case.name]
    if case.is_shape:
        answer = shape_of(*answer)
    if case.name in DIFFERS:
        assert answer != case.answer(), "no longer differs: take it out of tests/golden/shell/differs"
    else:
        assert answer == case.answer(), case.line.decode()


def test_no_more_than_three_lines_in_a_hundred_differ():
    assert len(DIFFERS) <= 0.03 * len(CASES)
    assert set(DIFFERS) <= {case.name for case in CASES}


def test_the_document_gives_each_reason():
    text = DOCUMENT.read_text()
    assert not [reason for reason in DIFFERS.values() if reason not in text]
