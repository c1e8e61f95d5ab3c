"""Many cases at once. A case whose outcome is not what it should be is played again, alone and with
more patience, before that counts: a busy machine is no difference."""
import concurrent.futures
import itertools
import pathlib
import re

import pytest

from case import read_cases

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
RECORDS = HERE / "openssh-9.2p1.records"
AT_ONCE, PROGRAMS_AT_ONCE = 8, 3  # cases a server: most of their time they wait, but programs work
PATIENCE = (1.0, 2.0, 4.0, 4.0)
AGAIN_MAX = 150  # more than so many have a cause of their own


def all_cases(folder="probes"):
    cases = [case for path in sorted(HERE.glob(f"{folder}/*.case")) for case in read_cases(path)]
    assert len({case.name for case in cases}) == len(cases), "two cases of one name"
    return cases


def known_differences(server=""):
    """Names of cases, or patterns with a *, that docs/fidelity.md lists with a reason; those of
    dropbear have its name in front."""
    text = (ROOT / "docs/fidelity.md").read_text()
    return re.findall(rf"^\| {server}`([^`]+)` \| ", text, flags=re.M)


def is_known(name, known=tuple(known_differences())):
    return any(re.fullmatch(re.escape(pattern).replace(r"\*", ".*"), name) for pattern in known)


def play_at_once(cases, servers, patience, workers):
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        played = pool.map(lambda pair: pair[0].play(pair[1], patience),
                          zip(cases, itertools.cycle(servers)))
        return dict(zip((case.name for case in cases), played))


def play_all(cases, servers, patience=1.0):
    """The outcomes by name; the cases are dealt out to servers that are all alike. Played again,
    they are played one by one."""
    if patience > 1:
        return play_at_once(cases, servers, patience, 1)
    alone = [case for case in cases if case.needs_the_server_alone()]
    light = [case for case in cases if not case.runs_program() and case not in alone]
    heavy = [case for case in cases if case.runs_program()]
    return (play_at_once(light, servers, patience, AT_ONCE * len(servers))
            | play_at_once(heavy, servers, patience, PROGRAMS_AT_ONCE * len(servers))
            | play_at_once(alone, servers, patience, 1))


def right_of(servers):
    """For compare(): what these servers do is right."""
    return lambda cases, patience: {
        name: [lines] for name, lines in play_all(cases, servers, patience).items()}


def compare(cases, ours, expected, is_known=is_known):
    """Plays the cases against ours. `expected(cases, patience)`: by name the outcomes that are right,
    mostly one. Where chance orders what a server does, each of its tries counts: ours need give only one
    of them. Returns {name: (the right ones, ours)}."""
    right = {case.name: [] for case in cases}
    given = {case.name: [] for case in cases}
    outcomes, left = {}, cases
    for patience in PATIENCE:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            wanted = pool.submit(expected, left, patience)
            got = play_all(left, ours, patience)
            wanted = wanted.result()
        for name in (case.name for case in left):
            right[name] += wanted[name]
            given[name].append(got[name])
            outcomes[name] = right[name], next((lines for lines in given[name] if lines in right[name]),
                                               got[name])
        left = [case for case in left if outcomes[case.name][1] not in outcomes[case.name][0]
                and not is_known(case.name)]
        if len(left) > AGAIN_MAX:
            break
    return outcomes


def assert_is_right(case, right, ours, is_known=is_known):
    if is_known(case.name) and ours not in right:
        pytest.xfail("listed in docs/fidelity.md")
    assert ours in right, first_difference(right[-1], ours)


def assert_99_of_100_are_right(outcomes):
    same = sum(ours in right for right, ours in outcomes.values())
    print(f"{same} of {len(outcomes)} identical")
    assert same >= 0.99 * len(outcomes)


def first_difference(wanted, got):
    at = next((i for i, pair in enumerate(zip(wanted, got)) if pair[0] != pair[1]),
              min(len(wanted), len(got)))
    return "\n".join([*wanted[:at], *(f"- {line}" for line in wanted[at:]),
                      *(f"+ {line}" for line in got[at:])])


# ---- Records: outcomes as text, each once, with the names of the cases that have it -----------------

def write_records(outcomes, header):
    by_lines = {}
    for name, lines in outcomes.items():
        by_lines.setdefault(tuple(lines), []).append(name)
    blocks = ["\n".join([*(f"= {name}" for name in names), *(f"< {line}" for line in lines)])
              for lines, names in by_lines.items()]
    RECORDS.write_text("\n\n".join([header, *blocks]) + "\n")


def read_records(path=RECORDS):
    """By name the outcomes that are right, mostly one: of some, chance gave a server several."""
    records = {}
    for block in path.read_text().split("\n\n"):
        lines = [line[2:] for line in block.splitlines() if line.startswith("< ")]
        for name in (line[2:] for line in block.splitlines() if line.startswith("= ")):
            records.setdefault(name, []).append(lines)
    return records
