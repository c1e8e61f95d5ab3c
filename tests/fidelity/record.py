#!/usr/bin/python3
"""Writes what the real sshd of this machine does in every case to openssh-9.2p1.records: the answers
that ours is held against where no real one can be started. usage: tests/fidelity/record.py"""
import contextlib
import subprocess

from battery import all_cases, play_all, write_records
from servers import RealServer


def main():
    package = subprocess.run(["dpkg-query", "-W", "openssh-server"], capture_output=True, text=True,
                             check=True).stdout.split()
    with contextlib.ExitStack() as servers:
        real = [servers.enter_context(RealServer()) for _ in range(3)]
        once = play_all(all_cases(), real)
        unsure = [case for case in all_cases() if "TROUBLE" in str(once[case.name])
                  or "NEVER" in str(once[case.name])]
        once |= play_all(unsure, real, 2.0)
    write_records(once, f"# {' '.join(package)} of Debian 12 in its default configuration, "
                        "written by tests/fidelity/record.py")
    print(f"{len(once)} cases")


if __name__ == "__main__":
    main()
