"""A network of one's own: a namespace in which every port is free and captures see nothing else."""
import contextlib
import os
import pathlib
import signal
import subprocess


def is_possible():
    return subprocess.run([*unshare(), "true"], capture_output=True).returncode == 0


def unshare():
    return ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]


def network_of(process):
    return os.stat(f"/proc/{process}/ns/net").st_ino


def end_all_inside(network):
    """Ends every process of a network that is not our own, those in the background too."""
    assert network != network_of("self")
    for process in pathlib.Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended, or is somebody else's
            if network_of(process.name) == network:
                os.kill(int(process.name), signal.SIGKILL)


@contextlib.contextmanager
def network():
    """Yields the words that, put before a command, run it there; what runs there ends with it."""
    holder = subprocess.Popen([*unshare(), "sh", "-c", "ip link set lo up && echo up && exec sleep 1000"],
                              stdout=subprocess.PIPE)
    try:
        if holder.stdout.readline() != b"up\n":
            raise RuntimeError("there is no network namespace to be had")
        enter = ["nsenter", "-t", str(holder.pid), "-n"]
        if os.geteuid() != 0:
            enter += ["-U", "--preserve-credentials"]
        try:
            yield enter
        finally:
            end_all_inside(network_of(holder.pid))
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
