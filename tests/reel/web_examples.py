#!/usr/bin/python3
"""The guide's examples at work: fetch asks Python's server, and Python speaks with the WebSocket server.

usage: web_examples.py FETCH WSECHO
"""
import asyncio
import os
import pathlib
import subprocess
import sys
import tempfile

import websockets


def check_fetch(program):
    server = subprocess.Popen([sys.executable, pathlib.Path(__file__).parent / "http_files.py"],
                              stdout=subprocess.PIPE, text=True)
    try:
        url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
        assert subprocess.run([program, url + "/moved"], capture_output=True, check=True).stdout \
            == b"packed " * 1000
    finally:
        server.kill()
        server.wait()
    refused = subprocess.run([program, url], capture_output=True, check=True)
    assert refused.stdout == b"" and b"refused" in refused.stderr, refused


async def speak(path):
    for _ in range(1000):
        try:
            async with websockets.unix_connect(path, "ws://localhost/echo") as ws:
                await ws.send("hello")
                assert await ws.recv() == "hello"
                return
        except (FileNotFoundError, ConnectionRefusedError):
            await asyncio.sleep(0.01)
    raise AssertionError("nobody listens")


def check_wsecho(program):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "s")
        server = subprocess.Popen([program, f"unix:{path}"])
        try:
            asyncio.run(speak(path))
        finally:
            server.kill()
            server.wait()


check_fetch(sys.argv[1])
check_wsecho(sys.argv[2])
