"""The command line and the configuration file, as an owner meets them."""
import subprocess

import pytest

from conftest import IMAGE, LURED, WAIT_S


def lured(*arguments, **kwargs):
    return subprocess.run([LURED, *map(str, arguments)], capture_output=True, text=True,
                          timeout=WAIT_S, check=False, **kwargs)


def test_help_and_version():
    assert "usage: lured" in lured("--help").stdout
    for command in ("run", "check", "log", "play"):
        done = lured(command, "--help")
        assert done.returncode == 0 and f"lured {command}" in done.stdout
    assert lured("version").stdout.startswith("lured 0.")
    assert lured("nonsense").returncode == 2


@pytest.mark.parametrize("text, line, word", [
    ("data: ./d\nnonsense: 1\n", 2, "nonsense"),
    ("ssh:\n  endpoint: tcp:2222\n  colour: red\n", 3, "colour"),
    ("limits:\n  processes: many\n", 2, "many"),
    ("limits:\n  processes: -4\n", 2, "-4"),
    ("data: [1, 2\n", 2, ""),
    ("ssh:\n  endpoint: 'tcp:70000'\n", 2, "70000"),
])
def test_a_bad_configuration_is_refused_with_its_place(tmp_path, text, line, word):
    path = tmp_path / "lured.yaml"
    path.write_text(text)
    done = lured("check", "--config", path)
    assert done.returncode == 1
    assert f"{path}:{line}" in done.stderr and word in done.stderr, done.stderr


def test_a_good_configuration_is_shown(tmp_path):
    path = tmp_path / "lured.yaml"
    path.write_text("sensor: lobby\nlimits:\n  processes: 33\n")
    done = lured("check", "--config", path)
    assert done.returncode == 0, done.stderr
    assert "lobby" in done.stdout and "33" in done.stdout


@pytest.mark.parametrize("profile, warning", [
    ("openssh-9.2p1", ""),
    ("dropbear-2022.83", ""),
    ("openssh-8.2p1", "# WARNING: ssh.profile is of ubuntu 20.04, and the machine says that it is debian 12\n"),
])
def test_a_server_of_another_system_than_the_machine_is_warned_of(tmp_path, profile, warning):
    path = tmp_path / "lured.yaml"
    path.write_text(f"image: {IMAGE}\nssh:\n  profile: {profile}\n")
    done = lured("check", "--config", path)
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.splitlines(True) if "WARNING" in line] == ([warning] if warning else [])


def test_a_taken_port_is_said_in_a_line(honeypot, tmp_path):
    done = lured("run", "--config", honeypot.config, "--data", tmp_path / "d",
                 "--ssh", f"tcp:{honeypot.port}:interface=127.0.0.1")
    assert done.returncode == 1
    assert "Address already in use" in done.stderr and len(done.stderr.splitlines()) == 1
