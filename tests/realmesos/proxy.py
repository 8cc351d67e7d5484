"""A port of its own for every agent.

All agents live in the master's process, so agent i is served at /slave(i)/ of the master's port; executors and tools
expect /api/v1/executor, /files and /state at the root of the agent's port. This proxy reads what a client sends as
HTTP/1.1 requests (keep-alive, pipelined, with a body by length or in chunks) to put the prefix before each path, and
passes the agent's answers through as they are.
"""
from __future__ import annotations

import asyncio
import contextlib
import re
import socket

PIECE = 1 << 18
SHARED = (b"files", b"version", b"metrics", b"logging", b"system", b"profiler")
"""Served once for the whole process."""
CONTENT_LENGTH = re.compile(rb"(?im)^content-length:[ \t]*(\d+)")
CHUNKED = re.compile(rb"(?im)^transfer-encoding:[^\r\n]*\bchunked\b")


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copies until the agent ends its side, then ends the client's."""
    with contextlib.suppress(ConnectionError):
        while data := await reader.read(PIECE):
            writer.write(data)
            await writer.drain()
    writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, size: int) -> None:
    while size:
        data = await reader.read(min(size, PIECE))
        if not data:
            raise ConnectionResetError("the client ended within a request")
        size -= len(data)
        writer.write(data)
        await writer.drain()


async def _copy_chunks(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        line = await reader.readuntil(b"\r\n")
        writer.write(line)
        size = int(line.split(b";")[0], 16)
        if size == 0:
            break
        await _copy(reader, writer, size + 2)
    while (line := await reader.readuntil(b"\r\n")) != b"\r\n":  # trailers
        writer.write(line)
    writer.write(b"\r\n")
    await writer.drain()


async def _requests(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, prefix: bytes) -> None:
    while True:
        line, rest = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n", 1)
        method, path, protocol = line.split(b" ")
        if path.split(b"/", 2)[1].split(b"?")[0] not in (prefix[1:], *SHARED):
            path = prefix + path
        head = b" ".join((method, path, protocol)) + b"\r\n" + rest
        if CHUNKED.search(rest):
            writer.write(head)
            await _copy_chunks(reader, writer)
        else:
            length = CONTENT_LENGTH.search(rest)
            size = int(length[1]) if length else 0
            if 0 < size < PIECE:
                # Head and body in one segment: Nagle's algorithm would hold back the second of two.
                head += await reader.readexactly(size)
                size = 0
            writer.write(head)
            await writer.drain()
            await _copy(reader, writer, size)


async def _serve(
        client: asyncio.StreamReader, back: asyncio.StreamWriter, ip: str, port: int, prefix: bytes) -> None:
    try:
        answers, agent = await asyncio.open_connection(ip, port)
    except OSError:
        back.close()
        return
    for writer in (agent, back):
        writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    passing = asyncio.ensure_future(_pass_on(answers, back))
    try:
        await _requests(client, agent, prefix)
    except asyncio.IncompleteReadError as e:
        # The client has said all it will say; answers that are under way still reach it.
        if not e.partial and agent.can_write_eof() and not agent.is_closing():
            with contextlib.suppress(OSError):
                agent.write_eof()
            await asyncio.wait([passing], timeout=10)
    except (ConnectionError, ValueError, asyncio.LimitOverrunError):
        pass
    finally:
        agent.close()
        back.close()
        passing.cancel()


async def serve_agent(listener: socket.socket, port: int, number: int) -> asyncio.AbstractServer:
    """Serves agent `number` of the libmesos at `port` on the bound socket."""
    ip = listener.getsockname()[0]
    prefix = b"/slave(%d)" % number
    return await asyncio.start_server(
        lambda reader, writer: _serve(reader, writer, ip, port, prefix), sock=listener, limit=1 << 20)
