"""The guard: what is asked of every request before any endpoint sees it, and what every answer carries. Plain ASGI."""

from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import attrs
import trio
from starlette.datastructures import Headers, MutableHeaders
from starlette.websockets import WebSocket

from actors.gateway.access import Caller
from actors.gateway.desk import CALLER, Desk
from actors.gateway.problems import Problem
from pipeline.events import Trouble

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

MOST_HEADERS = 64
LONGEST_PATH = 2048
JSON = "application/json"
HEADERS = {
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "permissions-policy": "microphone=(self), camera=(), geolocation=(), payment=(), usb=()",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
NOTED = {
    "/api/token": "token",
    "/api/login": "login",
    "/api/revocations": "revocation",
    "/api/relay": "session.begin",
}
HSTS = "max-age=31536000"


def policy(caller: Caller | None, live_url: str) -> str:
    """Gives the Content-Security-Policy: scripts, styles and sockets of our own, and the Live service's socket."""
    ours = "" if caller is None else f" {'wss' if caller.secure else 'ws'}://{caller.host}"
    return (
        f"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; font-src 'self'; "
        f"media-src 'self' blob:; worker-src 'self'; manifest-src 'self'; connect-src 'self'{ours} {live_url}; "
        f"base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    )


@attrs.define
class Guard:
    """Wraps the application; whatever goes wrong inside comes out as a problem document."""

    app: App
    desk: Desk

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Judges one connection and hands it on."""
        if scope["type"] not in ("http", "websocket"):
            return
        answer = _Answer(send, self.desk)
        try:
            await self._judge(scope, answer)
            if scope["type"] == "http":
                limits = self.desk.settings.limits
                receive = await _whole(receive, limits.body, limits.patience)
            await self.app(scope, receive, answer.send)
        except Problem as problem:
            await self._refuse(problem, scope, receive, answer)
        except Exception as error:  # noqa: BLE001 - a bug of ours must not end the gateway
            what = f"{scope['path'][:80]!r} failed: {type(error).__name__}"
            self.desk.bus.publish(Trouble(what, "gateway", "the request is answered with 500"))
            await self._refuse(Problem("broken", "The gateway failed; its log says where."), scope, receive, answer)

    async def _judge(self, scope: Scope, answer: "_Answer") -> None:
        limits = self.desk.settings.limits
        if len(scope["headers"]) > MOST_HEADERS:
            raise Problem("headers-too-large", f"A request has at most {MOST_HEADERS} headers.")
        if sum(len(name) + len(value) for name, value in scope["headers"]) > limits.headers:
            raise Problem("headers-too-large", f"The headers of a request have at most {limits.headers} bytes.")
        if len(scope.get("raw_path") or b"") > LONGEST_PATH:
            raise Problem("headers-too-large", f"A path has at most {LONGEST_PATH} bytes.")
        door = self.desk.door
        caller = answer.caller = scope[CALLER] = door.caller(scope)
        if scope["path"].startswith("/api/"):
            await self.desk.take(limits.requests_per_address, caller.address, "requests")
        door.check_origin(scope, caller)
        headers = Headers(scope=dict(scope))
        length = headers.get("content-length", "")
        if length and "transfer-encoding" in headers:  # a proxy in front may believe the other one
            raise Problem("not-understood", "The request says in two ways where its body ends.")
        if length.isdecimal() and int(length[:20]) > limits.body:
            raise Problem("too-large", f"A body has at most {limits.body} bytes.")
        has_body = length not in ("", "0") or "transfer-encoding" in headers
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if has_body and scope["type"] == "http" and kind != JSON:
            raise Problem("wrong-kind", f"A body is {JSON}.")

    async def _refuse(self, problem: Problem, scope: Scope, receive: Receive, answer: "_Answer") -> None:
        """Notes what was refused, and answers with a problem, if there is still time to answer at all."""
        self._note(problem, scope, answer.caller)
        if answer.begun:
            return
        response = problem.response()
        if scope["type"] == "http":
            await response(scope, receive, answer.send)
            return
        websocket = WebSocket(scope, receive, answer.send)
        if problem.slug != "too-often":
            await websocket.send_denial_response(response)
            return
        await websocket.accept()  # a page reads no status, and would take the gateway for gone
        await websocket.close(4000 + problem.status, problem.farewell)

    def _note(self, problem: Problem, scope: Scope, caller: Caller | None) -> None:
        """Counts a refusal, and puts it into the audit log, under what was asked for."""
        what = NOTED.get(scope["path"], "request")
        address = caller.address if caller is not None else str((scope.get("client") or ("unknown",))[0])
        if what == "token":
            self.desk.counts.token(given=False)
        self.desk.refuse(what, address, problem)


@attrs.define
class _Answer:
    """Sends what the application says, with the headers that every answer has."""

    _send: Send
    _desk: Desk
    caller: Caller | None = None
    begun: bool = False

    async def send(self, message: Message) -> None:
        if message["type"] in ("http.response.start", "websocket.http.response.start"):
            self.begun = True
            headers = MutableHeaders(raw=message.setdefault("headers", []))
            live = "" if self.caller is None else self._desk.live_url_for(self.caller)
            for name, value in HEADERS.items():
                headers.setdefault(name, value)
            headers.setdefault("content-security-policy", policy(self.caller, live))
            if self.caller is not None and self.caller.secure:
                headers.setdefault("strict-transport-security", HSTS)
        elif message["type"] == "websocket.accept":
            self.begun = True
        await self._send(message)


async def _whole(receive: Receive, most: int, patience: float) -> Receive:
    """Reads a body whole, within its limits of size and time, and gives a `receive` that hands it over at once."""
    body = bytearray()
    more = True
    with trio.move_on_after(patience):
        while more:
            message = await receive()
            if message["type"] != "http.request":
                break
            body += message.get("body", b"")
            more = message.get("more_body", False)
            if len(body) > most:
                raise Problem("too-large", f"A body has at most {most} bytes.")
    if more:
        raise Problem("too-slow", "The body did not arrive in time.")
    waiting: list[Message] = [{"type": "http.request", "body": bytes(body), "more_body": False}]

    async def hand_over() -> Message:
        return waiting.pop() if waiting else await receive()

    return hand_over
