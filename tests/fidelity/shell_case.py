"""Command lines and what the real machine answers to them (tests/golden/shell/README.md)."""
import dataclasses
import pathlib
import re

FOLDER = pathlib.Path(__file__).resolve().parents[1] / "golden/shell"
NO_NEWLINE = "⟨no newline⟩"
MARKS = {"$": "line", "|": "stdout", "!": "stderr"}


@dataclasses.dataclass
class Case:
    name: str
    is_shape: bool = False
    line: bytes = b""
    stdout: bytes = b""
    stderr: bytes = b""
    end: str = "status 0"

    def answer(self):
        return shape_of(self.stdout, self.stderr, self.end) if self.is_shape else (
            self.stdout, self.stderr, self.end)


def shape_of(stdout, stderr, end):
    """The same without its numbers and its columns' widths."""
    def shape(text):
        return re.sub(rb" +", b" ", re.sub(rb"\d+", b"0", text))
    return shape(stdout), shape(stderr), end


def bytes_of(text):
    """One line of a case: ⟨1b⟩ is a byte that text cannot hold."""
    if text.endswith(NO_NEWLINE):
        text = text[:-len(NO_NEWLINE)]
    else:
        text += "\n"
    parts = re.split("⟨([0-9a-f]{2})⟩", text)
    return b"".join(bytes.fromhex(p) if i % 2 else p.encode() for i, p in enumerate(parts))


def read_cases(path):
    cases = []
    for number, row in enumerate(path.read_text().split("\n"), 1):
        word, _, rest = row.partition(" ")
        if word in ("case", "shape"):
            cases.append(Case(rest, word == "shape"))
        elif word in MARKS:
            field = MARKS[word]
            setattr(cases[-1], field, getattr(cases[-1], field) + bytes_of(rest))
        elif word in ("status", "signal"):
            cases[-1].end = row
        elif row and not row.startswith("#"):
            raise ValueError(f"{path}:{number}: {row!r}")
    for case in cases:
        case.line = case.line.removesuffix(b"\n")
    return cases


def all_cases():
    return [case for path in sorted(FOLDER.glob("*.cases")) for case in read_cases(path)]


def differing():
    """The names of the cases that differ, with the reason."""
    reasons, reason = {}, ""
    for row in (FOLDER / "differs").read_text().splitlines():
        if row.startswith("  "):
            reasons.update(dict.fromkeys(row.split(), reason))
        elif row and not row.startswith("#"):
            reason = row
    return reasons
