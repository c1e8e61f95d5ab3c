"""The stripping proxy: what it does to a page, what it refuses, and how HSTS defeats it."""
import os
import pathlib
import shutil
import socket
import ssl
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[2]
BUILD = pathlib.Path(os.environ.get("LABS", ROOT / "build/labs")).resolve()
sys.path.insert(0, str(ROOT / "labs"))
import checker  # noqa: E402
from test_web import CHROMIUM  # noqa: E402


class Strip(checker.Program):
    """The proxy and its site, in a folder and on ports of their own."""

    def __init__(self, folder, *options):
        subprocess.run([ROOT / "labs/strip/setup", folder], check=True)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.site_port = probe.getsockname()[1]
        (folder / "hosts").write_text(f"shop.lab 127.0.0.1:{self.site_port}\n")
        self.folder = folder
        here = os.getcwd()
        os.chdir(folder)
        try:
            super().__init__([str(BUILD / "lab-strip"), *options])
        finally:
            os.chdir(here)

    def curl(self, url, *options):
        done = subprocess.run(["curl", "-sS", "-x", f"http://127.0.0.1:{self.port}", *options, url],
                              capture_output=True, text=True, cwd=self.folder)
        return done.stdout


@pytest.fixture
def strip(tmp_path):
    program = Strip(tmp_path)
    yield program
    program.stop()


@pytest.fixture
def strict(tmp_path):
    program = Strip(tmp_path, "--hsts")
    yield program
    program.stop()


# ---- What it does ----

def test_a_page_arrives_without_its_links_to_tls(strip):
    page = strip.curl("http://shop.lab/")
    assert 'href="http://shop.lab/basket"' in page and "https://" not in page
    # The site itself speaks TLS only, and its page has such links.
    original = strip.curl("https://shop.lab/", "--cacert", "ca.pem")
    assert original.replace("https://", "http://") == page and original != page


def test_redirects_and_cookies_lose_their_tls_too(strip):
    assert "Location: http://shop.lab/" in strip.curl("http://shop.lab/basket", "-i")
    cookie = [line for line in strip.curl("http://shop.lab/", "-i").splitlines()
              if line.startswith("Set-Cookie")]
    assert cookie == ["Set-Cookie: visit=1; Path=/; HttpOnly"]
    assert "Secure" in strip.curl("https://shop.lab/", "-i", "--cacert", "ca.pem")


def test_a_form_is_handed_on(strip):
    assert strip.curl("http://shop.lab/login", "-d", "name=Eve&password=x") == "Welcome, Eve.\n"


# ---- What it refuses ----

def test_it_listens_on_loopback_only(tmp_path):
    subprocess.run([ROOT / "labs/strip/setup", tmp_path], check=True)
    for where in ("0.0.0.0:0", "192.0.2.1:0", "[::]:0", "10000"):
        done = subprocess.run([BUILD / "lab-strip", where], cwd=tmp_path, capture_output=True,
                              text=True, timeout=checker.PATIENCE)
        assert done.returncode == 1 and "loopback only" in done.stderr, (where, done)


@pytest.mark.parametrize("address", ["192.0.2.7:443", "10.0.0.1:443", "0.0.0.0:443", "[2001:db8::1]:443",
                                     "example.org:443"])
def test_a_lab_file_with_other_addresses_is_refused(address, tmp_path):
    subprocess.run([ROOT / "labs/strip/setup", tmp_path], check=True)
    (tmp_path / "hosts").write_text(f"shop.lab {address}\n")
    done = subprocess.run([BUILD / "lab-strip", "127.0.0.1:0"], cwd=tmp_path, capture_output=True,
                          text=True, timeout=checker.PATIENCE)
    assert done.returncode == 1 and "not a name and a loopback address" in done.stderr


@pytest.mark.parametrize("url", ["http://example.org/", "http://127.0.0.1/", "http://localhost/",
                                 "http://shop.lab.example.org/", "http://xshop.lab/",
                                 "http://shop.lab@example.org/", "http://[::1]/"])
def test_other_hosts_are_refused_and_told_why(url, strip):
    answer = strip.curl(url, "-i")
    assert answer.startswith("HTTP/1.1 403") and "hosts of its lab file" in answer \
        or answer.startswith("HTTP/1.1 400")


@pytest.mark.parametrize("target", ["example.org:443", "127.0.0.1:22", "localhost:80"])
def test_tunnels_to_other_hosts_are_refused(target, strip):
    with strip.connect() as client:
        client.sendall(f"CONNECT {target} HTTP/1.1\r\nHost: {target}\r\n\r\n".encode())
        assert client.recv(4096).startswith(b"HTTP/1.1 403")


def test_what_does_not_name_a_host_goes_nowhere(strip):
    with strip.connect() as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: shop.lab\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 400")


def test_inside_a_tunnel_it_sees_nothing(strip):
    with strip.connect() as client:
        client.sendall(b"CONNECT shop.lab:443 HTTP/1.1\r\nHost: shop.lab:443\r\n\r\n")
        assert client.recv(4096).startswith(b"HTTP/1.1 200")
        trusted = ssl.create_default_context(cafile=strip.folder / "ca.pem")
        with trusted.wrap_socket(client, server_hostname="shop.lab") as shop:
            # The certificate is the site's own, with its own key: nobody is in the middle.
            shop.sendall(b"GET / HTTP/1.1\r\nHost: shop.lab\r\nConnection: close\r\n\r\n")
            assert b"https://shop.lab/basket" in checker.read_all(shop, "through the tunnel")


def test_no_credentials_are_written_down(strip):
    strip.curl("http://shop.lab/login?token=SECRET1", "-d", "name=Eve&password=SECRET2", "-b",
               "session=SECRET3", "-u", "eve:SECRET4")
    strip.must_print(b"shop.lab/login", "the path is told")
    strip.stop()
    assert b"SECRET" not in strip.printed
    for path in strip.folder.rglob("*"):
        assert not path.is_file() or b"SECRET" not in path.read_bytes()


# ---- HSTS ----

def test_curl_that_honours_hsts_is_not_stripped(strict):
    with_hsts = ["--hsts", "hsts.txt", "--cacert", "ca.pem"]
    assert 'href="http://' in strict.curl("http://shop.lab/", *with_hsts)  # not yet known
    strict.curl("https://shop.lab/", *with_hsts)  # one visit over TLS
    assert "https://shop.lab/basket" in strict.curl("http://shop.lab/", *with_hsts)
    assert 'href="http://' in strict.curl("http://shop.lab/")  # one that does not honour it


def browse(program, home, url):
    done = subprocess.run([*CHROMIUM, f"--user-data-dir={home}/profile", "--dump-dom",
                           f"--proxy-server=127.0.0.1:{program.port}", url],
                          capture_output=True, text=True, env=dict(os.environ, HOME=str(home)))
    return done.stdout


def trust_the_lab(home, ca):
    """The browser believes the lab's authority: HSTS counts only over a good certificate."""
    database = home / ".pki/nssdb"
    database.mkdir(parents=True)
    subprocess.run(["certutil", "-d", f"sql:{database}", "-N", "--empty-password"], check=True)
    subprocess.run(["certutil", "-d", f"sql:{database}", "-A", "-t", "C,,", "-n", "lab", "-i", ca],
                   check=True)


needs_browser = pytest.mark.skipif(not (shutil.which("chromium") and shutil.which("certutil")),
                                   reason="no chromium or certutil here")


@needs_browser
def test_a_browser_is_stripped_without_hsts(strip, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    trust_the_lab(home, strip.folder / "ca.pem")
    assert "This page came by https:" in browse(strip, home, "https://shop.lab/")
    page = browse(strip, home, "http://shop.lab/")
    assert "This page came by http:" in page and "https://" not in page


@needs_browser
def test_a_browser_that_knows_hsts_is_not_stripped(strict, tmp_path_factory):
    home = tmp_path_factory.mktemp("home")
    trust_the_lab(home, strict.folder / "ca.pem")
    assert "This page came by https:" in browse(strict, home, "https://shop.lab/")
    page = browse(strict, home, "http://shop.lab/")
    assert "This page came by https:" in page and "https://shop.lab/basket" in page
