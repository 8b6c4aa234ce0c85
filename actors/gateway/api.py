"""The endpoints under /api: configuration, tokens, sessions, tools, and the numbers of the dashboard."""

from datetime import UTC, datetime
from typing import Annotated, Any, cast

import trio
from fastapi import APIRouter, Path, Request, Response

from actors.gateway import sessions
from actors.gateway.access import Caller, User
from actors.gateway.audit import hashed
from actors.gateway.bodies import (
    Beat,
    BeatAnswer,
    CallAnswer,
    CallRequest,
    Config,
    PageLimits,
    TokenAnswer,
    TokenRequest,
    ToolOffered,
)
from actors.gateway.desk import BEAT, Desk, bearer
from actors.gateway.offer import SEARCH, Agreed, Wish
from actors.gateway.problems import Problem, described
from actors.gateway.sessions import Session
from pipeline.errors import ToolFailed
from pipeline.events import TokenRefreshed, Trouble, milliseconds

METHOD = "/ws/google.ai.generativelanguage.v1alpha.GenerativeService.BidiGenerateContentConstrained"
RENEW_BEFORE = 300.0  # seconds before a token's end at which the page asks for the next one
ALWAYS = ("not-understood", "too-slow", "too-large", "wrong-kind", "wrong-host", "too-often", "headers-too-large")
CHANGES = (*ALWAYS, "refused", "not-allowed", "broken", "not-ready")
SESSION = ("not-signed-in", "session-over", "revoked")

api = APIRouter(prefix="/api")


def desk_of(request: Request) -> Desk:
    """Gives the desk that serves a request."""
    return cast("Desk", request.app.state.desk)


@api.get("/config", tags=["page"], responses=described(*ALWAYS, "broken", "not-ready"))
async def config(request: Request) -> Config:
    """Says what the page may offer, and whether somebody is signed in."""
    desk = desk_of(request)
    user = await desk.recognise(request)
    settings, offer = desk.settings, desk.offer
    key = desk.environment.access_key
    speech = desk.offer.live.get("speech_config") or {}
    voice = ((speech.get("voice_config") or {}).get("prebuilt_voice_config") or {}).get("voice_name")
    told = {tool.name: tool.description for tool in offer.toolbox} | {SEARCH: "The service's own search"}
    return Config(
        mode=settings.mode,
        user=user.name if user else None,
        signed_in=user is not None,
        login="key" if key else "proxy" if settings.proxy.user_header else "none",
        model=offer.models[0],
        models=list(offer.models),
        voice=voice,
        voices=list(settings.voices),
        language=speech.get("language_code"),
        languages=list(settings.languages),
        tools=[ToolOffered(name=name, description=told[name]) for name in offer.tools] if user else [],
        limits=PageLimits(
            session_s=settings.session_life,
            renew_before_s=min(RENEW_BEFORE, settings.token_life / 2),
            beat_s=BEAT,
            frame_bytes=settings.limits.frame,
        ),
    )


@api.post("/token", status_code=201, tags=["token"], responses=described(*CHANGES, *SESSION, "no-answer"))
async def token(request: Request, asked: TokenRequest | None = None) -> TokenAnswer:
    """Gives an ephemeral token for the Live service, locked to a model and a setup."""
    desk = desk_of(request)
    caller, asked = desk.caller(request), asked or TokenRequest()
    user = None
    try:
        if not desk.settings.tokens:
            raise Problem("refused", "This gateway gives no tokens; conversations go through it.")
        await desk.take(desk.settings.limits.tokens_per_address, caller.address, "tokens")
        user = await desk.identify(request)
        answer = await _give(desk, user, caller, asked)
    except Problem as problem:
        desk.counts.token(given=False)
        model = asked.model if asked.model is None or asked.model in desk.offer.models else "another"
        name = user.name if user else None
        desk.audit.refuse("token", caller.address, problem.slug, user=name, model=model or desk.offer.models[0])
        raise
    desk.counts.token(given=True)
    desk.audit.note(
        "token",
        user=user.name,
        address=caller.address,
        model=answer.model,
        session=answer.session,
        expires=answer.expires_at,
        renewed=asked.renew is not None,
        token=hashed(answer.token),
        outcome="given",
    )
    return answer


async def _give(desk: Desk, user: User, caller: Caller, asked: TokenRequest) -> TokenAnswer:
    await desk.take(desk.settings.limits.tokens_per_user, user.name, "tokens of a user")
    secret, session = asked.renew, None
    if secret is not None:
        session = await sessions.find(desk, secret)
        if session.owner != user:
            raise Problem("refused", "This session is somebody else's.")
    wish = Wish(asked.model, asked.voice, asked.language, None if asked.tools is None else tuple(asked.tools))
    agreed = desk.offer.agree(wish)
    if secret is None or session is None:
        secret, session = await sessions.begin(desk, user, caller.address, agreed.model, agreed.tools)
    elif set(agreed.tools) - set(session.tools):
        raise Problem("refused", "A renewed token cannot have tools that its session has not.")
    try:
        return await _minted(desk, caller, agreed, secret, session)
    except BaseException:
        if asked.renew is None:
            with trio.move_on_after(1, shield=True):
                await sessions.end(desk, secret, session)
        raise


async def _minted(desk: Desk, caller: Caller, agreed: Agreed, secret: str, session: Session) -> TokenAnswer:
    until = datetime.fromtimestamp(session.until, UTC)
    began = trio.current_time()
    try:
        made = await desk.mint.make(agreed.model, agreed.config, until=until)
    except Problem:
        desk.bus.publish(TokenRefreshed(milliseconds(trio.current_time() - began), "failed"))
        raise
    desk.bus.secrets.hide(made.name, rotating=True)
    now, live_url = desk.moment(), desk.live_url_for(caller)
    left = (made.expires - now).total_seconds()
    desk.bus.publish(TokenRefreshed(milliseconds(trio.current_time() - began), "ok", left))
    return TokenAnswer(
        token=made.name,
        expires_at=made.expires.isoformat(),
        start_before=made.start_before.isoformat(),
        expires_in_s=left,
        start_in_s=(made.start_before - now).total_seconds(),
        uses=desk.settings.token_uses,
        model=agreed.model,
        live_url=live_url,
        ws_url=live_url + METHOD,
        setup=dict(agreed.setup),
        tools=list(agreed.tools),
        session=session.id,
        session_secret=secret,
        session_in_s=max(0.0, session.until - desk.clock()),
    )


@api.post("/tools/{name}", tags=["session"], responses=described(*CHANGES, *SESSION, "seen-before"))
async def call(request: Request, name: Annotated[str, Path(max_length=128)], asked: CallRequest) -> CallAnswer:
    """Runs a tool for the session whose secret the request bears."""
    desk = desk_of(request)
    session = await sessions.find(desk, bearer(request))
    if name not in session.tools or name not in desk.offer.toolbox:
        raise Problem(
            "refused",
            "This session may not call this tool.",
            allowed={"tools": [t for t in session.tools if t != SEARCH]},
        )
    await desk.take(desk.settings.limits.calls_per_session, session.id, "calls of a session")
    await sessions.run_once(desk, session, asked.id)
    began = trio.current_time()
    response, outcome = await _run(desk, name, asked.args)
    ms = milliseconds(trio.current_time() - began)
    desk.counts.call(outcome)
    told = {"user": session.user, "address": desk.caller(request).address, "session": session.id}
    desk.audit.note("tool", **told, tool=name, ms=ms, outcome=outcome)
    scheduling = desk.offer.toolbox.get(name).scheduling
    return CallAnswer.model_validate(
        {"id": asked.id, "name": name, "response": response, "scheduling": scheduling, "outcome": outcome, "ms": ms}
    )


async def _run(desk: Desk, name: str, args: dict[str, Any]) -> tuple[dict[str, Any], str]:
    """Runs the tool within its deadline; what goes wrong is an answer too, in words for the model."""
    tool = desk.offer.toolbox.get(name)
    try:
        with trio.move_on_after(tool.timeout):
            return await tool.call(args), "ok"
    except ToolFailed as failed:
        if failed.detail:
            desk.bus.publish(Trouble(f"{name} failed", "tool", "the model is told so", failed.detail))
        return {"error": str(failed)[:1000], "retry": failed.retry}, "error"
    return {"error": f"{name} did not answer within {tool.timeout:g} s", "retry": True}, "timeout"


async def _own(request: Request, ident: str) -> tuple[Desk, str, Session]:
    """Gives the session of the path, if the request bears its secret."""
    desk, secret = desk_of(request), bearer(request)
    session = await sessions.find(desk, secret)
    if session.id != ident or secret is None:
        raise Problem("refused", "This is the secret of another session.")
    return desk, secret, session


@api.post("/sessions/{ident}/beat", tags=["session"], responses=described(*CHANGES, *SESSION))
async def beat(request: Request, ident: Annotated[str, Path(max_length=64)], told: Beat | None = None) -> BeatAnswer:
    """Keeps a session counted as open, and tells the dashboard of its turns; 401 when it is over."""
    desk, _, session = await _own(request, ident)
    await desk.take(desk.settings.limits.calls_per_session, session.id, "calls of a session")
    told = told or Beat()
    desk.counts.heard(told.turns, told.latency_ms)
    for _ in range(told.errors):
        desk.counts.problem("page")
    return BeatAnswer(expires_in_s=max(0.0, session.until - desk.clock()))


@api.delete("/sessions/{ident}", status_code=204, tags=["session"], responses=described(*CHANGES, *SESSION))
async def end(request: Request, ident: Annotated[str, Path(max_length=64)]) -> Response:
    """Ends a session."""
    desk, secret, session = await _own(request, ident)
    await sessions.end(desk, secret, session)
    told = {"user": session.user, "address": session.address, "model": session.model, "session": session.id}
    desk.audit.note("session.end", **told, kind="direct", outcome="over")
    return Response(status_code=204)
