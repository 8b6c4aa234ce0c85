"""What a setup comes to: every option checked against the model, and what the conversation needs of it.

An illegal option is a Breach with 1007 that names it; an unknown model one with 1008 that names model and version.
"""

import math
import re
from collections.abc import Iterable, Iterator

import attrs

from actors.emulator.declarations import FunctionDeclaration, Tool
from actors.emulator.detector import Sensitivity
from actors.emulator.mind import Declared
from actors.emulator.models import MODELS, Model, Option, Thinking, Waiting
from actors.emulator.protojson import Breach
from actors.emulator.requests import ContextWindowCompression, GenerationConfig, RealtimeInputConfig, Setup
from actors.emulator.vocabulary import (
    ActivityHandling,
    Behavior,
    MediaResolution,
    Modality,
    ThinkingLevel,
    TurnCoverage,
)
from actors.emulator.voice import PREBUILT

UNKNOWN_MODEL = 1008
DEFAULT_VOICE = "Kore"
TRIGGER_SHARE = 0.8  # of the window: where compression begins unless the setup says otherwise
_FUNCTION_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
_BUILT_IN = ("google_search_retrieval", "google_maps", "code_execution", "url_context", "file_search", "computer_use")
_FEW, _MANY = 64, 256  # tokens of one picture (live-protocol 5.4)
_LONGEST_MS = 10_000  # for padding and silence; longer waits are slips of the pen


@attrs.frozen
class Compression:
    """When the context is cut, and what is left of it, in tokens."""

    trigger: int
    target: int


@attrs.frozen
class Offer:
    """The tools the model may use: the client's functions, and whether search is among them."""

    declared: tuple[Declared, ...] = ()
    search: bool = False


@attrs.frozen
class Terms:
    """What both sides agreed on for one connection. `detection` is None where the client marks activity itself."""

    model: Model
    voice: str
    offer: Offer
    instruction: str
    detection: Sensitivity | None
    interruptible: bool
    everything_counts: bool
    seeding: bool
    transcribe_input: bool
    transcribe_output: bool
    thoughts: bool
    picture_tokens: int
    compression: Compression | None
    resumption: bool
    handle: str


def agree(setup: Setup, version: str) -> Terms:
    """Gives the terms of a setup sent to this API version; Breach names the first thing that is not allowed."""
    model = MODELS.get(setup.model)
    if model is None:
        raise Breach(
            f"{setup.model or 'models/'} is not found for API version {version}, or is not supported for "
            "bidiGenerateContent.",
            UNKNOWN_MODEL,
        )
    generation = setup.generation_config
    for complaint in _complaints(setup, model):
        raise Breach(f"Request contains an invalid argument: {complaint}.")
    thinking = generation.thinking_config
    resumption = setup.session_resumption
    realtime = setup.realtime_input_config
    return Terms(
        model=model,
        voice=_voice(generation),
        offer=offer(setup.tools, model),
        instruction=setup.system_instruction.text if setup.system_instruction else "",
        detection=_sensitivity(realtime),
        interruptible=realtime.activity_handling is not ActivityHandling.NO_INTERRUPTION,
        everything_counts=realtime.turn_coverage is TurnCoverage.TURN_INCLUDES_ALL_INPUT,
        seeding=setup.history_config.initial_history_in_client_content,
        transcribe_input=setup.input_audio_transcription is not None,
        transcribe_output=setup.output_audio_transcription is not None,
        thoughts=thinking is not None and thinking.include_thoughts,
        picture_tokens=_FEW if generation.media_resolution is MediaResolution.MEDIA_RESOLUTION_LOW else _MANY,
        compression=_compression(setup.context_window_compression, model),
        resumption=resumption is not None,
        handle=resumption.handle if resumption else "",
    )


def offer(tools: Iterable[Tool], model: Model) -> Offer:
    """Gives what these tools offer to the model; Breach where one cannot be used with it."""
    declared: dict[str, Declared] = {}
    search = False
    for tool in tools:
        search = search or tool.google_search is not None
        for name in _BUILT_IN:
            if getattr(tool, name) is not None:
                raise Breach(f"Request contains an invalid argument: tool {name} is not supported by {model.name}.")
        for function in tool.function_declarations:
            complaint = _function_complaint(function, model, declared)
            if complaint:
                raise Breach(f"Request contains an invalid argument: {complaint}.")
            declared[function.name] = _declared(function, model)
    return Offer(tuple(declared.values()), search)


def _declared(function: FunctionDeclaration, model: Model) -> Declared:
    json_schema = function.parameters_json_schema
    parameters = json_schema if isinstance(json_schema, dict) else function.parameters or {}
    blocks = model.blocks if function.behavior is Behavior.UNSPECIFIED else function.behavior is Behavior.BLOCKING
    return Declared(name=function.name, description=function.description, parameters=parameters, blocking=blocks)


def _function_complaint(function: FunctionDeclaration, model: Model, known: dict[str, Declared]) -> str:
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


def _complaints(setup: Setup, model: Model) -> Iterator[str]:
    generation = setup.generation_config
    yield from _generation_complaints(generation, model)
    yield from _thinking_complaints(generation, model)
    yield from _voice_complaints(generation)
    yield from _activity_complaints(setup.realtime_input_config)
    proactive = setup.proactivity.proactive_audio if setup.proactivity else None
    yield from _option("proactive_audio", proactive, model.proactive, model)
    if setup.proactivity and setup.proactivity.proactive_video:
        yield f"proactive_video is not supported by {model.name}"
    yield from _option("enable_affective_dialog", generation.enable_affective_dialog, model.affective, model)
    if generation.translation_config is not None:
        yield f"translation_config is not supported by {model.name}"
    if setup.session_resumption and setup.session_resumption.transparent:
        yield "session_resumption.transparent is not supported"
    compression = setup.context_window_compression
    if compression is not None:
        yield from _compression_complaints(compression, model)


def _generation_complaints(generation: GenerationConfig, model: Model) -> Iterator[str]:
    modalities = [modality.name for modality in generation.response_modalities]
    if modalities not in ([], [Modality.AUDIO.name]):
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
    if model.thinking is Thinking.REQUIRED and level == budget:
        yield f"{model.name} needs exactly one of thinking_level and thinking_budget"
    if model.thinking is Thinking.REQUIRED and config.thinking_level is ThinkingLevel.MINIMAL:
        yield f"thinking_level MINIMAL is not supported by {model.name}"
    if model.thinking is Thinking.LEVEL and budget:
        yield f"thinking_budget is not supported by {model.name}, use thinking_level"
    if model.thinking is Thinking.BUDGET and level:
        yield f"thinking_level is not supported by {model.name}, use thinking_budget"


def _voice(generation: GenerationConfig) -> str:
    speech = generation.speech_config
    voice = speech.voice_config if speech else None
    prebuilt = voice.prebuilt_voice_config if voice else None
    return prebuilt.voice_name if prebuilt and prebuilt.voice_name else DEFAULT_VOICE


def _voice_complaints(generation: GenerationConfig) -> Iterator[str]:
    speech = generation.speech_config
    if speech and speech.multi_speaker_voice_config is not None:
        yield "multi_speaker_voice_config is not supported for bidiGenerateContent"
    if speech and speech.voice_config and speech.voice_config.replicated_voice_config is not None:
        yield "replicated_voice_config is not supported for bidiGenerateContent"
    if _voice(generation) not in PREBUILT:
        yield f"voice_name {_voice(generation)[:40]!r} is not one of the prebuilt voices"


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
    found = _compression(config, model)
    if found is not None and not 0 < found.target < found.trigger <= model.window:
        yield (
            f"context_window_compression needs 0 < target_tokens < trigger_tokens <= {model.window}, "
            f"found {found.target} and {found.trigger}"
        )


def _compression(config: ContextWindowCompression | None, model: Model) -> Compression | None:
    if config is None:
        return None
    trigger = int(model.window * TRIGGER_SHARE) if config.trigger_tokens is None else config.trigger_tokens
    window = config.sliding_window
    target = window.target_tokens if window else None
    return Compression(trigger, trigger // 2 if target is None else target)


def _sensitivity(realtime: RealtimeInputConfig) -> Sensitivity | None:
    config = realtime.automatic_activity_detection
    if config.disabled:
        return None
    return Sensitivity.of(
        eager_start=config.start_of_speech_sensitivity.name != "START_SENSITIVITY_LOW",
        eager_end=config.end_of_speech_sensitivity.name != "END_SENSITIVITY_LOW",
        prefix_ms=config.prefix_padding_ms,
        silence_ms=config.silence_duration_ms,
    )
