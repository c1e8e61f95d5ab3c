"""The processes: what dies is back and costs only its own; what stops, stops in order."""
import contextlib
import json
import os
import pathlib
import signal
import subprocess
import threading

import pytest

from conftest import LURED, WAIT_S, wait_for
from test_openssh import PROMPT, spawn_interactive


def children(pot):
    """Pids of the sensor and the recorder; None for one that is not there."""
    path = pathlib.Path(f"/proc/{pot.process.pid}/task/{pot.process.pid}/children")
    found = {}
    for pid in path.read_text().split():
        with contextlib.suppress(OSError):
            found[pathlib.Path(f"/proc/{pid}/comm").read_text().strip()] = int(pid)
    return found.get("lured-sensor"), found.get("lured-recorder")


def both(pot):
    return wait_for(lambda: all(children(pot)) and children(pot), "sensor and recorder")


def ids(pot, session=None):
    return [e["eventid"] for e in pot.events() if session is None or e.get("session") == session]


def test_a_sensor_that_dies_is_back_and_its_sessions_are_closed(own_honeypot):
    pot = own_honeypot()
    child = spawn_interactive(pot)
    child.expect(PROMPT)
    wait_for(lambda: "cowrie.login.success" in ids(pot), "the login")
    session = [e["session"] for e in pot.events() if e["eventid"] == "cowrie.login.success"][0]
    sensor, recorder = both(pot)
    os.kill(sensor, signal.SIGKILL)
    wait_for(lambda: "cowrie.session.closed" in ids(pot, session), "the end of the lost session")
    child.close()
    assert ids(pot, session)[-2:] == ["lured.session.lost", "cowrie.session.closed"]
    assert pot.ssh("echo back").stdout == b"back\n"
    assert both(pot)[0] != sensor and both(pot)[1] == recorder
    assert "sensor died of signal 9" in pot.stderr()
    numbers = [e["id"] for e in pot.events()]
    assert numbers == sorted(set(numbers))


def test_a_recorder_that_dies_costs_nothing(own_honeypot):
    pot = own_honeypot()
    stop = threading.Event()
    killed = []

    def kill_recorders():
        while not stop.wait(0.7):
            _, recorder = children(pot)
            if recorder:
                os.kill(recorder, signal.SIGKILL)
                killed.append(recorder)

    killer = threading.Thread(target=kill_recorders)
    killer.start()
    try:
        with pot.recorded(8):
            for number in range(8):
                assert pot.ssh(f"echo {number}").stdout == f"{number}\n".encode()
    finally:
        stop.set()
        killer.join()
    assert killed
    events = pot.events()
    inputs = [e["input"] for e in events if e["eventid"] == "cowrie.command.input"]
    assert inputs == [f"echo {number}" for number in range(8)]
    numbers = [e["id"] for e in events]
    assert numbers == sorted(set(numbers))
    assert "lured.session.lost" not in ids(pot) and "lured.record.gap" not in ids(pot)


def test_it_stops_in_order(own_honeypot):
    pot = own_honeypot()
    child = spawn_interactive(pot)
    child.expect(PROMPT)
    assert pot.stop() == 0
    child.close()
    names = [name for name in ids(pot) if name != "lured.process.exit"]
    assert names[-2:] == ["cowrie.session.closed", "lured.sensor.stop"]
    assert "lured.session.lost" not in names
    assert (pot.data / "log/sessions").read_bytes()[:1] == b"\0"


def test_a_directory_serves_one_at_a_time(own_honeypot):
    pot = own_honeypot()
    done = subprocess.run([LURED, "run", "--config", pot.config, "--data", pot.data, "--ssh",
                           "tcp:0:interface=127.0.0.1"], capture_output=True, text=True,
                          timeout=WAIT_S, check=False)
    assert done.returncode == 1 and "another lured is using it" in done.stderr


def test_a_second_start_goes_on_where_the_first_ended(own_honeypot):
    pot = own_honeypot()
    assert pot.ssh("hostname").returncode == 0
    first = pot.ssh("hostname").stdout
    assert pot.stop() == 0
    count = len(pot.events())
    again = own_honeypot()
    assert again.ssh("hostname").stdout == first
    events = again.events()
    numbers = [e["id"] for e in events]
    assert len(events) > count and numbers == sorted(set(numbers))
    assert len({e["uuid"] for e in events}) == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")
def test_the_children_are_nobody_and_can_see_nothing(own_honeypot):
    pot = own_honeypot()
    for pid in both(pot):
        status = pathlib.Path(f"/proc/{pid}/status").read_text()
        fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
        assert fields["Uid"].split()[0] != "0"
        assert fields["CapEff"].strip("0") == "" and fields["CapPrm"].strip("0") == ""
        assert fields["NoNewPrivs"] == "1" and fields["Seccomp"] == "2"
        assert os.listdir(f"/proc/{pid}/root/") == []
    assert (pot.data / "identity").stat().st_mode & 0o777 == 0o700
    assert pot.data.stat().st_mode & 0o777 == 0o700


def test_a_recording_plays_at_any_speed_and_unknown_sessions_are_refused(own_honeypot):
    pot = own_honeypot()
    with pot.recorded() as sessions:
        pot.ssh("printf 'a\\377b'; sleep 0.3; echo end", tty=True)
    name = sessions[0][0]["session"]
    out = subprocess.run([LURED, "play", name, "--data", pot.data, "--idle-max", "0.01"],
                         capture_output=True, timeout=WAIT_S, check=True).stdout
    assert out == b"a\xffbend\r\n"
    done = subprocess.run([LURED, "play", "nosuchsession", "--data", pot.data], capture_output=True,
                          timeout=WAIT_S, check=False)
    assert done.returncode == 1 and b"nosuchsession" in done.stderr
    for line in (pot.data / f"tty/{name}-0.cast").read_text().splitlines()[1:]:
        assert len(json.loads(line)) == 3
