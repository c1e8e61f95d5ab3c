"""What an attacker asks in his first minute has the shape that a real Debian 12 server's answers have:
tests/golden/recon.jsonl holds their lines, with what is one machine's own masked, and how many may be
missing or more; `fails` says why a command does not work here."""
import asyncio
import json
import pathlib
import re

import asyncssh
import pytest

from conftest import Honeypot, plant_seed
from test_consistency import OPTIONS

CASES = [json.loads(line) for line in
         (pathlib.Path(__file__).parents[1] / "golden/recon.jsonl").read_text().splitlines()]
MASKS = ((r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UUID"),
         (r"\b[0-9a-f]{32}\b", "ID"), (r'(?<=PARTUUID=")[0-9a-f]{8}|(?<=identifier: 0x)[0-9a-f]{8}', "DISK"), (r"(?<=\.service-)\w{6}$", "RANDOM"), (r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", "MAC"),
         (r"\b\d{4}-\d\d-\d\d[T ]\d\d:\d\d:\d\d[.\d]*(?:\+00:00)?", "TIME"),
         (r"\b(?=\d*[A-F])[0-9A-F]{8}\b", "N"), (r"\b(?=\d*[a-f])[0-9a-f]{16}\b", "N"),
         (r"\b\d+\.\d+\.\d+\.\d+\b", "ADDRESS"), (r"fe80::[0-9a-f:]+", "ADDRESS"),
         (r"\b(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)\b", "DAY"),
         (r"\b(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)", "MONTH"),
         (r":[0-9A-F]{4}\b", ":N"), (r"\d+(?:[.:]\d+)*(?:[kKMGT]i?B?|ms|us|min|s|h|%)?\b", "N"),
         (r"N days?|N min|N weeks? N days?", "N"), (r"N(?:[ ,]+N)+", "N"), (r"[ \t]+", " "), (r"-{3,}|─+", "-"))


def mask(text, hostname):
    if hostname:
        text = re.sub(rf"\b{re.escape(hostname)}\b", "HOST", text)
    for pattern, word in MASKS:
        text = re.sub(pattern, word, text, flags=re.M)
    return sorted({line.strip() for line in text.splitlines()})


async def ask_all(port):
    answers = {}
    async with asyncssh.connect("127.0.0.1", port, **OPTIONS) as connection:
        for line in ["hostname"] + [case["cmd"] for case in CASES]:
            run = await connection.run(line, stdin=asyncssh.DEVNULL)
            answers[line] = run
    return answers


@pytest.fixture(scope="module")
def answers(tmp_path_factory):
    folder = tmp_path_factory.mktemp("recon")
    plant_seed(folder / "data")
    pot = Honeypot(folder)
    yield asyncio.run(ask_all(pot.port))
    pot.stop()


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["cmd"])
def test_the_shape_is_the_real_machines(answers, case):
    if "fails" in case:
        pytest.xfail(case["fails"])
    run = answers[case["cmd"]]
    assert run.exit_status == case["status"]
    got = mask(run.stdout, answers["hostname"].stdout.strip())
    missing = [line for line in case["lines"] if line not in got]
    more = [line for line in got if line not in case["lines"]]
    assert len(missing) <= case.get("missing", 0), missing[:20]
    assert len(more) <= case.get("more", 0), more[:20]
