"""The front door of a connection: HTTP/1.1 over any Trio stream, up to the moment it becomes a WebSocket.

h11 reads and writes, this module waits. Plain requests are answered one after the other on the same connection.
"""

import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from urllib.parse import parse_qsl, urlsplit

import attrs
import h11
import msgspec
import trio
from wsproto.utilities import generate_accept_token

_PATIENCE = 10.0  # seconds for a whole request to arrive, and for its answer to be taken
_LONGEST_HEAD = 32 << 10
_LONGEST_BODY = 256 << 10
_READ = 16 << 10
_WEBSOCKET_VERSION = "13"  # RFC 6455, 4.1
_NAMES = {
    HTTPStatus.BAD_REQUEST: "INVALID_ARGUMENT",
    HTTPStatus.UNAUTHORIZED: "UNAUTHENTICATED",
    HTTPStatus.FORBIDDEN: "PERMISSION_DENIED",
    HTTPStatus.INTERNAL_SERVER_ERROR: "INTERNAL",
}  # google.rpc.Code, where it has another word than HTTP


@attrs.frozen
class Request:
    """One request. `path` has no doubled slashes; `headers` are named in lower case; of several the last counts."""

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""

    @property
    def wants_websocket(self) -> bool:
        """Whether the connection is to become a WebSocket."""
        return self.headers.get("upgrade", "").lower() == "websocket"


@attrs.frozen
class Response:
    """An answer with a JSON body, and headers beside those that describe it."""

    status: int
    body: Mapping[str, object]
    headers: Mapping[str, str] = attrs.field(factory=dict)


Answer = Callable[[Request], Response]


def failure(status: HTTPStatus, message: str) -> Response:
    """Gives an error the way Google's HTTP services word it."""
    name = _NAMES.get(status, status.name)
    return Response(status, {"error": {"code": int(status), "message": message, "status": name}})


async def enter(stream: trio.abc.Stream, answer: Answer) -> tuple[Request, bytes] | None:
    """Answers requests until one makes the connection a WebSocket: that request, and the bytes that came behind it.

    None when it never becomes one; then the stream is closed, as it is on cancellation. The far end's faults raise
    nothing.
    """
    connection = h11.Connection(h11.SERVER, max_incomplete_event_size=_LONGEST_HEAD)
    try:
        with trio.move_on_after(_PATIENCE) as scope:
            while (request := await _next_request(stream, connection)) is not None:
                if await _answered(stream, connection, request, answer):
                    break
                scope.deadline = trio.current_time() + _PATIENCE
            if request is not None and connection.our_state is h11.SWITCHED_PROTOCOL:
                return request, connection.trailing_data[0]
    except (trio.BrokenResourceError, trio.ClosedResourceError):
        return None
    finally:
        if connection.our_state is not h11.SWITCHED_PROTOCOL:
            await trio.aclose_forcefully(stream)
    return None


async def _next_request(stream: trio.abc.Stream, connection: h11.Connection) -> Request | None:
    """Waits for a whole request; None when there is none to come, the error already told."""
    head: h11.Request | None = None
    body = bytearray()
    while True:
        try:
            event = connection.next_event()
        except h11.RemoteProtocolError as error:
            refusal = failure(HTTPStatus(error.error_status_hint), "The request is not HTTP/1.1 as it should be.")
            await _send(stream, connection, refusal, _method(head))
            return None
        if event is h11.NEED_DATA:
            if connection.they_are_waiting_for_100_continue:
                interim = h11.InformationalResponse(status_code=100, headers=[])
                await stream.send_all(connection.send(interim) or b"")
            connection.receive_data(bytes(await stream.receive_some(_READ)))
        elif isinstance(event, h11.Request):
            head = event
        elif isinstance(event, h11.Data):
            body += event.data
            if len(body) > _LONGEST_BODY:
                refusal = failure(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"A body has at most {_LONGEST_BODY} bytes.")
                await _send(stream, connection, refusal, _method(head))
                return None
        elif isinstance(event, h11.EndOfMessage) and head is not None:
            request = _request(head, bytes(body))
            if request is None:
                refusal = failure(HTTPStatus.BAD_REQUEST, "The request's target is no URL.")
                await _send(stream, connection, refusal, _method(head))
            return request
        else:
            return None


def _method(head: h11.Request | None) -> str:
    return head.method.decode("ascii") if head is not None else ""


def _request(head: h11.Request, body: bytes) -> Request | None:
    """Gives the request as its answer needs it; None where it asks for no URL."""
    target = head.target.decode("ascii", errors="replace")
    path, _, query = target.partition("?")
    try:
        if not path.startswith("/"):
            path = urlsplit(path).path if "//" in path else path
    except ValueError:
        return None
    return Request(
        method=_method(head),
        path=re.sub("/{2,}", "/", path),
        query=dict(parse_qsl(query, keep_blank_values=True)),
        headers={name.decode("ascii"): value.decode("latin-1") for name, value in head.headers},
        body=body,
    )


async def _answered(stream: trio.abc.Stream, connection: h11.Connection, request: Request, answer: Answer) -> bool:
    """Answers one request; True when no other can follow."""
    if request.wants_websocket:
        refusal = _refusal(request)
        if refusal is None:
            token = generate_accept_token(request.headers["sec-websocket-key"].encode("latin-1"))
            headers = [
                ("Upgrade", "websocket"),
                ("Connection", "Upgrade"),
                ("Sec-WebSocket-Accept", str(token, "ascii")),
            ]
            accepted = h11.InformationalResponse(status_code=101, headers=headers)
            await stream.send_all(connection.send(accepted) or b"")
            return True
        await _send(stream, connection, refusal, request.method)
        return True
    await _send(stream, connection, answer(request), request.method)
    if connection.our_state is not h11.DONE or connection.their_state is not h11.DONE:
        return True
    connection.start_next_cycle()
    return False


def _refusal(request: Request) -> Response | None:
    headers = request.headers
    if request.method != "GET" or not headers.get("sec-websocket-key"):
        return failure(HTTPStatus.BAD_REQUEST, "A WebSocket begins with GET and Sec-WebSocket-Key.")
    if headers.get("sec-websocket-version") != _WEBSOCKET_VERSION:
        return failure(HTTPStatus.UPGRADE_REQUIRED, "Only version 13 of the WebSocket protocol is spoken here.")
    return None


async def _send(stream: trio.abc.Stream, connection: h11.Connection, response: Response, method: str = "") -> None:
    body = msgspec.json.encode(response.body)
    headers = [("Content-Type", "application/json; charset=UTF-8"), ("Content-Length", str(len(body)))]
    headers += response.headers.items()
    if connection.our_state not in {h11.IDLE, h11.SEND_RESPONSE}:
        return
    head = h11.Response(status_code=response.status, headers=headers)
    told = [] if method == "HEAD" else [h11.Data(data=body)]
    data = [connection.send(event) or b"" for event in (head, *told, h11.EndOfMessage())]
    await stream.send_all(b"".join(data))
