"""What a page may ask for, and the setup that comes of it: the operator's lists, applied to the plan's `[live]`."""

from collections.abc import Mapping, Sequence
from typing import Any

import attrs

from actors.gateway.problems import Problem
from actors.gateway.settings import Settings
from actors.live.setup import build
from pipeline.errors import PlanError
from tools.toolbox import Toolbox

SEARCH = "google_search"


@attrs.frozen
class Wish:
    """What a page asks for; None is whatever the plan says."""

    model: str | None = None
    voice: str | None = None
    language: str | None = None
    tools: tuple[str, ...] | None = None


@attrs.frozen
class Agreed:
    """A setup to which a token is locked: LiveConnectConfig's fields as a table, and the wire's `setup` of the same."""

    model: str
    config: Mapping[str, Any]
    setup: Mapping[str, Any]
    tools: tuple[str, ...]


@attrs.frozen
class Offer:
    """The operator's lists. `live` is the plan's table, `toolbox` what there is to call."""

    settings: Settings
    live: Mapping[str, Any]
    toolbox: Toolbox

    @property
    def models(self) -> tuple[str, ...]:
        """The models that may be asked for; the plan's own is the first."""
        return tuple(dict.fromkeys((str(self.live.get("model", "")), *self.settings.models)))

    @property
    def tools(self) -> tuple[str, ...]:
        """The tools that a token may have. Those that need the user's spoken word are not: nobody here hears it."""
        return tuple(name for name in self.spoken_tools if name == SEARCH or not self.toolbox.get(name).confirm)

    @property
    def spoken_tools(self) -> tuple[str, ...]:
        """The tools that a conversation may have which goes through here."""
        known = [tool.name for tool in self.toolbox]
        known += [SEARCH] if self.toolbox.google_search else []
        allowed = self.settings.tools
        return tuple(name for name in known if allowed is None or name in allowed)

    def permitted(self, wish: Wish) -> frozenset[str] | None:
        """Gives the names of tools that a relayed conversation may have, be they there yet or not; None is any."""
        lists = [frozenset(names) for names in (self.settings.tools, wish.tools) if names is not None]
        return frozenset.intersection(*lists) if lists else None

    def check_tools(self, wish: Wish) -> None:
        """Problem 422 where a relayed conversation wishes for a tool that is not to be had."""
        for name in wish.tools or ():
            self._one("tools", name, self.spoken_tools)

    def agree(self, wish: Wish) -> Agreed:
        """Gives the setup for a wish; Problem 422 names what is allowed where it asks for something else."""
        model = self._one("model", wish.model, self.models) or self.models[0]
        voice = self._one("voice", wish.voice, self.settings.voices)
        language = self._one("language", wish.language, self.settings.languages)
        tools = self.tools if wish.tools is None else tuple(dict.fromkeys(wish.tools))
        for name in tools:
            self._one("tools", name, self.tools)
        live = _spoken(self.live, voice, language) | {"model": model}
        try:
            built = build(live, self._declared(tools), local_turns=False)
        except PlanError as error:  # the plan's setup does not fit a model that the operator allows besides
            raise Problem("not-allowed", f"The plan does not fit this model: {error}") from None
        config = {key: value for key, value in live.items() if key not in ("model", "http_options", "httpOptions")}
        config["tools"] = built.setup.get("tools", [])
        return Agreed(model, config, built.setup, tools)

    def _declared(self, names: Sequence[str]) -> list[Mapping[str, Any]]:
        functions = [tool.declaration() for tool in self.toolbox if tool.name in names]
        told: list[Mapping[str, Any]] = [{"functionDeclarations": functions}] if functions else []
        return told + ([{"googleSearch": {}}] if SEARCH in names else [])

    @staticmethod
    def _one(what: str, asked: str | None, allowed: Sequence[str]) -> str | None:
        if asked is not None and asked not in allowed:
            raise Problem(
                "not-allowed",
                f"This {what} is not to be had here; choose one of those allowed.",
                allowed={what: allowed},
            )
        return asked


def _spoken(live: Mapping[str, Any], voice: str | None, language: str | None) -> dict[str, Any]:
    """Lays a voice and a language over the plan's own."""
    speech = dict(live.get("speech_config") or live.get("speechConfig") or {})
    if voice is not None:
        speech.pop("voiceConfig", None)
        speech["voice_config"] = {"prebuilt_voice_config": {"voice_name": voice}}
    if language is not None:
        speech.pop("languageCode", None)
        speech["language_code"] = language
    rest = {key: value for key, value in live.items() if key not in ("speech_config", "speechConfig")}
    return rest | ({"speech_config": speech} if speech else {})
