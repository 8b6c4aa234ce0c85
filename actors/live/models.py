"""What each model allows (live-protocol 5.1), checked before connecting; one sentence says what to change."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from pipeline.errors import PlanError

Setup = Mapping[str, Any]


@attrs.frozen
class Profile:
    """One model's rules; `thinking` is refused, required, or free; `behaviors` are those of function calls."""

    thinking: str = "free"
    behaviors: tuple[str, ...] = ("BLOCKING", "NON_BLOCKING")
    default_behavior: str = "BLOCKING"
    proactive: str = "free"
    affective: bool = True
    history: bool = True  # takes clientContent in mid-session


PROFILES: Mapping[str, Profile] = {
    "gemini-3.8-live": Profile(
        thinking="refused", default_behavior="NON_BLOCKING", proactive="always", affective=False
    ),
    "gemini-3.8-live-extended-thinking": Profile(
        thinking="required",
        behaviors=("NON_BLOCKING",),
        default_behavior="NON_BLOCKING",
        affective=False,
        history=False,
    ),
    "gemini-3.1-flash-live-preview": Profile(
        behaviors=("BLOCKING",), proactive="refused", affective=False, history=False
    ),
    "gemini-2.5-flash-native-audio-preview-12-2025": Profile(),
}


def profile(model: str) -> Profile:
    """Gives a model's rules; a model this version does not know has none, and the service will say."""
    return PROFILES.get(model.removeprefix("models/"), Profile())


def check(setup: Setup) -> None:
    """Compares a setup with its model's rules; PlanError with what to change for the first it breaks."""
    model = str(setup["model"]).removeprefix("models/")
    if model not in PROFILES:
        return
    rules = PROFILES[model]
    for broken in _CHECKS:
        if advice := broken(setup, rules):
            raise PlanError(f"{model} {advice}")


def _modalities(setup: Setup, _rules: Profile) -> str:
    asked = setup["generationConfig"].get("responseModalities", ["AUDIO"])
    return "" if asked == ["AUDIO"] else f'answers in AUDIO only; set live.response_modalities = ["AUDIO"], not {asked}'


def _thinking(setup: Setup, rules: Profile) -> str:
    asked = setup["generationConfig"].get("thinkingConfig")
    if rules.thinking == "refused" and asked is not None:
        return "takes no thinking_config; remove live.thinking_config"
    if rules.thinking == "required":
        levels = [key for key in ("thinkingLevel", "thinkingBudget") if key in (asked or {})]
        if len(levels) != 1:
            return "needs exactly one of live.thinking_config.thinking_level and thinking_budget; set one"
    return ""


def _proactive(setup: Setup, rules: Profile) -> str:
    asked = setup.get("proactivity", {}).get("proactiveAudio")
    if rules.proactive == "always" and asked is False:
        return "always answers proactively; remove live.proactivity"
    if rules.proactive == "refused" and asked:
        return "has no proactive audio; remove live.proactivity"
    return ""


def _affective(setup: Setup, rules: Profile) -> str:
    asked = setup["generationConfig"].get("enableAffectiveDialog")
    return "has no affective dialog; remove live.enable_affective_dialog" if asked and not rules.affective else ""


def _service_tools(setup: Setup, _rules: Profile) -> str:
    for tool in setup.get("tools", ()):
        for name in ("codeExecution", "urlContext"):
            if name in tool:
                return f"has no {name}; take it out of live.tools"
    return ""


def _behavior(setup: Setup, rules: Profile) -> str:
    declared: Sequence[Setup] = [f for tool in setup.get("tools", ()) for f in tool.get("functionDeclarations", ())]
    for function in declared:
        asked = function.get("behavior")
        if asked is not None and asked not in rules.behaviors:
            return f"calls functions {rules.behaviors[0]} only; change the tool {function['name']}, which is {asked}"
        if rules.thinking == "required" and "parametersJsonSchema" in function:
            return f"needs the tool {function['name']} to declare `parameters` instead of a JSON schema"
    return ""


_CHECKS: tuple[Callable[[Setup, Profile], str], ...] = (
    _modalities,
    _thinking,
    _proactive,
    _affective,
    _service_tools,
    _behavior,
)
