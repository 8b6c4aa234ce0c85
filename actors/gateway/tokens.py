"""Ephemeral tokens: made by google-genai's client in a thread, locked to a model and a setup (live-protocol 8)."""

import warnings
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import attrs
import trio

from actors.gateway.problems import Problem

if TYPE_CHECKING:
    from google.genai import Client

VERSION = "v1alpha"  # the only one in which tokens are made and good
WITHIN = 10.0  # seconds for the service to make one
AT_ONCE = 8  # threads that wait for the service
BUSY = 429
# What of a setup is the token's, besides whatever else is set: all but `sessionResumption`, as only the page can know
# its handle. Without a mask the service would take no handle, and every handover would begin with nothing remembered.
LOCKED = (
    "generationConfig",
    "systemInstruction",
    "tools",
    "realtimeInputConfig",
    "contextWindowCompression",
    "inputAudioTranscription",
    "outputAudioTranscription",
    "proactivity",
    "historyConfig",
)
THE_PAGES = ("session_resumption", "sessionResumption")


def _now() -> datetime:
    return datetime.now(UTC)


@attrs.frozen
class Token:
    """A token, good until `expires` and for new sessions until `start_before`."""

    name: str = attrs.field(repr=False)
    expires: datetime
    start_before: datetime


@attrs.define(eq=False)
class Mint:
    """Makes tokens with the operator's key, at Google's or at `base_url`. Times of life are in seconds."""

    key: str = attrs.field(repr=False)
    base_url: str | None = None
    life: float = 1800.0
    start: float = 60.0
    uses: int = 8
    clock: Callable[[], datetime] = _now
    fault: str = attrs.field(default="", init=False)
    _client: "Client | None" = attrs.field(default=None, init=False, repr=False)
    _limiter: trio.CapacityLimiter = attrs.field(factory=lambda: trio.CapacityLimiter(AT_ONCE), init=False, repr=False)

    async def make(self, model: str, config: Mapping[str, Any], *, until: datetime | None = None) -> Token:
        """Makes a token for this model and no other setup but the page's own handle, good no longer than `until`.

        Problem 502 or 503 if the service does not give one, which `fault` remembers until it does. When cancelled, one
        may have been made all the same.
        """
        try:
            made = await self._make(model, config, until)
        except Problem as problem:
            self.fault = problem.detail
            raise
        self.fault = ""
        return made

    async def _make(self, model: str, config: Mapping[str, Any], until: datetime | None) -> Token:
        now = self.clock()
        expires = now + timedelta(seconds=self.life)
        expires = expires if until is None else min(expires, until)
        start = min(now + timedelta(seconds=self.start), expires)

        def ask() -> str:
            return self._ask(model, config, expires, start)

        with trio.move_on_after(WITHIN):
            name = await trio.to_thread.run_sync(ask, abandon_on_cancel=True, limiter=self._limiter)
            return Token(name, expires, start)
        raise Problem("not-ready", f"The Live service made no token within {WITHIN:g} s.", retry_after=WITHIN)

    def _ask(self, model: str, config: Mapping[str, Any], expires: datetime, start: datetime) -> str:
        from google.genai import Client, errors, types  # noqa: PLC0415 - takes most of a second

        # Said once a process, on stderr, where nobody who runs a gateway can do anything about it.
        warnings.filterwarnings("ignore", message="The SDK's token creation implementation is experimental")
        if self._client is None:
            options = types.HttpOptions(api_version=VERSION, base_url=self.base_url, timeout=int(1000 * WITHIN))
            self._client = Client(api_key=self.key, vertexai=False, http_options=options)
        settled = {key: value for key, value in config.items() if key not in THE_PAGES}
        asked = types.CreateAuthTokenConfig(
            expire_time=expires,
            new_session_expire_time=start,
            uses=self.uses,
            live_connect_constraints=types.LiveConnectConstraints(
                model=model, config=types.LiveConnectConfig.model_validate(settled)
            ),
            lock_additional_fields=list(LOCKED),
        )
        try:
            made = self._client.auth_tokens.create(config=asked)
        except errors.APIError as error:
            if error.code == BUSY:
                raise Problem("not-ready", "The Live service makes no more tokens for now.", retry_after=30) from None
            raise Problem("no-answer", f"The Live service made no token and answered {error.code}.") from None
        except Exception as error:  # noqa: BLE001 - what the HTTP client raises carries the address, and may carry more
            raise Problem("no-answer", f"The Live service cannot be reached ({type(error).__name__}).") from None
        if not made.name:
            raise Problem("no-answer", "The Live service made a token without a name.")
        return str(made.name)
