"""Ephemeral tokens: made over HTTP by whoever has a key, spent by whoever has none. Without clock, socket or await.

A token opens so many sessions, until a time, with a setup of which its maker has settled some fields or all. Secret
like a key: it is named in no log and no error.
"""

import secrets
from collections import OrderedDict
from datetime import datetime, timedelta

import attrs
import msgspec

from actors.emulator import masks, protojson
from actors.emulator.protojson import Breach
from actors.emulator.requests import Setup

PREFIX = "auth_tokens/"
SPENT = "Token has been used too many times"
EXPIRED = "Token has expired"
EXPIRED_IN_SESSION = "auth token has expired"
REJECTED = 1011
"""With these reasons the Live service closes on a token that is good no longer."""

_LONGEST = timedelta(hours=20)
_LIFE = timedelta(minutes=30)
_TIME_TO_BEGIN = timedelta(seconds=60)
_HEAVIEST = 16 << 20  # bytes of all requests kept
_VALUE_BYTES = 500  # that one value of a request takes when it is kept, though it was written in two


@attrs.frozen
class TokenRequest:
    """What the maker of a token asks for (live-protocol 8); `name` is the service's to give."""

    name: str = ""
    expire_time: str = ""
    new_session_expire_time: str = ""
    uses: int = 1
    bidi_generate_content_setup: Setup | None = None
    field_mask: str = ""


@attrs.define(eq=False)
class Token:
    """One token: good until `expires`, for new sessions until `begins_until`, for so many `uses`; None is no limit."""

    expires: float
    begins_until: float
    uses: int | None
    weight: int
    _own: Setup | None
    _mask: tuple[masks.Path, ...]

    def effective(self, setup: Setup) -> Setup:
        """Gives the setup that counts when the client has sent this one.

        Masked fields are the token's, whatever the client says; without a mask all of them are, if the token has any,
        and then the client's handle counts for nothing either.
        """
        if self._mask:
            return masks.impose(self._own or Setup(), setup, self._mask)
        return self._own or setup

    def check(self, now: float) -> None:
        """Breach if the token is good for nothing any more."""
        if now >= self.expires:
            raise Breach(EXPIRED, REJECTED)

    def begin(self, now: float, *, resuming: bool) -> None:
        """Takes one use for a new session, none for one that goes on; Breach if the token does not allow it."""
        self.check(now)
        if resuming:
            return
        if now >= self.begins_until:
            raise Breach(EXPIRED, REJECTED)
        if self.uses == 0:
            raise Breach(SPENT, REJECTED)
        self.uses = None if self.uses is None else self.uses - 1


@attrs.define
class Tokens:
    """At most `limit` tokens, and so many bytes of their setups; the oldest are forgotten first."""

    limit: int = 1000
    heaviest: int = _HEAVIEST
    _kept: OrderedDict[str, Token] = attrs.field(factory=OrderedDict, init=False, repr=False)
    _weight: int = attrs.field(default=0, init=False)

    def make(self, body: bytes, now: float, wall: datetime, scale: float = 1.0) -> str:
        """Makes the token that a request body asks for, "" included, and gives its name; Breach if it cannot be made.

        `now` is on the clock that tokens expire by, `wall` the same moment on the one that requests are written in;
        `scale` is how much faster than the second the first one goes.
        """
        request, weight = _parsed(body)
        life = _life("expire_time", request.expire_time, wall, _LIFE)
        beginning = _life("new_session_expire_time", request.new_session_expire_time, wall, _TIME_TO_BEGIN)
        if request.uses < 0:
            raise Breach(f"Invalid value at 'auth_token.uses': must be 0 or more, found {request.uses}.")
        name = PREFIX + secrets.token_hex(32)
        self._keep(
            name,
            Token(
                expires=now + life / scale,
                begins_until=now + beginning / scale,
                uses=request.uses or None,
                weight=weight,
                own=request.bidi_generate_content_setup,
                mask=masks.paths(request.field_mask),
            ),
        )
        return name

    def find(self, name: str) -> Token | None:
        """Gives the token of that name; None if it was never made, or is forgotten."""
        return self._kept.get(name)

    def _keep(self, name: str, token: Token) -> None:
        self._kept[name] = token
        self._weight += token.weight
        while len(self._kept) > self.limit or self._weight > self.heaviest:
            self._weight -= self._kept.popitem(last=False)[1].weight


def _parsed(body: bytes) -> tuple[TokenRequest, int]:
    """Gives what the body asks for, and about how many bytes it takes to keep that."""
    if not body.strip():
        return TokenRequest(), _VALUE_BYTES
    try:
        found = msgspec.json.decode(body)
        weight = len(body) + _VALUE_BYTES * protojson.weigh(found)
        return protojson.read(TokenRequest, found, "auth_token"), weight
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        raise Breach("Invalid JSON payload received. The body is not one JSON object.") from None


def _life(name: str, given: str, wall: datetime, default: timedelta) -> float:
    """Tells in how many seconds a time comes."""
    if not given:
        return default.total_seconds()
    try:
        time = datetime.fromisoformat(given)
    except ValueError:
        time = None
    if time is None or time.tzinfo is None:
        raise Breach(
            f"Invalid value at 'auth_token.{name}' (type.googleapis.com/google.protobuf.Timestamp), \"{given[:40]}\""
        )
    left = time - wall
    if left > _LONGEST:
        raise Breach(f"{name} is too far in the future. Maximum lifetime is 20h.")
    if left <= timedelta(0):
        raise Breach(f"{name} must be in the future.")
    return left.total_seconds()
