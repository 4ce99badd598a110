"""A TCP proxy on loopback that can refuse, hang, and swallow answers."""

from __future__ import annotations

import asyncio
import ssl
import threading

from orgtrail_deploy.local.ports import LOOPBACK


class Proxy:
    """Passes bytes between ``port`` and ``target``, in a thread of its own."""

    def __init__(self, port: int, target: int, tls: ssl.SSLContext | None = None) -> None:
        """With ``tls`` it ends the clients' encryption, as a proxy before a server does."""
        self.port = port
        self.swallowed = 0
        self._target = target
        self._tls = tls
        self._swallow = 0
        self._marker = b""
        self._open = True
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._streams: set[asyncio.StreamWriter] = set()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()
        self._do(self._start())

    def swallow(self, answers: int, marker: bytes) -> None:
        """Let so many requests that hold ``marker`` through, and cut the line when they answer."""
        self._swallow, self._marker = answers, marker

    def freeze(self) -> None:
        """Pass nothing on any more, and keep the lines open: a server that hangs."""
        self._loop.call_soon_threadsafe(self._flowing.clear)

    def thaw(self) -> None:
        """Pass on what comes from now on."""
        self._loop.call_soon_threadsafe(self._flowing.set)

    def cut(self) -> None:
        """Break every connection and refuse new ones."""
        self._open = False
        self._do(self._break())

    def mend(self) -> None:
        """Take connections again."""
        self._open = True

    def close(self) -> None:
        self.cut()
        self._do(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()

    def _do(self, work) -> None:  # type: ignore[no-untyped-def]
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _start(self) -> None:
        await asyncio.start_server(self._serve, LOOPBACK, self.port, ssl=self._tls)

    async def _break(self) -> None:
        for stream in list(self._streams):
            stream.transport.abort()

    async def _end(self) -> None:
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if not self._open:
            writer.transport.abort()
            return
        try:
            there, out = await asyncio.open_connection(LOOPBACK, self._target)
        except OSError:
            writer.transport.abort()
            return
        self._streams |= {writer, out}
        asked = {"marked": False}
        ways = [
            asyncio.ensure_future(self._pass(reader, out, asked, requests=True)),
            asyncio.ensure_future(self._pass(there, writer, asked, requests=False)),
        ]
        # When one side ends the other must see it, as it would without a proxy.
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for stream in (writer, out):
            stream.transport.abort()
        await asyncio.gather(*ways, return_exceptions=True)
        self._streams -= {writer, out}

    async def _pass(
        self,
        source: asyncio.StreamReader,
        sink: asyncio.StreamWriter,
        asked: dict[str, bool],
        *,
        requests: bool,
    ) -> None:
        while data := await source.read(1 << 16):
            if requests and self._swallow and self._marker in data:
                asked["marked"] = True
            if not requests and asked["marked"] and self._swallow:
                self._swallow -= 1
                self.swallowed += 1
                break
            await self._flowing.wait()
            sink.write(data)
            await sink.drain()
