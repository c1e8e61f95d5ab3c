#!/usr/bin/python3
"""Shows a lab's capture, a line a packet: number, ports, what TCP says, and the bytes as text.

usage: script/lab packets NAME [FILTER]      (FILTER is one of Wireshark's display filters)
"""
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[1]
FIELDS = ["frame.number", "tcp.srcport", "tcp.dstport", "tcp.flags", "tcp.payload", "udp.srcport",
          "udp.dstport", "udp.payload", "icmp.type"]
FLAGS = {0x02: "SYN", 0x01: "FIN", 0x04: "RST"}
TEXT_MAX = 60


def read(path, display_filter="frame"):
    """(number, from, to, what, text) of each packet; the text is None where there are no bytes."""
    words = ["tshark", "-n", "-r", str(path), "-Y", display_filter, "-T", "fields"]
    words += [word for field in FIELDS for word in ("-e", field)]
    done = subprocess.run(words, capture_output=True, text=True)
    if done.returncode != 0:
        raise SystemExit(done.stderr.strip().splitlines()[-1])
    for line in done.stdout.splitlines():
        number, tcp_from, tcp_to, flags, tcp, udp_from, udp_to, udp, icmp = line.split("\t")
        if icmp:
            yield int(number), "-", "-", "ICMP port unreachable", None
            continue
        flags = int(flags, 16) if flags else 0
        what = " ".join(name for bit, name in FLAGS.items() if flags & bit)
        what = f"{what} ACK" if what and flags & 0x10 else what or ("ACK" if tcp_from else "UDP")
        payload = bytes.fromhex(tcp or udp)
        yield int(number), tcp_from or udp_from, tcp_to or udp_to, what, payload or None


def shown(payload):
    text = payload.decode("latin-1").encode("unicode_escape").decode("ascii")
    return text if len(text) <= TEXT_MAX else text[:TEXT_MAX] + " (cut)"


def main():
    if len(sys.argv) not in (2, 3):
        print(__doc__, file=sys.stderr)
        return 2
    for number, source, target, what, payload in read(
            ROOT / f"labs/captures/{sys.argv[1]}.pcapng", *sys.argv[2:]):
        print(f"{number:3} {source:>5} -> {target:<5} {what}" +
              (f" {len(payload)} bytes: {shown(payload)}" if payload else ""))
    return 0


if __name__ == "__main__":
    sys.exit(main())
