"""What the server answers to bytes that never become a request."""

import asyncio

import msgspec
import pytest
from uvicorn.config import Config
from uvicorn.server import ServerState

from orgtrail_query_service.http.protocol import Protocol
from orgtrail_query_service.problems import ProblemBody, bad_request


class Transport(asyncio.Transport):
    def __init__(self):
        super().__init__()
        self.written, self.closed, self.aborted = b"", False, False

    def write(self, data):
        self.written += data

    def close(self):
        self.closed = True

    def abort(self):
        self.aborted = True

    def is_closing(self):
        return self.closed


async def answer_to(data):
    async def app(scope, receive, send):
        raise AssertionError("the application must not be reached")

    config = Config(app, http=Protocol, lifespan="off")
    config.load()
    protocol, transport = Protocol(config, ServerState(), {}), Transport()
    protocol.connection_made(transport)
    protocol.data_received(data)
    await asyncio.sleep(0)
    return transport


@pytest.mark.parametrize(
    "data",
    [
        b"nonsense\r\n\r\n",
        b"GET / HTTP/1.1\r\nbad header\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
        b"GET /" + b"a" * 70_000,
    ],
    ids=lambda data: ascii(data[:20]),
)
async def test_a_malformed_request_is_answered_with_a_problem_and_closed(data):
    transport = await answer_to(data)
    head, _, body = transport.written.partition(b"\r\n\r\n")
    lines = head.decode("ascii").split("\r\n")
    headers = dict(line.split(": ") for line in lines[1:])
    assert lines[0] == "HTTP/1.1 400 Bad Request"
    assert headers["content-type"] == "application/problem+json"
    assert (int(headers["content-length"]), headers["connection"]) == (len(body), "close")
    assert msgspec.json.decode(body, type=ProblemBody) == bad_request().body
    assert transport.closed


async def test_no_second_answer_is_written_into_one_that_runs():
    """A body with a malformed chunk, while its request is being answered."""
    started = asyncio.Event()

    async def app(_scope, receive, send):
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        started.set()
        await asyncio.sleep(60)

    config = Config(app, http=Protocol, lifespan="off")
    config.load()
    protocol, transport = Protocol(config, ServerState(), {}), Transport()
    protocol.connection_made(transport)
    protocol.data_received(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    await started.wait()
    protocol.data_received(b"zz\r\n")
    assert transport.written.count(b"HTTP/1.1 ") == 1
    assert transport.aborted
