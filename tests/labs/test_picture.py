"""The picture of the guide is what its text says."""
import pathlib
import re
import subprocess

GUIDE = pathlib.Path(__file__).resolve().parents[2] / "labs/guide"


def words_of(svg):
    """The texts and the arrows; where they stand is a matter of fonts."""
    return sorted(re.findall(r"<text[^>]*>([^<]*)</text>", svg)), sorted(
        re.findall(r"<title>([^<]*)</title>", svg))


def test_the_picture_is_made_from_its_text():
    drawn = subprocess.run(["dot", "-Tsvg", GUIDE / "strip.dot"], capture_output=True, text=True,
                           check=True).stdout
    assert words_of(drawn) == words_of((GUIDE / "strip.svg").read_text())
