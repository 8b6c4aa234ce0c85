"""The shapes of what the gateway is told and tells, for FastAPI: checked on the way in, described in the OpenAPI."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field


def _whole(number: object) -> object:
    """JSON has one kind of number: 3.0 is a whole one, too."""
    return int(number) if isinstance(number, float) and number.is_integer() else number


Name = Annotated[str, Field(min_length=1, max_length=128, pattern=r"^[ -~]+$")]
Text = Annotated[str, Field(max_length=200)]
Count = Annotated[int, Field(ge=0, le=1000), BeforeValidator(_whole)]
Milliseconds = Annotated[float, Field(ge=0, le=120_000, allow_inf_nan=False)]


# Parts of the examples that the documentation shows.
LIVE = "wss://generativelanguage.googleapis.com"
SERVICE = "google.ai.generativelanguage.v1alpha.GenerativeService"
TIME = {"name": "get_time", "description": "Tells the time in a city."}
LIMITS = {"session_s": 14400.0, "renew_before_s": 300.0, "beat_s": 30.0, "frame_bytes": 65536}
HEALTH = {
    "live": True,
    "ready": True,
    "parts": {"store": "well", "audit": "well", "gateway": "well", "live": "well"},
}
OPEN = {"open": 3, "relayed_here": 1, "begun_here": 42}
TOKENS = {"given": 40, "refused": 2}
LATENCY = {"count": 200, "p50": 640.0, "p90": 900.0, "p99": 1400.0}


class Shape(BaseModel):
    """A body: what it does not know, it refuses."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def shown(*examples: dict[str, Any]) -> ConfigDict:
    """Gives what a shape says of itself: examples."""
    return ConfigDict(json_schema_extra={"examples": list(examples)})


class TokenRequest(Shape):
    """What a page may ask for, out of what /api/config lists; what it leaves out is as the operator has it."""

    model_config = shown({"voice": "Kore", "language": "en-GB"}, {})
    model: Name | None = None
    voice: Name | None = None
    language: Name | None = None
    tools: Annotated[list[Name], Field(max_length=128)] | None = None
    renew: Annotated[Name | None, Field(description="The secret of a session that is to go on")] = None


class TokenAnswer(Shape):
    """A token, locked to `setup`, and the session that tools and renewals are asked for with."""

    model_config = shown(
        {
            "token": "auth_tokens/TOKEN",
            "expires_at": "2026-11-01T12:30:00+00:00",
            "start_before": "2026-11-01T12:01:00+00:00",
            "expires_in_s": 1800.0,
            "start_in_s": 60.0,
            "uses": 8,
            "model": "gemini-3.8-live",
            "live_url": LIVE,
            "ws_url": f"{LIVE}/ws/{SERVICE}.BidiGenerateContentConstrained",
            "setup": {"model": "models/gemini-3.8-live", "generationConfig": {"responseModalities": ["AUDIO"]}},
            "tools": ["get_time"],
            "session": "0f1e2d3c4b5a6978",
            "session_secret": "SECRET",
            "session_in_s": 14400.0,
        }
    )
    token: Annotated[str, Field(description="Secret; goes to the Live service and nowhere else")]
    expires_at: Annotated[str, Field(description="RFC 3339; sessions end then")]
    start_before: Annotated[str, Field(description="RFC 3339; until then a new session may begin")]
    expires_in_s: float
    start_in_s: float
    uses: Annotated[int, Field(description="How many sessions it can begin; 0 is any number")]
    model: str
    live_url: Annotated[str, Field(description="Base URL of the Live service")]
    ws_url: Annotated[str, Field(description="Its WebSocket, to which ?access_token=TOKEN is appended")]
    setup: Annotated[dict[str, Any], Field(description="The `setup` to send; the token is locked to it anyway")]
    tools: list[str]
    session: str
    session_secret: Annotated[str, Field(description="Secret; bears witness at /api/tools and /api/sessions")]
    session_in_s: Annotated[float, Field(description="No token of this session lives longer than so")]


class CallRequest(Shape):
    """A function call as the Live service made it."""

    model_config = shown({"id": "call-1", "args": {"city": "Paris"}})
    id: Annotated[Name, Field(description="The call's id; one id is run once")]
    args: dict[str, Any] = Field(default_factory=dict)


class CallAnswer(Shape):
    """What goes into the functionResponse: `response`, and `scheduling` where there is one."""

    model_config = shown(
        {
            "id": "call-1",
            "name": "get_weather",
            "response": {"summary": "It is sunny in Paris."},
            "scheduling": None,
            "outcome": "ok",
            "ms": 312.5,
        }
    )
    id: str
    name: str
    response: dict[str, Any]
    scheduling: Literal["INTERRUPT", "WHEN_IDLE", "SILENT"] | None
    outcome: Literal["ok", "error", "timeout"]
    ms: float


class Beat(Shape):
    """A page's sign of life, with what has happened since the last one."""

    model_config = shown({"turns": 2, "latency_ms": [640.0, 812.5], "errors": 0})
    turns: Count = 0
    latency_ms: Annotated[list[Milliseconds], Field(max_length=1000)] = Field(default_factory=list)
    errors: Count = 0


class BeatAnswer(Shape):
    """How long the session may still last."""

    model_config = shown({"expires_in_s": 12600.0})
    expires_in_s: float


class LoginRequest(Shape):
    """The access key that the operator gives out."""

    model_config = shown({"access_key": "ACCESS KEY"})
    access_key: Annotated[str, Field(min_length=1, max_length=512)]


class Revocation(Shape):
    """Whose sessions are to end."""

    model_config = shown({"user": "anna"})
    user: Text


class RevocationAnswer(Shape):
    """How many sessions ended at once in this process; others end within seconds, and nothing is renewed."""

    model_config = shown({"ended": 1})
    ended: int


class ToolOffered(Shape):
    """A tool that a session may have."""

    model_config = shown(TIME)
    name: str
    description: str


class PageLimits(Shape):
    """What a page has to know of time and size."""

    model_config = shown(LIMITS)
    session_s: float
    renew_before_s: float
    beat_s: float
    frame_bytes: int


class Config(Shape):
    """What the page needs to know before it begins."""

    model_config = shown(
        {
            "mode": "direct",
            "user": "anna",
            "signed_in": True,
            "login": "proxy",
            "model": "gemini-3.8-live",
            "models": ["gemini-3.8-live"],
            "voice": "Puck",
            "voices": ["Puck", "Kore"],
            "language": None,
            "languages": ["en-US", "en-GB"],
            "tools": [TIME],
            "limits": LIMITS,
        }
    )
    mode: Literal["direct", "relay"]
    user: str | None
    signed_in: bool
    login: Literal["none", "key", "proxy"]
    model: str
    models: list[str]
    voice: str | None
    voices: list[str]
    language: str | None
    languages: list[str]
    tools: list[ToolOffered]
    limits: PageLimits


class Health(Shape):
    """Live: this process works. Ready: it can do what it is for. `parts` says of each what is wrong with it."""

    model_config = shown(HEALTH)
    live: bool
    ready: bool
    parts: dict[str, str]


class OpenSessions(Shape):
    """Sessions everywhere, those relayed by this process, and those begun in it since its start."""

    model_config = shown(OPEN)
    open: int
    relayed_here: int
    begun_here: int


class TokensCounted(Shape):
    """Tokens of this process since its start."""

    model_config = shown(TOKENS)
    given: int
    refused: int


class Latency(Shape):
    """From the last word to the first sound, in milliseconds, of the latest thousand turns."""

    model_config = shown(LATENCY)
    count: int
    p50: float | None
    p90: float | None
    p99: float | None


class Dashboard(Shape):
    """Numbers without contents."""

    model_config = shown(
        {
            "since": "2026-11-01T12:00:00+00:00",
            "sessions": OPEN,
            "tokens": TOKENS,
            "turns": 210,
            "errors": {"too-often": 1},
            "latency_ms": LATENCY,
            "health": HEALTH,
        }
    )
    since: str
    sessions: OpenSessions
    tokens: TokensCounted
    turns: int
    errors: dict[str, int]
    latency_ms: Latency
    health: Health
