"""The endpoints for people and machines around the page: login, revocation, health, dashboard, metrics."""

import secrets
from datetime import UTC, datetime
from typing import Any

import trio
from fastapi import APIRouter, Request, Response

from actors.gateway.access import User
from actors.gateway.api import ALWAYS, CHANGES, desk_of
from actors.gateway.bodies import (
    Dashboard,
    Health,
    Latency,
    LoginRequest,
    OpenSessions,
    Revocation,
    RevocationAnswer,
    TokensCounted,
)
from actors.gateway.credentials import same
from actors.gateway.desk import COOKIE, EVERYBODY, LOGIN, Desk, bearer
from actors.gateway.problems import Problem, described

METRICS_TYPE = "text/plain; version=1.0.0; charset=utf-8"
METRICS: dict[int | str, dict[str, Any]] = {200: {"content": {METRICS_TYPE: {"schema": {"type": "string"}}}}}
doors = APIRouter()


@doors.post("/api/login", status_code=204, tags=["login"], responses=described(*CHANGES, "not-signed-in"))
async def login(request: Request, shown: LoginRequest) -> Response:
    """Signs in whoever shows the access key: sets a cookie that scripts cannot read."""
    desk = desk_of(request)
    caller, key = desk.caller(request), desk.environment.access_key
    try:
        await desk.take(desk.settings.limits.logins_per_address, caller.address, "logins")
    except Problem as problem:
        desk.audit.refuse("login", caller.address, problem.slug)
        raise
    if key is None or not same(shown.access_key, key):
        desk.audit.refuse("login", caller.address, "wrong key")
        raise Problem("not-signed-in", "This is not the access key of this gateway.")
    now, life = desk.clock(), desk.settings.login_life
    claims = {"id": secrets.token_hex(8), "user": "owner", "since": now, "until": now + life}
    answer = Response(status_code=204)
    answer.set_cookie(
        COOKIE,
        desk.signer.sign(LOGIN, claims),
        int(life),
        path="/",
        secure=caller.secure,
        httponly=True,
        samesite="strict",
    )
    desk.audit.note("login", user="owner", address=caller.address, outcome="signed in")
    return answer


@doors.post("/api/logout", status_code=204, tags=["login"], responses=described(*CHANGES))
async def logout(request: Request) -> Response:
    """Signs out: the cookie is good for nothing any more, wherever a copy of it may be."""
    desk = desk_of(request)
    claims = desk.signer.read(LOGIN, request.cookies.get(COOKIE, ""), desk.clock())
    if claims is not None:
        await desk.store.put(f"out:{claims.get('id')}", b"1", max(1.0, claims["until"] - desk.clock()))
    answer = Response(status_code=204)
    answer.delete_cookie(COOKIE, path="/", httponly=True, samesite="strict")
    return answer


@doors.post("/api/revocations", tags=["operator"], responses=described(*CHANGES, "not-signed-in"))
async def revoke(request: Request, whose: Revocation) -> RevocationAnswer:
    """Ends all sessions and logins of a user. The operator asks: with the key, by the proxy, or from this machine."""
    desk = desk_of(request)
    caller, user = desk.caller(request), await desk.identify(request)
    try:
        await _check_operator(desk, request, user)
    except Problem as problem:
        desk.audit.refuse("revocation", caller.address, problem.slug, user=user.name)
        raise
    ended = await desk.revoke(whose.user)
    desk.audit.note("revocation", user=whose.user, by=user.name, address=caller.address, ended=ended)
    return RevocationAnswer(ended=ended)


async def _check_operator(desk: Desk, request: Request, user: User) -> None:
    """Problem 403 if this is not the operator, 429 for one who tries keys."""
    if user.how == "local" or (user.how == "proxy" and user.name in desk.settings.operators):
        return
    if desk.shows_key(request):
        return
    if bearer(request) is not None:
        await desk.take(desk.settings.limits.logins_per_address, desk.caller(request).address, "logins")
        await desk.take(desk.settings.limits.logins_per_address, user.name, "logins of a user")
    raise Problem("refused", "Only the operator may do this: with the access key, or as one of [gateway] operators.")


@doors.get("/health", tags=["operator"], responses=described(*ALWAYS[:-2], "broken"))
async def health(request: Request) -> Health:
    """Tells whether the gateway works and is ready, and what is wrong with which part; always 200."""
    return await _health(desk_of(request))


@doors.get("/health/live", status_code=204, tags=["operator"], responses=described(*ALWAYS[:-2], "broken"))
async def live() -> Response:
    """Tells that the process works."""
    await trio.lowlevel.checkpoint()
    return Response(status_code=204)


@doors.get(
    "/health/ready", status_code=204, tags=["operator"], responses=described(*ALWAYS[:-2], "broken", "not-ready")
)
async def ready(request: Request) -> Response:
    """Tells that the gateway can do what it is for; 503 says which part it lacks."""
    found = await _health(desk_of(request))
    if not found.ready:
        wrong = [f"{part}: {word}" for part, word in found.parts.items() if word != "well"]
        raise Problem("not-ready", "; ".join(wrong) or "The gateway ends.", retry_after=5)
    return Response(status_code=204)


@doors.get("/api/dashboard", tags=["operator"], responses=described(*ALWAYS, "not-signed-in", "broken", "not-ready"))
async def dashboard(request: Request) -> Dashboard:
    """Gives numbers without contents: sessions, tokens, errors, latency."""
    desk = desk_of(request)
    await desk.identify(request)
    counts = desk.counts
    return Dashboard(
        since=datetime.fromtimestamp(counts.since, UTC).isoformat(),
        sessions=OpenSessions(
            open=await desk.store.count(EVERYBODY), relayed_here=len(desk.visits), begun_here=counts.sessions_total
        ),
        tokens=TokensCounted(given=counts.tokens_given, refused=counts.tokens_refused),
        turns=counts.turns,
        errors=dict(counts.errors),
        latency_ms=Latency.model_validate(counts.latency()),
        health=await _health(desk),
    )


@doors.get(
    "/metrics",
    tags=["operator"],
    response_class=Response,
    responses=METRICS | described(*ALWAYS, "not-signed-in", "broken", "not-ready"),
)
async def metrics(request: Request) -> Response:
    """Gives the counters in Prometheus' text format; a scraper shows the access key as a bearer token."""
    desk = desk_of(request)
    await desk.identify(request)
    return Response(desk.counts.exposition(), headers={"content-type": METRICS_TYPE})


async def _health(desk: Desk) -> Health:
    parts = {"store": "well", "audit": "no more room" if desk.audit.failed else "well", "gateway": "well"}
    told = {"live": desk.mint.fault or "well"}  # another gateway would fare no better, so this one stays ready
    parts["store"] = await desk.pulse.feel(desk.store)
    if desk.closing.is_set():
        parts["gateway"] = "it ends"
    return Health(live=True, ready=all(word == "well" for word in parts.values()), parts=parts | told)
