"""The application: every endpoint, the pages, the relay's socket, and problem documents for all that goes wrong."""

import json
from collections.abc import Awaitable, Callable
from typing import Any

import trio
from fastapi import FastAPI
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.middleware.cors import CORSMiddleware
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.websockets import WebSocket

from actors.gateway.api import api
from actors.gateway.description import describe
from actors.gateway.desk import Desk
from actors.gateway.doors import doors
from actors.gateway.guard import App, Guard
from actors.gateway.pages import pages, routes
from actors.gateway.problems import Problem


class _Plain(JSONResponse):
    """JSON in ASCII, so that half a character in a tool's answer cannot break it."""

    def render(self, content: object) -> bytes:
        return json.dumps(content, separators=(",", ":")).encode("ascii")


Relay = Callable[[WebSocket, Desk], Awaitable[None]]


def build(desk: Desk, relay: Relay | None = None) -> App:
    """Builds the application around a desk; `relay` serves the conversations of /api/relay, if there are to be any."""
    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        default_response_class=_Plain,
        redirect_slashes=False,
        exception_handlers={
            Problem: _problem,
            HTTPException: _problem,
            RequestValidationError: _problem,
            Exception: _problem,
        },
    )
    app.state.desk = desk
    app.include_router(api)
    app.include_router(doors)
    app.router.routes.extend(routes(pages()))

    if relay is not None:

        async def socket(websocket: WebSocket) -> None:
            await relay(websocket, desk)

        app.router.add_websocket_route("/api/relay", socket)
    app.router.add_route("/openapi.json", _document, methods=["GET", "HEAD"], include_in_schema=False)
    inner: Any = app
    if desk.settings.origins:
        inner = CORSMiddleware(
            app,
            allow_origins=desk.settings.origins,
            allow_methods=("GET", "POST", "DELETE"),
            allow_headers=("Authorization", "Content-Type"),
            expose_headers=("Retry-After",),
        )
    return Guard(inner, desk)


async def _document(request: Request) -> Response:
    """Gives the OpenAPI document; it names the operator's tools, so it is for those who may use them."""
    desk: Desk = request.app.state.desk
    if not desk.open_to_all:
        await desk.identify(request)
    return _Plain(describe(request.app.routes, desk))


async def _problem(request: Request, error: Exception) -> Response:
    """Words any error as a problem document."""
    await trio.lowlevel.checkpoint()  # a function without await would get a thread
    problem = _worded(error)
    request.app.state.desk.counts.problem(problem.slug)
    response = problem.response()
    response.headers.update(getattr(error, "headers", None) or {})
    return response


def _worded(error: Exception) -> Problem:
    if isinstance(error, Problem):
        return error
    if isinstance(error, HTTPException):
        return Problem.of_status(error.status_code)
    if isinstance(error, RequestValidationError):
        found = [f"{'.'.join(str(part) for part in one['loc'])}: {one['msg']}" for one in error.errors()[:5]]
        return Problem("not-allowed", "; ".join(found)[:1000])
    return Problem("broken", "The gateway failed; its log says where.")
