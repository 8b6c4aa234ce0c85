"""What a model refuses: every option of a setup held against the model's entry.

Complaints are sentences about one field each, in the order of the setup; `terms` tells the first of them.
"""

import math
import re
from collections.abc import Container, Iterator

import attrs

from actors.emulator.declarations import FunctionDeclaration
from actors.emulator.models import Model, Office, Option, Thinking, Waiting
from actors.emulator.requests import ContextWindowCompression, GenerationConfig, RealtimeInputConfig, Setup
from actors.emulator.vocabulary import Behavior, Modality, ThinkingLevel
from actors.emulator.voice import PREBUILT

_FUNCTION_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8})*")
_DYNAMIC = -1  # a budget the model chooses by itself
_LONGEST_MS = 10_000  # for padding and silence; longer waits are slips of the pen
TRIGGER_SHARE = 0.8  # of the window: where compression begins unless the setup says otherwise


@attrs.frozen
class Compression:
    """When the context is cut, and what is left of it, in tokens."""

    trigger: int
    target: int


def complaints(setup: Setup, model: Model, voice: str, *, vertex: bool) -> Iterator[str]:
    """Yields what is wrong with a setup; `voice` is the name of the one that would speak."""
    generation = setup.generation_config
    yield from _generation_complaints(generation, model)
    yield from _thinking_complaints(generation, model)
    yield from _voice_complaints(generation, voice)
    yield from _activity_complaints(setup.realtime_input_config)
    proactive = setup.proactivity.proactive_audio if setup.proactivity else None
    yield from _option("proactive_audio", proactive, model.proactive, model)
    if setup.proactivity and setup.proactivity.proactive_video:
        yield f"proactive_video is not supported by {model.name}"
    yield from _option("enable_affective_dialog", generation.enable_affective_dialog, model.affective, model)
    yield from _translation_complaints(generation, model)
    if setup.session_resumption and setup.session_resumption.transparent and not vertex:
        yield "session_resumption.transparent is not supported"
    compression = setup.context_window_compression
    if compression is not None:
        yield from _compression_complaints(compression, model)


def _generation_complaints(generation: GenerationConfig, model: Model) -> Iterator[str]:
    modalities = [modality.name for modality in generation.response_modalities]
    written = [[Modality.TEXT.name]] if model.office is Office.TRANSCRIBE else []
    if modalities not in ([], [Modality.AUDIO.name], *written):
        yield f"response_modalities {' and '.join(modalities)} not supported by {model.name}, which answers in AUDIO"
    ranges: tuple[tuple[str, float | None, float, float], ...] = (
        ("temperature", generation.temperature, 0, 2),
        ("top_p", generation.top_p, 0, 1),
        ("top_k", generation.top_k, 1, 1000),
        ("max_output_tokens", generation.max_output_tokens, 1, model.window // 2),
        ("candidate_count", generation.candidate_count, 1, 1),
        ("presence_penalty", generation.presence_penalty, -2, 2),
        ("frequency_penalty", generation.frequency_penalty, -2, 2),
    )
    for name, value, low, high in ranges:
        if value is not None and not (math.isfinite(value) and low <= value <= high):
            yield f"{name} must be from {low:g} to {high:g}, found {value:g}"


def _thinking_complaints(generation: GenerationConfig, model: Model) -> Iterator[str]:
    config = generation.thinking_config
    if config is None:
        if model.thinking is Thinking.REQUIRED:
            yield f"{model.name} needs thinking_config with thinking_level or thinking_budget"
        return
    level, budget = config.thinking_level is not None, config.thinking_budget is not None
    if model.thinking is Thinking.REFUSED:
        yield f"thinking_config is not supported by {model.name}"
    if config.thinking_budget is not None and config.thinking_budget < _DYNAMIC:
        yield f"thinking_budget must be {_DYNAMIC} (as much as it takes) or more, found {config.thinking_budget}"
    if model.thinking is Thinking.REQUIRED and level == budget:
        yield f"{model.name} needs exactly one of thinking_level and thinking_budget"
    if model.thinking is Thinking.REQUIRED and config.thinking_level is ThinkingLevel.MINIMAL:
        yield f"thinking_level MINIMAL is not supported by {model.name}"
    if model.thinking is Thinking.LEVEL and budget:
        yield f"thinking_budget is not supported by {model.name}, use thinking_level"
    if model.thinking is Thinking.BUDGET and level:
        yield f"thinking_level is not supported by {model.name}, use thinking_budget"


def _translation_complaints(generation: GenerationConfig, model: Model) -> Iterator[str]:
    config = generation.translation_config
    if config is None:
        return
    if model.office is not Office.TRANSLATE:
        yield f"translation_config is not supported by {model.name}"
    elif not _LANGUAGE.fullmatch(config.target_language_code):
        yield f"target_language_code {config.target_language_code[:40]!r} is not of the form es or en-US"


def _voice_complaints(generation: GenerationConfig, voice: str) -> Iterator[str]:
    speech = generation.speech_config
    if speech and speech.multi_speaker_voice_config is not None:
        yield "multi_speaker_voice_config is not supported for bidiGenerateContent"
    if speech and speech.voice_config and speech.voice_config.replicated_voice_config is not None:
        yield "replicated_voice_config is not supported for bidiGenerateContent"
    if voice not in PREBUILT:
        yield f"voice_name {voice[:40]!r} is not one of the prebuilt voices"
    if speech and speech.language_code and not _LANGUAGE.fullmatch(speech.language_code):
        yield f"language_code {speech.language_code[:40]!r} is not of the form en-US"


def _activity_complaints(realtime: RealtimeInputConfig) -> Iterator[str]:
    detection = realtime.automatic_activity_detection
    for name in ("prefix_padding_ms", "silence_duration_ms"):
        value: int | None = getattr(detection, name)
        if value is not None and not 0 <= value <= _LONGEST_MS:
            yield f"{name} must be from 0 to {_LONGEST_MS}, found {value}"


def _option(name: str, value: bool | None, option: Option, model: Model) -> Iterator[str]:
    if value is None:
        return
    if option is Option.REMOVED or (option is Option.NEVER and value):
        yield f"{name} is not supported by {model.name}"
    if option is Option.ALWAYS and not value:
        yield f"{name} cannot be turned off for {model.name}"


def _compression_complaints(config: ContextWindowCompression, model: Model) -> Iterator[str]:
    found = compression_of(config, model)
    if found is not None and not 0 < found.target < found.trigger <= model.window:
        yield (
            f"context_window_compression needs 0 < target_tokens < trigger_tokens <= {model.window}, "
            f"found {found.target} and {found.trigger}"
        )


def compression_of(config: ContextWindowCompression | None, model: Model) -> Compression | None:
    """Gives the numbers of a compression with its defaults; None if the setup asks for none."""
    if config is None:
        return None
    trigger = int(model.window * TRIGGER_SHARE) if config.trigger_tokens is None else config.trigger_tokens
    window = config.sliding_window
    target = window.target_tokens if window else None
    return Compression(trigger, trigger // 2 if target is None else target)


def function_complaint(function: FunctionDeclaration, model: Model, known: Container[str]) -> str:
    """Tells what is wrong with a declaration beside those already known by name; "" if nothing is."""
    name = function.name
    if not _FUNCTION_NAME.fullmatch(name):
        return f"function name {name[:60]!r} must start with a letter or _ and have at most 128 of A-Z a-z 0-9 _ . : -"
    if name in known:
        return f"function {name} is declared twice"
    if function.parameters is not None and function.parameters_json_schema is not None:
        return f"function {name} has both parameters and parameters_json_schema"
    if not isinstance(function.parameters_json_schema, dict | None):
        return f"parameters_json_schema of function {name} must be an object"
    wrong = {Waiting.BLOCKING: Behavior.NON_BLOCKING, Waiting.NON_BLOCKING: Behavior.BLOCKING}.get(model.waiting)
    if function.behavior is wrong:
        return f"behavior {function.behavior.name} of function {name} is not supported by {model.name}"
    return ""
