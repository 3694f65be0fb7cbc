"""A WebSocket server of the package websockets; e2e/README.md says what it does."""

import asyncio
from http import HTTPStatus

from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed


async def echo(socket):
    try:
        async for message in socket:
            if message == "ping me":
                await (await socket.ping())
                message = "ponged"
            await socket.send(message)
    except ConnectionClosed:
        pass
    await socket.wait_closed()
    print("closed", socket.close_code, flush=True)


def refuse(connection, request):
    if request.path == "/refused":
        return connection.respond(HTTPStatus.FORBIDDEN, "not here\n")
    return None


def choose(connection, offered):
    return "chat" if "chat" in offered else None


async def main():
    options = {"select_subprotocol": choose, "process_request": refuse, "max_size": 32 << 20}
    async with serve(echo, "127.0.0.1", 0, ping_interval=None, **options) as server:
        print("listening", server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()


asyncio.run(main())
