"""Makes the small image that image_test reads: make_small.py PERSONA_BUILD OUTPUT.

The folder goes through the builder's --directory; devices and a pipe, which take root to make,
are added in memory.
"""
import hashlib
import importlib.machinery
import importlib.util
import os
import stat
import sys
import tempfile


def load(path):
    loader = importlib.machinery.SourceFileLoader('persona_build', path)
    spec = importlib.util.spec_from_loader('persona_build', loader)
    module = importlib.util.module_from_spec(spec)
    loader.exec_module(module)
    return module


def write(folder, name, data, mode):
    path = os.path.join(folder, name)
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, 'wb') as f:
        f.write(data)
    os.chmod(path, mode)
    return path


# Two blocks that shrink, one that does not, and the beginning of another.
PACKED = (bytes(i % 251 for i in range(131072)) +
          b''.join(hashlib.sha256(b'%d' % i).digest() for i in range(2048)) + b'the end\n' * 1000)


def make_folder(folder):
    os.umask(0o022)
    hello = write(folder, 'usr/bin/hello', b'hello\n', 0o4755)
    os.link(hello, os.path.join(folder, 'usr/bin/hallo'))
    write(folder, 'usr/bin/same', b'hello\n', 0o755)
    write(folder, 'usr/share/large', bytes(i % 251 for i in range(10000)), 0o644)
    write(folder, 'usr/share/packed', PACKED, 0o644)
    write(folder, 'etc/empty', b'', 0o600)
    write(folder, 'etc/passwd', b'root:x:0:0:root:/root:/bin/sh\n', 0o644)
    os.symlink('usr/bin', os.path.join(folder, 'bin'))
    os.symlink('../bin/hello', os.path.join(folder, 'etc/hello'))
    os.symlink('/etc/loop', os.path.join(folder, 'etc/loop'))
    os.symlink('nowhere', os.path.join(folder, 'etc/dangling'))
    os.mkdir(os.path.join(folder, 'tmp'))
    os.chmod(os.path.join(folder, 'tmp'), 0o1777)
    for i in range(30):
        write(folder, 'many/%02d' % i, b'one of many\n', 0o644)


def main():
    sys.dont_write_bytecode = True
    build = load(sys.argv[1])
    with tempfile.TemporaryDirectory() as folder:
        make_folder(folder)
        tree = build.build_directory(folder)
    for path in ('usr/bin/hello', 'usr/bin/same', 'usr/share/large'):
        tree.find(path).placing = 'keep'
    tree.put('dev', build.Node(stat.S_IFDIR | 0o755))
    tree.put('dev/null', build.Node(stat.S_IFCHR | 0o666, device=(1, 3), mtime=7))
    tree.put('dev/vda', build.Node(stat.S_IFBLK | 0o660, gid=6, device=(254, 0)))
    tree.put('dev/pipe', build.Node(stat.S_IFIFO | 0o600))
    pieces, _, _ = build.serialize(tree)
    with open(sys.argv[2], 'wb') as f:
        f.writelines(pieces)


main()
