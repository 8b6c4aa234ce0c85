"""What each model allows (live-protocol 5.1), checked before connecting; one sentence says what to change.

The rules are tables: what a field may be where a model has it at all, and which models have not. A model that this
version does not know has no rules, and the service will say.
"""

import math
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import attrs

from pipeline.errors import PlanError

Setup = Mapping[str, Any]

# live-protocol 5.3
_NAMES = (
    "Zephyr Puck Charon Kore Fenrir Leda Orus Aoede Callirrhoe Autonoe Enceladus Iapetus Umbriel Algieba Despina "
    "Erinome Algenib Rasalgethi Laomedeia Achernar Alnilam Schedar Gacrux Pulcherrima Achird Zubenelgenubi "
    "Vindemiatrix Sadachbia Sadaltager Sulafat"
)
VOICES = tuple(_NAMES.split())
WINDOW = 131_072  # tokens; the half of it is the most that an answer may have


@attrs.frozen
class Profile:
    """One model's rules.

    `thinking` is refused, required (exactly one of level and budget), by level, by budget, or free; `behaviors` are
    those of function calls. `affective` and `proactive`: a choice is free, `always` may not be switched off, `never`
    not on, and what is `removed` may not be named at all.
    """

    thinking: str = "free"
    behaviors: tuple[str, ...] = ("BLOCKING", "NON_BLOCKING")
    default_behavior: str = "BLOCKING"
    proactive: str = "choice"
    affective: str = "choice"
    history: bool = True  # takes clientContent in mid-session


PROFILES: Mapping[str, Profile] = {
    "gemini-3.8-live": Profile(
        thinking="refused", default_behavior="NON_BLOCKING", proactive="always", affective="removed"
    ),
    "gemini-3.8-live-extended-thinking": Profile(
        thinking="required",
        behaviors=("NON_BLOCKING",),
        default_behavior="NON_BLOCKING",
        proactive="always",
        affective="removed",
        history=False,
    ),
    "gemini-3.1-flash-live-preview": Profile(
        thinking="level", behaviors=("BLOCKING",), proactive="never", affective="never", history=False
    ),
    "gemini-2.5-flash-native-audio-preview-12-2025": Profile(thinking="budget"),
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


def _at(setup: Setup, path: str) -> Any:  # noqa: ANN401 - JSON has any shape
    """Gives what stands at a dotted path of the setup; None where nothing does."""
    found: Any = setup
    for name in path.split("."):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found


# -- what a field may be -------------------------------------------------------------------------------------

_GENERATION, _SPEECH = "generationConfig", "generationConfig.speechConfig"
_VOICE = f"{_SPEECH}.voiceConfig.prebuiltVoiceConfig.voiceName"
_DETECTION = "realtimeInputConfig.automaticActivityDetection"
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")

# From and to which number, where the field is set.
_RANGES: Mapping[str, tuple[float, float]] = {
    f"{_GENERATION}.temperature": (0, 2),
    f"{_GENERATION}.topP": (0, 1),
    f"{_GENERATION}.topK": (1, math.inf),
    f"{_GENERATION}.maxOutputTokens": (1, WINDOW // 2),
    f"{_GENERATION}.candidateCount": (1, 1),
    f"{_GENERATION}.presencePenalty": (-2, 2),
    f"{_GENERATION}.frequencyPenalty": (-2, 2),
    f"{_GENERATION}.thinkingConfig.thinkingBudget": (-1, math.inf),
    f"{_DETECTION}.prefixPaddingMs": (0, math.inf),
    f"{_DETECTION}.silenceDurationMs": (0, math.inf),
}

# What no model of this service has: fields of other services and other offices.
_NOWHERE: Mapping[str, str] = {
    f"{_GENERATION}.translationConfig": "translates nothing",
    f"{_SPEECH}.multiSpeakerVoiceConfig": "speaks with one voice",
    f"{_SPEECH}.voiceConfig.replicatedVoiceConfig": "has prebuilt voices only",
    "proactivity.proactiveVideo": "has no proactive video",
    "sessionResumption.transparent": "resumes by handle only (transparent is Vertex's)",
    "explicitVadSignal": "sends no signals of its detector (that is Vertex's)",
    "avatarConfig": "has no avatar",
}

_OWN_TOOLS = ("googleSearch", "functionDeclarations")


def _ranges(setup: Setup, _rules: Profile) -> str:
    for path, (least, most) in _RANGES.items():
        found = _at(setup, path)
        if found is not None and not least <= found <= most:
            bound = f"from {least:g} up" if most == math.inf else f"from {least:g} to {most:g}"
            return f"takes {_key(path)} {bound}, not {found:g}"
    return ""


def _nowhere(setup: Setup, _rules: Profile) -> str:
    for path, why in _NOWHERE.items():
        found = _at(setup, path)
        if found is not None and (found is not False or path == "explicitVadSignal"):
            return f"{why}; remove {_key(path)}"
    return ""


def _words(setup: Setup, _rules: Profile) -> str:
    modalities = _at(setup, f"{_GENERATION}.responseModalities")
    if modalities not in (None, ["AUDIO"]):
        return f'answers in AUDIO only; set live.response_modalities = ["AUDIO"], not {modalities}'
    voice = _at(setup, _VOICE)
    if voice is not None and voice not in VOICES:
        return f"has no voice {voice!r}; set {_key(_VOICE)} to one of {', '.join(VOICES)}"
    language = _at(setup, f"{_SPEECH}.languageCode")
    if language is not None and not _LANGUAGE.fullmatch(language):
        return f"takes a live.speech_config.language_code such as en-US, not {language!r}"
    return ""


def _compression(setup: Setup, _rules: Profile) -> str:
    asked = setup.get("contextWindowCompression")
    if asked is None:
        return ""
    trigger = asked.get("triggerTokens", WINDOW * 4 // 5)
    target = _at(asked, "slidingWindow.targetTokens")
    target = trigger // 2 if target is None else target
    if 0 < target < trigger <= WINDOW:
        return ""
    return (
        f"compresses its context from trigger_tokens, at most {WINDOW}, to target_tokens, which are fewer, "
        f"not from {trigger} to {target}; change live.context_window_compression"
    )


# -- what a model has ----------------------------------------------------------------------------------------


def _thinking(setup: Setup, rules: Profile) -> str:
    asked = _at(setup, f"{_GENERATION}.thinkingConfig")
    level, budget = (_at(asked, name) for name in ("thinkingLevel", "thinkingBudget"))
    if rules.thinking == "refused" and asked is not None:
        return "takes no thinking_config; remove live.thinking_config"
    if rules.thinking == "required" and (level is None) == (budget is None):
        return "needs exactly one of live.thinking_config.thinking_level and thinking_budget; set one"
    if rules.thinking == "required" and level not in (None, "LOW", "MEDIUM", "HIGH"):
        return f"thinks at level LOW, MEDIUM or HIGH, not {level}; change live.thinking_config.thinking_level"
    if rules.thinking == "level" and budget is not None:
        return "takes no thinking_budget; set live.thinking_config.thinking_level instead"
    if rules.thinking == "budget" and level is not None:
        return "takes no thinking_level; set live.thinking_config.thinking_budget instead"
    return ""


_OPTIONS: tuple[tuple[str, Callable[[Profile], str], str], ...] = (
    ("proactivity.proactiveAudio", lambda rules: rules.proactive, "live.proactivity"),
    (f"{_GENERATION}.enableAffectiveDialog", lambda rules: rules.affective, "live.enable_affective_dialog"),
)


def _options(setup: Setup, rules: Profile) -> str:
    for path, asked_of, key in _OPTIONS:
        has, asked = asked_of(rules), _at(setup, path)
        if has == "always" and asked is False:
            return f"always does what {key} asks for; remove it"
        if (has == "never" and asked) or (has == "removed" and asked is not None):
            return f"knows no {key}; remove it"
    return ""


def _service_tools(setup: Setup, _rules: Profile) -> str:
    for tool in setup.get("tools", ()):
        if foreign := next((name for name in tool if name not in _OWN_TOOLS), None):
            return f"has no {foreign}; take it out of live.tools"
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


def _key(path: str) -> str:
    """Names a field as [live] has it."""
    names = [re.sub("(?<=[a-z0-9])(?=[A-Z])", "_", name).lower() for name in path.split(".")]
    return ".".join(["live", *(name for name in names if name != "generation_config")])


_CHECKS: tuple[Callable[[Setup, Profile], str], ...] = (
    _words,
    _thinking,
    _ranges,
    _nowhere,
    _options,
    _compression,
    _service_tools,
    _behavior,
)
