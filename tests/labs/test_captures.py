"""The captures in the repository are what the labs do: each is made anew and compared."""
import pathlib
import re
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "labs"))
import capture  # noqa: E402
import namespace  # noqa: E402
import packets  # noqa: E402


def said(path):
    """Without acknowledgements that travel alone, which come and go with the timing, without what
    HTTP says of dates, and without what is encrypted."""
    return [(*packet[1:4], DATES.sub(rb"\1", packet[4] or b"")) for packet in packets.read(path)
            if (packet[3] != "ACK" or packet[4]) and "8443" not in packet[1:3]]


DATES = re.compile(rb"(Date|Last-Modified|ETag): [^\r]*")


@pytest.mark.skipif(not namespace.is_possible(), reason="no network namespaces here")
@pytest.mark.parametrize("lab", capture.SCENES)
def test_the_capture_can_be_made_again(lab, tmp_path):
    anew = tmp_path / "anew.pcapng"
    capture.capture(lab, anew)
    assert said(anew) == said(ROOT / f"labs/captures/{lab}.pcapng")
