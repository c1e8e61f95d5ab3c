"""Many cases at once. A case whose outcome is not what it should be is played again, alone and with
more patience, before that counts: a busy machine is no difference."""
import concurrent.futures
import os
import pathlib
import re

from case import read_cases

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parents[1]
AT_ONCE = 9  # sshd's MaxStartups begins to drop at ten connections that have not logged in
PATIENCE = (1.0, 2.0, 4.0)


def cases_of(folder):
    return [case for path in sorted((HERE / folder).glob("*.case")) for case in read_cases(path)]


def known_differences():
    """Names of cases, or patterns with a *, that docs/fidelity.md lists with a reason."""
    text = (ROOT / "docs/fidelity.md").read_text()
    return re.findall(r"^\| `([^`]+)` \| ", text, flags=re.M)


def is_known(name):
    return any(re.fullmatch(re.escape(known).replace(r"\*", ".*"), name)
               for known in known_differences())


def play_all(cases, port, patience=1.0):
    """The outcomes by name, in no special order of playing."""
    workers = AT_ONCE if len(cases) > 1 else 1
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        return dict(zip((case.name for case in cases),
                        pool.map(lambda case: case.play(port, patience), cases)))


def compare(cases, ours, expected):
    """Plays the cases against ours. `expected(cases, patience)` is what they ought to give, by name.
    Returns {name: (expected, got)}."""
    outcomes, left = {}, cases
    for patience in PATIENCE:
        with concurrent.futures.ThreadPoolExecutor(2) as pool:
            wanted = pool.submit(expected, left, patience)
            got = play_all(left, ours.port, patience)
            wanted = wanted.result()
        outcomes |= {case.name: (wanted[case.name], got[case.name]) for case in left}
        left = [case for case in left if wanted[case.name] != got[case.name]
                and not is_known(case.name)]
        if len(left) > 60 or os.environ.get("FIDELITY_ONCE"):
            break  # that is no busy machine
    return outcomes


def first_difference(wanted, got):
    at = next((i for i, pair in enumerate(zip(wanted, got)) if pair[0] != pair[1]),
              min(len(wanted), len(got)))
    return "\n".join([*wanted[:at], *(f"- {line}" for line in wanted[at:]),
                      *(f"+ {line}" for line in got[at:])])
