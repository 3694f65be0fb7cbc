"""A WebSocket client of the package websockets; e2e/README.md says what its cases are."""

import argparse
import asyncio
import json

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

BIG = bytes(range(251)) * (16 * 1024 * 1024 // 251 + 1)
BIG = BIG[: 16 << 20]


def dial(target, path="/", **options):
    return connect(f"ws://{target}{path}", max_size=32 << 20, ping_interval=None, proxy=None, **options)


async def messages(target):
    async with dial(target) as socket:
        for message in ("text", b"\0\1", "", "\u00e9" * 70000):
            await socket.send(message)
            assert await socket.recv() == message


async def subprotocol(target):
    async with dial(target, subprotocols=["other", "chat"]) as socket:
        assert socket.subprotocol == "chat", socket.subprotocol


async def large(target):
    async with dial(target) as socket:
        await socket.send(BIG)
        assert await socket.recv() == BIG


async def pings(target):
    async with dial(target) as socket:
        await (await socket.ping(b"mark"))
        await socket.send("ping me")
        assert await socket.recv() == "ponged"


async def refused(target):
    try:
        async with dial(target, "/refused"):
            raise AssertionError("let in")
    except InvalidStatus as error:
        assert error.response.status_code == 403, error


async def code(target):
    async with dial(target) as socket:
        await socket.close(4001, "done")
        assert socket.close_code == 4001, socket.close_code


async def hold(target):
    async with dial(target) as socket:
        while True:
            await socket.send("still here")
            try:
                await socket.recv()
                print("open", flush=True)
                await socket.wait_closed()
            except ConnectionClosed:
                pass
            print("closed", socket.close_code, flush=True)
            return


CASES = [messages, subprotocol, large, pings, refused, code]


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--target", required=True)
    parser.add_argument("--hold", action="store_true")
    arguments = parser.parse_args()
    if arguments.hold:
        return await hold(arguments.target)
    for case in CASES:
        try:
            await asyncio.wait_for(case(arguments.target), 30)
            outcome = {"ok": True}
        except Exception as error:
            outcome = {"ok": False, "detail": repr(error)}
        print(json.dumps({"case": case.__name__, **outcome}), flush=True)


asyncio.run(main())
