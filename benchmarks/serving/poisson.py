"""A light HTTP client whose requests come by chance, whether earlier ones are answered or not."""

import asyncio
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlsplit

import uvloop

OK = 200


@dataclass(frozen=True)
class Answer:
    """A status, 0 where the connection broke; seconds since the request was due."""

    status: int
    seconds: float


def arrivals(rate: float, seconds: float, seed: int) -> list[float]:
    """The times of a Poisson process of that many a second."""
    generator, times, now = random.Random(seed), [], 0.0  # noqa: S311 - no secret
    while (now := now + generator.expovariate(rate)) < seconds:
        times.append(now)
    return times


def send(url: str, photos: Sequence[bytes], times: Sequence[float]) -> list[Answer]:
    """Post photos at these times, each on a connection that is free, or on a new one.

    Latency counts from when a request was due, so that a client that falls behind does not hide
    it ("coordinated omission").
    """
    return uvloop.run(_Client(url, photos).send(times))


class _Client:
    def __init__(self, url: str, photos: Sequence[bytes]) -> None:
        parts = urlsplit(url)
        self._host, self._port = parts.hostname or "", parts.port or 80
        head = f"POST {parts.path} HTTP/1.1\r\nHost: {parts.netloc}\r\nContent-Type: image/jpeg\r\n"
        self._requests = [
            f"{head}Content-Length: {len(photo)}\r\n\r\n".encode() + photo for photo in photos
        ]
        self._free: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def send(self, times: Sequence[float]) -> list[Answer]:
        tasks, start = [], time.perf_counter()
        for number, due in enumerate(times):
            await asyncio.sleep(max(0.0, start + due - time.perf_counter()))
            request = self._requests[number % len(self._requests)]
            tasks.append(asyncio.create_task(self._post(request, start + due)))
        answers = await asyncio.gather(*tasks)
        for _, writer in self._free:
            writer.close()
        return answers

    async def _connection(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        while self._free:
            reader, writer = self._free.pop()
            # Servers close what has been idle for long.
            if not (reader.at_eof() or writer.is_closing()):
                return reader, writer
            writer.close()
        return await asyncio.open_connection(self._host, self._port)

    async def _post(self, request: bytes, due: float) -> Answer:
        try:
            reader, writer = await self._connection()
            writer.write(request)
            head = await reader.readuntil(b"\r\n\r\n")
            lines = head.lower().split(b"\r\n")
            length = next(int(line[15:]) for line in lines if line.startswith(b"content-length:"))
            await reader.readexactly(length)
        except (OSError, asyncio.IncompleteReadError):
            return Answer(0, time.perf_counter() - due)
        self._free.append((reader, writer))
        return Answer(int(head[9:12]), time.perf_counter() - due)
