#!/usr/bin/python3
"""Makes a lab's capture: runs it with a client in a network of its own and writes down every packet.

usage: labs/capture.py NAME [FILE]      (default: labs/captures/NAME.pcapng)

The packets are the same each time, but for times, sequence numbers and acknowledgements that may
travel alone or with data. The guide's pages name packets of the captures that are in the repository.
"""
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
import namespace  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[1]
BUILD = pathlib.Path(os.environ.get("LABS", ROOT / "build/labs"))

# For each lab: its arguments, and what the clients do, in the shell. The pauses keep the order.
SCENES = {
    "receiver": (["127.0.0.1:5000"],
                 "printf 'hello\\n' | nc.openbsd -N -p 40001 127.0.0.1 5000"),
    "threaded-receiver": (["127.0.0.1:5000"],
                          "(sleep 0.6; printf 'first\\n') | nc.openbsd -N -p 40012 127.0.0.1 5000 &"
                          "sleep 0.3; printf 'second\\n' |"
                          " nc.openbsd -N -p 40013 127.0.0.1 5000; wait"),
    "tcp-server": (["127.0.0.1:9999"],
                   "printf 'hello\\n' | nc.openbsd -p 40002 127.0.0.1 9999"),
    "echo": (["127.0.0.1:8080"],
             "(printf 'one\\n'; sleep 0.3; printf 'two\\n'; sleep 0.3) |"
             " nc.openbsd -N -p 40003 127.0.0.1 8080"),
    "echo-udp": (["127.0.0.1:9999"],
                 "printf 'Hello World\\n' | nc.openbsd -u -w 1 -p 40004 127.0.0.1 9999;"
                 "printf 'nobody is here\\n' | nc.openbsd -u -w 1 -p 40005 127.0.0.1 9998"),
    "chat": (["127.0.0.1:8000"],
             "(sleep 0.3; printf 'hello all\\n'; sleep 0.3) |"
             " nc.openbsd -N -p 40006 127.0.0.1 8000 &"
             "sleep 0.1; sleep 0.7 | nc.openbsd -N -p 40007 127.0.0.1 8000; wait"),
    "web": (["127.0.0.1:8081"],
            "curl -s --no-progress-meter --local-port 40010 http://127.0.0.1:8081/counter"
            " http://127.0.0.1:8081/style.css"),
    "strip": (["127.0.0.1:10000"],
              "curl -s --local-port 40011 -x http://127.0.0.1:10000 http://shop.lab/"),
    "pubsub": (["127.0.0.1:1025"],
               "(printf 'SUB house.*.door\\n'; sleep 0.6) | nc.openbsd -N -p 40008 127.0.0.1 1025 &"
               "sleep 0.3; (printf 'PUB house.red.door open\\n'; sleep 0.5) |"
               " nc.openbsd -N -p 40009 127.0.0.1 1025; wait"),
}


def wait_until(condition, what):
    for _ in range(500):
        if condition():
            return
        time.sleep(0.02)
    raise RuntimeError(f"never came: {what}")


def listens(enter, address):
    found = subprocess.run([*enter, "ss", "-Hltnu", f"sport = {address.rsplit(':')[-1]}"],
                           capture_output=True, text=True).stdout
    return bool(found.strip())


def capture(name, path):
    arguments, clients = SCENES[name]
    with namespace.network() as enter, tempfile.TemporaryDirectory() as folder:
        raw = pathlib.Path(folder) / "raw.pcapng"
        sniffer = subprocess.Popen([*enter, "dumpcap", "-q", "-i", "lo", "-w", str(raw)],
                                   stderr=subprocess.DEVNULL)
        try:
            wait_until(lambda: raw.exists() and raw.stat().st_size > 0, "the capture's first bytes")
            files = ROOT / "labs" / name
            if (files / "setup").exists():
                subprocess.run([files / "setup", pathlib.Path(folder) / "lab"], check=True)
                files = pathlib.Path(folder) / "lab"
            server = subprocess.Popen([*enter, str(BUILD.resolve() / f"lab-{name}"), *arguments],
                                      stdout=subprocess.DEVNULL,
                                      cwd=files if files.is_dir() else None)
            try:
                wait_until(lambda: listens(enter, arguments[0]), f"{name} listens")
                subprocess.run([*enter, "bash", "-c", clients], check=True, timeout=60,
                               stdout=subprocess.DEVNULL)
                time.sleep(0.5)
            finally:
                server.terminate()
                server.wait()
        finally:
            sniffer.terminate()
            sniffer.wait()
        shutil.copyfile(raw, path)


def main():
    if len(sys.argv) not in (2, 3) or sys.argv[1] not in SCENES:
        print(f"{__doc__}\nlabs: {' '.join(SCENES)}", file=sys.stderr)
        return 2
    path = sys.argv[2] if len(sys.argv) == 3 else ROOT / f"labs/captures/{sys.argv[1]}.pcapng"
    capture(sys.argv[1], path)
    print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
