"""lured persona build: an owner's own root tree becomes the machine."""
import io
import re
import shutil
import subprocess
import tarfile

from conftest import LURED

PROGRAMS = ("/bin/bash", "/bin/ls", "/bin/cat", "/usr/bin/id", "/usr/bin/stat")


def make_tree(root):
    """This computer's bash and a few programs, with the libraries that they need."""
    wanted = set(PROGRAMS)
    for program in PROGRAMS:
        out = subprocess.run(["ldd", program], capture_output=True, text=True, check=True).stdout
        wanted |= set(re.findall(r"(/\S+)", out))
    for path in sorted(wanted):
        place = root / path.lstrip("/")
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, place, follow_symlinks=True)
    (root / "bin/sh").symlink_to("bash")
    (root / "etc").mkdir()
    (root / "root").mkdir()
    (root / "tmp").mkdir()
    (root / "etc/passwd").write_text("root:x:0:0:root:/root:/bin/bash\nops:x:1007:1007::/:/bin/bash\n")
    (root / "etc/group").write_text("root:x:0:\nops:x:1007:\n")
    (root / "etc/hostname").write_text("mine\n")
    (root / "etc/mine").write_text("a file of mine\n")


def build(*arguments):
    return subprocess.run([LURED, "persona", "build", *map(str, arguments)], capture_output=True, text=True, check=False)


def test_a_tar_is_a_machine(own_honeypot, tmp_path):
    make_tree(tmp_path / "tree")
    archive = tmp_path / "tree.tar.gz"

    def owned(member):
        if member.name.endswith("etc/mine"):
            member.uid, member.gid, member.mode, member.mtime = 1007, 1007, 0o640, 1600000000
        else:
            member.uid = member.gid = 0
        return member

    with tarfile.open(archive, "w:gz") as tar:
        tar.add(tmp_path / "tree", ".", filter=owned)
    first, second = tmp_path / "first.image", tmp_path / "second.image"
    done = build("--tree", archive, "--output", first)
    assert done.returncode == 0, done.stderr
    assert re.search(r"for x86-64, made in [0-9.]+ s\n.*: \d+ files and directories, [0-9.]+ MiB\n", done.stdout)
    assert build("--tree", archive, "--output", second).returncode == 0
    assert first.read_bytes() == second.read_bytes()

    pot = own_honeypot(image=first)
    out = pot.ssh("cat /etc/mine; stat -c '%U %g %a %Y' /etc/mine; id -u; ls /").stdout.decode().splitlines()
    assert out[:3] == ["a file of mine", "ops 1007 640 1600000000", "0"]
    assert {"bin", "etc", "root", "proc"} <= set(out[3:])


def test_what_is_no_machine_is_refused(tmp_path):
    def said(files):
        with tarfile.open(tmp_path / "x.tar", "w") as tar:
            for name, data in files.items():
                member = tarfile.TarInfo(name)
                member.size, member.mode = len(data), 0o755
                tar.addfile(member, io.BytesIO(data))
        done = build("--tree", tmp_path / "x.tar", "--output", tmp_path / "image")
        assert done.returncode == 1
        return done.stderr

    passwd = {"etc/passwd": b"root:x:0:0::/:/bin/sh\n"}
    elf = b"\x7fELF\x02\x01\x01" + bytes(9) + b"\x02\x00\xf7\x00" + bytes(40)
    assert "no /bin/sh" in said(passwd)
    assert "no program" in said({**passwd, "bin/sh": b"#!/bin/x\n"})
    assert "does not have (e_machine 247)" in said({**passwd, "bin/sh": elf})
    assert "no root" in said({"bin/sh": elf})
    assert "leads out" in said({"../x": b""})
    for target in ("not/there", "etc"):  # a folder within itself would have no end
        with tarfile.open(tmp_path / "x.tar", "w") as tar:
            folder, link = tarfile.TarInfo("etc"), tarfile.TarInfo("etc/x")
            folder.type, link.type, link.linkname = tarfile.DIRTYPE, tarfile.LNKTYPE, target
            tar.addfile(folder)
            tar.addfile(link)
        assert "is a hard link" in build("--tree", tmp_path / "x.tar", "--output", tmp_path / "image").stderr
    assert build("--tree", tmp_path / "none", "--output", tmp_path / "image").returncode == 1
    assert build("--tree", tmp_path).returncode == 2
