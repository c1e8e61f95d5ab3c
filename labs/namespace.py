"""A network of one's own: a namespace in which every port is free and captures see nothing else."""
import contextlib
import os
import signal
import subprocess


def is_possible():
    return subprocess.run([*unshare(), "true"], capture_output=True).returncode == 0


def unshare():
    return ["unshare", "-n"] if os.geteuid() == 0 else ["unshare", "-rn"]


@contextlib.contextmanager
def network():
    """Yields the words that, put before a command, run it there."""
    holder = subprocess.Popen([*unshare(), "sh", "-c", "ip link set lo up && echo up && exec sleep 1000"],
                              stdout=subprocess.PIPE)
    try:
        if holder.stdout.readline() != b"up\n":
            raise RuntimeError("there is no network namespace to be had")
        enter = ["nsenter", "-t", str(holder.pid), "-n"]
        if os.geteuid() != 0:
            enter += ["-U", "--preserve-credentials"]
        yield enter
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
        holder.stdout.close()
