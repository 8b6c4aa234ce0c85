"""What an operator sees of relayed conversations: their traces at a collector, and the counts at /metrics."""

import gzip
import re
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import attrs
import pytest


@attrs.define
class Collector:
    """An OTLP receiver on loopback."""

    url: str
    bodies: list[bytes] = attrs.field(factory=list)

    def spans(self) -> list[Any]:
        """Everything that has come, read by the official definitions."""
        from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

        requests = [ExportTraceServiceRequest.FromString(body) for body in self.bodies]
        return [
            s for one in requests for batch in one.resource_spans for scope in batch.scope_spans for s in scope.spans
        ]


@pytest.fixture
def collector() -> Iterator[Collector]:
    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            found.bodies.append(gzip.decompress(body) if self.headers.get("content-encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    found = Collector(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield found
    server.shutdown()
    thread.join()
    server.server_close()


def wait_for(done: Callable[[], object], patience: float = 20.0) -> None:
    until = time.monotonic() + patience
    while not done():
        assert time.monotonic() < until, "it never came"
        time.sleep(0.1)


def test_relayed_conversations_are_traced_and_counted(
    serve: Any, dial: Any, collector: Collector, tmp_path: Any
) -> None:
    variables = {"LAMINAR_PROJECT_API_KEY": "a-laminar-key-of-tests", "LMNR_BASE_URL": collector.url}
    with serve(tmp_path, "--mode", "relay", variables=variables) as gateway, gateway.client() as operator:

        def count(name: str) -> float:
            told = operator.get("/metrics").text
            return sum(float(value) for value in re.findall(rf"^{name}(?:{{.*}})? (\S+)$", told, re.MULTILINE))

        page = dial(gateway.url)
        page.heard("CONNECTED")
        wait_for(lambda: count("assistant_session_up") == 1)
        page.send(type="say", text="What time is it in Tokyo?", number=1)
        page.heard("turn.end")
        wait_for(lambda: count("assistant_turns_total") == 1)
        wait_for(lambda: count("assistant_tools_total") == 1)
        wait_for(lambda: count("gateway_tool_calls_total") == 1)
        page.send(type="end")
        page.closed()
        wait_for(lambda: {"session", "turn", "tool get_time"} <= {span.name for span in collector.spans()})
        wait_for(lambda: count("assistant_session_up") == 0)
        assert operator.post("/api/token").status_code == 201
        assert gateway.stop() == 0
    spans = collector.spans()
    (refresh,) = [span for span in spans if span.name == "token refresh"]
    (turn,) = [span for span in spans if span.name == "turn"]
    assert refresh.trace_id != turn.trace_id  # a conversation's trace is its own
    assert not [body for body in collector.bodies if b"auth_tokens/" in body]
