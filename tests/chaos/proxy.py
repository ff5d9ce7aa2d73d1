"""The network between processes and broker: a TCP proxy that delays, swallows and cuts.

A cut ends every connection in the middle of a frame. A connection that once lost bytes is never used
again: TCP has no holes, so what is swallowed must look like a peer that went away.
"""

import asyncio
import random
import struct
from collections import Counter
from collections.abc import Callable
from contextlib import suppress
from typing import Final, Self

_CHUNK_BYTES: Final = 64 * 1024
# Kafka's protocol: every request begins with its length, its kind, version, number and the client's name.
_HEADER: Final = struct.Struct(">ihhi")
_LENGTH: Final = struct.Struct(">h")
KINDS: Final = {
    "InitProducerId": 22,
    "AddPartitionsToTxn": 24,
    "Produce": 0,
    "AddOffsetsToTxn": 25,
    "TxnOffsetCommit": 28,
    "EndTxn": 26,
}
"""The requests of a commit, in their order; each begins with the transactional id."""
_OFFSET_FETCH: Final = 9
_LOADING: Final = struct.Struct(">iiiih")  # length, number, no throttling, no topics, the error
_LOAD_IN_PROGRESS: Final = 14


class Trap:
    """Springs at the first request of a kind whose transactional id begins as given: it is let through
    or not (`forward`), but its answer never is. `sprung` is called at once."""

    def __init__(self, kind: str, prefix: str, *, forward: bool, sprung: Callable[[], None]) -> None:
        self.forward = forward
        self.sprung = sprung
        self._kind = KINDS[kind]
        self._prefix = prefix.encode()

    def springs(self, frame: bytes) -> bool:
        _, kind, _, _ = _HEADER.unpack_from(frame)
        if kind != self._kind:
            return False
        name = max(0, _LENGTH.unpack_from(frame, _HEADER.size)[0])
        place = _HEADER.size + _LENGTH.size + name
        length = max(0, _LENGTH.unpack_from(frame, place)[0])
        own = frame[place + _LENGTH.size : place + _LENGTH.size + length]
        return own.startswith(self._prefix)


class Proxy:
    """Listens on `port` and passes everything on to `target`, on 127.0.0.1, as long as nothing is set."""

    def __init__(self, port: int, target: int) -> None:
        self.delay_s = 0.0
        self.traps: list[Trap] = []
        self.loading = 0
        """So many questions for committed offsets are answered as by a coordinator that is still loading."""
        self.harm: Counter[str] = Counter()
        self._port = port
        self._target = target
        self._swallowing = False
        self._cut_next = False
        self._writers: set[asyncio.StreamWriter] = set()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self._abort()

    def cut(self) -> None:
        """End every connection; one that carries something meanwhile, in the middle of it."""
        self.harm["cut"] += 1
        self._cut_next = True

        def now() -> None:
            self._cut_next = False
            self._abort()

        asyncio.get_running_loop().call_later(0.2, now)

    async def slow(self, delay_s: float, for_s: float) -> None:
        """Add `delay_s` to everything, each way."""
        self.harm["slow"] += 1
        self.delay_s = delay_s
        await asyncio.sleep(for_s)
        self.delay_s = 0.0

    async def swallow(self, for_s: float) -> None:
        """Let nothing through, and tell nobody."""
        self.harm["swallow"] += 1
        self._swallowing = True
        await asyncio.sleep(for_s)
        self._swallowing = False
        self._abort()

    def _abort(self) -> None:
        for writer in self._writers:
            writer.transport.abort()
        self._writers.clear()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            there_reader, there = await asyncio.open_connection("127.0.0.1", self._target)
        except OSError:
            writer.transport.abort()
            return
        self._writers |= {writer, there}
        try:
            with suppress(OSError, asyncio.IncompleteReadError):
                pumps = [
                    asyncio.create_task(self._requests(reader, there, writer)),
                    asyncio.create_task(self._answers(there_reader, writer)),
                ]
                await asyncio.wait(pumps, return_when=asyncio.FIRST_COMPLETED)
                for pump in pumps:
                    pump.cancel()
                await asyncio.gather(*pumps, return_exceptions=True)
        finally:
            for each in (writer, there):
                self._writers.discard(each)
                each.transport.abort()

    async def _requests(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, back: asyncio.StreamWriter
    ) -> None:
        """Whole frames, since a trap must know what it lets through."""
        while True:
            length = await reader.readexactly(4)
            frame = length + await reader.readexactly(int.from_bytes(length, "big"))
            _, kind, version, number = _HEADER.unpack_from(frame)
            if kind == _OFFSET_FETCH and self.loading:
                assert version == 3, version
                self.loading -= 1
                back.write(_LOADING.pack(_LOADING.size - 4, number, 0, 0, _LOAD_IN_PROGRESS))
                continue
            trap = next((one for one in self.traps if one.springs(frame)), None)
            if trap is not None:
                self.traps.remove(trap)
                if trap.forward:
                    await self._pass(frame, writer)
                trap.sprung()
                return
            await self._pass(frame, writer)

    async def _answers(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(_CHUNK_BYTES):
            await self._pass(data, writer)

    async def _pass(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        if self._swallowing:
            return
        if self.delay_s:
            await asyncio.sleep(self.delay_s)
        if self._cut_next:
            writer.write(data[: random.randrange(len(data))])
            await writer.drain()
            self.harm["mid-frame"] += 1
            raise ConnectionAbortedError
        writer.write(data)
        await writer.drain()
