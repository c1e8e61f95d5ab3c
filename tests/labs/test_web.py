"""The web lab with curl and with a real browser."""
import pathlib
import os
import shutil
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("LABS", ROOT / "build/labs")).resolve()
sys.path.insert(0, str(ROOT / "labs"))
import checker  # noqa: E402

CHROMIUM = ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync",
            "--virtual-time-budget=5000"]


@pytest.fixture
def web(monkeypatch):
    monkeypatch.chdir(ROOT / "labs/web")
    server = checker.Program([str(BUILD / "lab-web")])
    yield server
    server.stop()


def curl(server, path, *options):
    done = subprocess.run(["curl", "-sS", "--path-as-is", *options,
                           f"http://127.0.0.1:{server.port}{path}"], capture_output=True, check=True)
    return done.stdout


def test_curl_gets_the_files_as_they_are(web):
    for name in ("index.html", "style.css", "script.js", "text.txt"):
        assert curl(web, f"/{name}") == (ROOT / "labs/web" / name).read_bytes()
    assert curl(web, "/") == (ROOT / "labs/web/index.html").read_bytes()
    assert curl(web, "/text.txt", "--compressed") == (ROOT / "labs/web/text.txt").read_bytes()


def test_curl_gets_parts_and_conditions(web):
    text = (ROOT / "labs/web/text.txt").read_bytes()
    assert curl(web, "/text.txt", "-r", "100-199") == text[100:200]
    assert curl(web, "/text.txt", "-r", "-10") == text[-10:]
    code = ["-o", "/dev/null", "-w", "%{http_code}"]
    assert curl(web, "/text.txt", "-r", "999999-", *code) == b"416"
    assert curl(web, "/nothing", *code) == b"404"
    assert curl(web, "/counter", "-X", "DELETE", *code) == b"405"
    assert curl(web, "/text.txt", "-z", "text.txt", *code) == b"304"


@pytest.mark.parametrize("path", ["/../checker.py", "/%2e%2e/checker.py", "/..%2fchecker.py",
                                  "//etc/passwd", "/./../../README.md", "/%00", "/index.html/.."])
def test_curl_finds_no_way_out(web, path):
    assert curl(web, path, "-o", "/dev/null", "-w", "%{http_code}")[:1] == b"4"


@pytest.mark.skipif(not shutil.which("chromium"), reason="no chromium here")
def test_a_browser_shows_the_page_and_runs_its_script(web, tmp_path):
    done = subprocess.run([*CHROMIUM, f"--user-data-dir={tmp_path}", "--dump-dom",
                           f"http://127.0.0.1:{web.port}/"], capture_output=True, text=True)
    assert "One thread serves this page" in done.stdout
    assert "The script has asked: This is request number 1." in done.stdout
    web.must_print(b'"GET /style.css HTTP/1.1" 200', "the browser asks for the style sheet")
