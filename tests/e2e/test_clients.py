"""Other people's clients: dbclient, plink, asyncssh, paramiko. Each with every algorithm that it
shares with the server."""
import asyncio
import os
import subprocess

import asyncssh
import paramiko
import pytest

from conftest import WAIT_S, read_kexinit

COMMAND = "echo $((6*7)); exit 3"


def check(done, what):
    assert (done.stdout, done.returncode) == (b"42\n", 3), (what, done.stdout, done.stderr)


# ---- dbclient ----

def dbclient(pot, tmp_path, *options):
    return subprocess.run(
        ["sshpass", "-p", "123456", "dbclient", "-y", "-y", "-p", str(pot.port), *options,
         "root@127.0.0.1", COMMAND], capture_output=True, timeout=WAIT_S, check=False,
        stdin=subprocess.DEVNULL, env={**os.environ, "HOME": str(tmp_path)})


def dbclient_knows(flag):
    text = subprocess.run(["dbclient", flag, "help", "x"], capture_output=True, text=True,
                          check=False)
    return set((text.stdout + text.stderr).replace(",", " ").split())


def test_dbclient(honeypot, tmp_path):
    check(dbclient(honeypot, tmp_path), "defaults")


@pytest.mark.parametrize("flag, kind", [("-c", "cipher"), ("-m", "mac")])
def test_dbclient_with_every_algorithm(honeypot, tmp_path, flag, kind):
    shared = [n for n in read_kexinit(honeypot.port)[kind] if n in dbclient_knows(flag)]
    assert shared
    for name in shared:
        extra = ["-c", "aes128-ctr"] if kind == "mac" else []
        check(dbclient(honeypot, tmp_path, *extra, flag, name), name)


# ---- plink: algorithms are chosen by a saved session's settings ----

def plink(pot, home, settings=()):
    folder = home / ".putty/sessions"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pot").write_text("".join(f"{line}\n" for line in (
        "HostName=127.0.0.1", f"PortNumber={pot.port}", "Protocol=ssh", "UserName=root", *settings)))
    # No -batch: the host key is new, and `y` accepts it for this once.
    return subprocess.run(["plink", "-load", "pot", "-pw", "123456", COMMAND], input=b"y\n\n\n",
                          capture_output=True, timeout=WAIT_S, check=False,
                          env={**os.environ, "HOME": str(home)})


def test_plink(honeypot, tmp_path):
    check(plink(honeypot, tmp_path), "defaults")


@pytest.mark.parametrize("setting", ["Cipher=aes,WARN", "Cipher=chacha20,WARN", "Cipher=aesgcm,WARN",
                                     "KEX=ecdh,WARN", "HostKey=ed25519,WARN", "HostKey=ecdsa,WARN",
                                     "HostKey=rsa,WARN"])
def test_plink_with_every_algorithm(honeypot, tmp_path, setting):
    check(plink(honeypot, tmp_path, [setting]), setting)


# ---- asyncssh and paramiko ----

async def asyncssh_run(pot, command=COMMAND, **algorithms):
    async with asyncssh.connect("127.0.0.1", pot.port, username="root", password="123456",
                                known_hosts=None, client_keys=None, config=None, agent_path=None,
                                **algorithms) as connection:
        done = await connection.run(command)
        return done.stdout, done.exit_status


ASYNCSSH = [("kex", "kex_algs", asyncssh.kex.get_kex_algs),
            ("hostkey", "server_host_key_algs", asyncssh.public_key.get_public_key_algs),
            ("cipher", "encryption_algs", asyncssh.encryption.get_encryption_algs),
            ("mac", "mac_algs", asyncssh.mac.get_mac_algs)]


@pytest.mark.parametrize("kind, argument, known", ASYNCSSH)
def test_asyncssh_with_every_algorithm(honeypot, kind, argument, known):
    shared = [n for n in read_kexinit(honeypot.port)[kind] if n.encode() in known()]
    assert shared
    for name in shared:
        algorithms = {argument: [name]}
        if kind == "mac":
            algorithms["encryption_algs"] = ["aes128-ctr"]
        assert asyncio.run(asyncssh_run(honeypot, **algorithms)) == ("42\n", 3), name


def test_asyncssh_runs_several_channels_and_rekeys(honeypot):
    async def go():
        async with asyncssh.connect("127.0.0.1", honeypot.port, username="root", password="123456",
                                    known_hosts=None, client_keys=None, config=None,
                                    agent_path=None, rekey_bytes=200_000) as connection:
            jobs = [connection.run(f"seq {n} {n + 20000}") for n in range(5)]
            return [done.stdout for done in await asyncio.gather(*jobs)]
    for n, out in enumerate(asyncio.run(go())):
        assert out.split() == [str(i) for i in range(n, n + 20001)]


def test_paramiko(honeypot):
    client = paramiko.SSHClient()
    client.set_missing_host_key_policy(paramiko.AutoAddPolicy())
    client.connect("127.0.0.1", honeypot.port, "root", "123456", look_for_keys=False,
                   allow_agent=False)
    _, out, err = client.exec_command("echo out; echo err >&2; exit 5")
    assert (out.read(), err.read(), out.channel.recv_exit_status()) == (b"out\n", b"err\n", 5)
    client.close()


def test_a_hundred_sessions_at_once(own_honeypot):
    honeypot = own_honeypot("ssh:\n  max_startups: 0\n")

    async def one(n):
        return await asyncssh_run(honeypot, f"echo {n} | rev; exit {n}")

    async def go():
        return await asyncio.gather(*(one(n) for n in range(100)))

    with honeypot.recorded(100) as sessions:
        results = asyncio.run(go())
    assert results == [(f"{n}"[::-1] + "\n", n) for n in range(100)]
    commands = {e["input"] for s in sessions for e in s if e["eventid"] == "cowrie.command.input"}
    assert commands == {f"echo {n} | rev; exit {n}" for n in range(100)}
    assert len({s[0]["session"] for s in sessions}) == 100
