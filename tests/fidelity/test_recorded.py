"""Cases whose answers were recorded once (recorded/README.md): what ours gives is among them. So ours
is held against servers that cannot be started here too."""
import dataclasses
import functools
import re

import pytest

from battery import (HERE, all_cases, assert_is_right, compare, is_known, known_differences,
                     read_records)
from servers import OurServer, OwnUsersServer

CASES = all_cases("recorded")
RECORDS = {path.stem: read_records(path) for path in sorted(HERE.glob("recorded/*.records"))}
SERVERS = 2
DRAWN_MAX = 30  # installations: not every one's user has logged in
KNOWN = {profile: functools.partial(is_known, known=tuple(known_differences(f"{profile}, recorded: ")))
         for profile in RECORDS}


@pytest.fixture(scope="module", params=RECORDS)
def played(request):
    profile = request.param
    records = RECORDS[profile]
    servers = [OurServer(profile) for _ in range(SERVERS)]
    try:
        yield profile, compare(
            CASES, servers, lambda cases, patience: {case.name: records[case.name] for case in cases},
            KNOWN[profile])
    finally:
        for server in servers:
            server.stop()


def told_of_his_last_login(case, profile):
    """The outcome of a case for a user who has logged in before, as the recorded one had: the machine's
    own. Names of users are left out of the records."""
    for _ in range(DRAWN_MAX):
        with OwnUsersServer(profile) as server:
            own = {"user": server.user, "password": server.PASSWORD}
            lines = dataclasses.replace(case, options=case.options | own).play(server)
            if any("Last login" in line for line in lines):
                return [re.sub(rf"{server.user}@[\w.-]+", "admin@HOST", line) for line in lines]
    raise AssertionError("nobody has ever logged in")


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_ours_gives_what_was_recorded(case, played):
    profile, outcomes = played
    recorded, ours = outcomes[case.name]
    if ours not in recorded and "Last login" in str(recorded):
        ours = told_of_his_last_login(case, profile)
    assert_is_right(case, recorded, ours, KNOWN[profile])


@pytest.mark.parametrize("profile", RECORDS)
def test_every_case_has_its_record(profile):
    assert set(RECORDS[profile]) == {case.name for case in CASES}
