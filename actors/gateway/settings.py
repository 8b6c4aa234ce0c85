"""The plan's `[gateway]`: what the operator allows, whom the gateway believes, and where its limits lie."""

import ipaddress
from collections.abc import Mapping
from typing import Any, Literal

import attrs
import limits

from pipeline.errors import PlanError
from pipeline.plan import Plan
from pipeline.settings import structure

# The voices that every Live model has had since the first; more may be named in the plan.
VOICES = ("Puck", "Charon", "Kore", "Fenrir", "Aoede", "Leda", "Orus", "Zephyr")
LANGUAGES = ("en-US", "en-GB", "de-DE", "es-ES", "fr-FR", "it-IT", "pt-BR", "hi-IN", "ja-JP", "ko-KR")


@attrs.frozen
class Proxy:
    """A reverse proxy that says who the user is; from nobody else are such headers believed.

    `trusted` are its addresses or networks; `user_header` is the header in which it names the user. Without that
    header's name it is believed only about addresses and TLS.
    """

    trusted: tuple[str, ...] = ()
    user_header: str = ""


@attrs.frozen
class Limits:
    """Rates are written as `30/minute`; sizes are bytes, `patience` is seconds."""

    tokens_per_user: str = "30/minute"
    tokens_per_address: str = "60/minute"
    calls_per_session: str = "120/minute"
    words_per_conversation: str = "60/minute"
    messages_per_conversation: str = "1200/minute"
    requests_per_address: str = "600/minute"
    logins_per_address: str = "5/minute"
    sessions_per_user: int = 5
    sessions: int = 100
    connections: int = 1000
    connections_per_address: int = 200
    body: int = 64 << 10
    frame: int = 64 << 10
    headers: int = 16 << 10
    patience: float = 10.0


@attrs.frozen
class Settings:
    """See `docs/GATEWAY.md`. Times are seconds; an empty `redis` or `audit` means memory, and no audit log."""

    mode: Literal["direct", "relay"] = "direct"
    relay: str = "actors.gateway.relay:Relay"
    models: tuple[str, ...] = ()
    voices: tuple[str, ...] = VOICES
    languages: tuple[str, ...] = LANGUAGES
    tools: tuple[str, ...] | None = None
    tokens: bool = True
    operators: tuple[str, ...] = ()
    token_life: float = 1800.0
    token_start: float = 60.0
    token_uses: int = 8
    session_life: float = 4 * 3600.0
    login_life: float = 12 * 3600.0
    hosts: tuple[str, ...] = ()
    origins: tuple[str, ...] = ()
    redis: str = attrs.field(default="", repr=False)
    audit: str = ""
    audit_size: int = 10_000_000
    audit_files: int = 5
    proxy: Proxy = attrs.field(factory=Proxy)
    limits: Limits = attrs.field(factory=Limits)

    @classmethod
    def of(cls, table: Mapping[str, Any], where: str = "[gateway]") -> "Settings":
        """Reads the table; PlanError names the key, what was found and what is allowed."""
        fields = {field.name: field for field in attrs.fields(cls)}
        for key in table:
            if key not in fields:
                raise PlanError(f"{where}.{key} is unknown; there are {', '.join(sorted(fields))}")
        given = {key: structure(value, fields[key].type, f"{where}.{key}") for key, value in table.items()}
        made = cls(**given)
        made._check(where)
        return made

    def _check(self, where: str) -> None:
        """Refuses what has the right type and makes no sense."""
        for key, found in self._times().items():
            if not found > 0:
                raise PlanError(f"{where}.{key} is {found!r}; it must be above 0")
        if self.token_uses < 0:
            raise PlanError(f"{where}.token_uses is {self.token_uses}; it must be 0, for no limit, or more")
        for key, rate in attrs.asdict(self.limits).items():
            if isinstance(rate, str):
                _check_rate(rate, f"{where}.limits.{key}")
        self._check_proxy(where)
        if not self.tokens and self.mode == "direct":
            raise PlanError(f'{where}.tokens is false, and without them nobody can talk; set mode = "relay", too')
        for origin in self.origins:
            if not origin.startswith(("http://", "https://")) or origin.count("/") != 2:  # noqa: PLR2004 - of "://"
                raise PlanError(f'{where}.origins has {origin!r}; write an origin as in "https://app.example"')

    def _check_proxy(self, where: str) -> None:
        for network in self.proxy.trusted:
            try:
                ipaddress.ip_network(network)
            except ValueError as error:
                raise PlanError(f"{where}.proxy.trusted has {network!r}, no address or network: {error}") from None
        if self.proxy.user_header and not self.proxy.trusted:
            raise PlanError(f"{where}.proxy names a header but no trusted address; without one anybody could send it")
        if self.operators and not self.proxy.user_header:
            raise PlanError(f"{where}.operators names users, and no proxy says who they are; declare it in proxy")

    def _times(self) -> dict[str, float]:
        names = ("token_life", "token_start", "session_life", "login_life", "audit_size", "audit_files")
        found = {name: float(getattr(self, name)) for name in names}
        numbers = {key: value for key, value in attrs.asdict(self.limits).items() if not isinstance(value, str)}
        return found | {f"limits.{key}": float(value) for key, value in numbers.items()}


def _check_rate(text: str, where: str) -> None:
    try:
        limits.parse(text)
    except ValueError:
        raise PlanError(f'{where} is {text!r}; write a rate as in "30/minute" or "5/10 second"') from None


def read(plan: Plan) -> Settings:
    """Reads the settings of a plan."""
    return Settings.of(plan.table("gateway"), plan.where("gateway"))
