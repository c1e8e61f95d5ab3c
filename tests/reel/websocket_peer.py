#!/usr/bin/python3
"""The other side for websocket_peer_test: python3-websockets as a server and as a client.

usage: websocket_peer.py               serves: echoes, prints its port
       websocket_peer.py URL           connects, and prints what it saw
"""
import asyncio
import sys

import websockets


async def echo(ws):
    async for message in ws:
        if message == "close":
            await ws.close(4001, "as you say")
        await ws.send(message)


async def serve():
    async with websockets.serve(echo, "127.0.0.1", 0, subprotocols=["chat"], max_size=None) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()


async def ask(url):
    async with websockets.connect(url, subprotocols=["nothing", "chat"], max_size=None) as ws:
        print("protocol", ws.subprotocol)
        for message in ("hello", "\u20ac" * 1000, b"\0\1\2", "x" * 300000, ""):
            await ws.send(message)
            print("same", await ws.recv() == message)
        await ws.send(["in ", "parts"])
        print(await ws.recv())
        await (await ws.ping(b"there?"))
        print("pong")
        await ws.close(4002, "done")
    print("closed", ws.close_code, ws.close_reason)
    try:
        await websockets.connect(url, origin="http://evil.example")
    except websockets.InvalidStatusCode as refused:
        print("origin", refused.status_code)
    async with websockets.connect(url) as ws:
        try:
            await ws.send("y" * 2000000)
            await ws.recv()
        except websockets.ConnectionClosed as end:
            print("too big", end.code)


asyncio.run(serve() if len(sys.argv) < 2 else ask(sys.argv[1]))
