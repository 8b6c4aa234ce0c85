"""What a setup comes to: every option checked against the model, and what the conversation needs of it.

An illegal option is a Breach with 1007 that names it; an unknown model one with 1008 that names model and version.
"""

from collections.abc import Iterable

import attrs
import msgspec

from actors.emulator import phrasebook
from actors.emulator.costs import text_cost
from actors.emulator.declarations import FunctionDeclaration, Tool
from actors.emulator.detector import Sensitivity
from actors.emulator.mind import Declared
from actors.emulator.models import Model, Option, find
from actors.emulator.protojson import Breach, unknown
from actors.emulator.requests import AudioTranscription, GenerationConfig, RealtimeInputConfig, Setup
from actors.emulator.rules import Compression, complaints, compression_of, function_complaint
from actors.emulator.vocabulary import (
    ActivityHandling,
    Behavior,
    EndSensitivity,
    MediaResolution,
    StartSensitivity,
    TurnCoverage,
)

__all__ = ["Compression", "Offer", "Terms", "agree", "offer"]

UNKNOWN_MODEL = 1008
DEFAULT_VOICE = "Kore"
_BUILT_IN = ("google_search_retrieval", "google_maps", "code_execution", "url_context", "file_search", "computer_use")
_START_UNSPECIFIED = StartSensitivity.START_SENSITIVITY_UNSPECIFIED
_END_UNSPECIFIED = EndSensitivity.END_SENSITIVITY_UNSPECIFIED
_FEW, _MANY = 64, 256  # tokens of one picture (live-protocol 5.4)


@attrs.frozen
class Offer:
    """The tools the model may use: the client's functions, whether search is among them, and what they cost to read.

    `phrases` is what can be said to have the functions called.
    """

    declared: tuple[Declared, ...] = ()
    search: bool = False
    tokens: int = 0
    phrases: str = ""


@attrs.frozen
class Terms:
    """What both sides agreed on for one connection. `detection` is None where the client marks activity itself.

    A model that `thinks` is paid for it, and tells its `thoughts` on demand; a `proactive` one may choose to stay
    silent. `most_tokens` bounds a turn. `signals` asks for a word about every start and end of activity. With
    `transparent` handles tell which of the client's messages they cover.
    """

    model: Model
    voice: str
    offer: Offer
    instruction: str
    detection: Sensitivity | None
    interruptible: bool
    coverage: TurnCoverage
    seeding: bool
    input_transcripts: AudioTranscription | None
    interim_transcripts: bool
    transcribe_output: bool
    thinks: bool
    thoughts: bool
    picture_tokens: int
    compression: Compression | None
    resumption: bool
    handle: str
    transparent: bool = False
    signals: bool = False
    most_tokens: int | None = None
    proactive: bool = False


def agree(setup: Setup, version: str, *, vertex: bool = False) -> Terms:
    """Gives the terms of a setup sent to this API version; Breach names the first thing that is not allowed."""
    if not vertex and setup.explicit_vad_signal is not None:
        raise unknown("explicitVadSignal", "setup")
    model = find(setup.model, vertex=vertex)
    if model is None:
        named = f"{setup.model or 'models/'} is not found for API version {version}"
        raise Breach(f"{named}, or is not supported for bidiGenerateContent.", UNKNOWN_MODEL)
    generation = setup.generation_config
    compression = compression_of(setup.context_window_compression, model)
    for complaint in complaints(setup, model, _voice(generation), vertex=vertex):
        raise Breach(f"Request contains an invalid argument: {complaint}.")
    thinking = generation.thinking_config
    thinks = thinking is not None and thinking.thinking_budget != 0
    resumption = setup.session_resumption
    realtime = setup.realtime_input_config
    return Terms(
        model=model,
        voice=_voice(generation),
        offer=offer(setup.tools, model),
        instruction=setup.system_instruction.text if setup.system_instruction else "",
        detection=_sensitivity(realtime, eager=not vertex),
        interruptible=realtime.activity_handling is not ActivityHandling.NO_INTERRUPTION,
        coverage=_coverage(realtime, model),
        seeding=setup.history_config.initial_history_in_client_content,
        input_transcripts=_transcripts(setup.input_audio_transcription),
        interim_transcripts=realtime.interim_transcript_timestamp_enabled,
        transcribe_output=setup.output_audio_transcription is not None,
        thinks=thinks,
        thoughts=thinks and thinking is not None and thinking.include_thoughts,
        picture_tokens=_FEW if generation.media_resolution is MediaResolution.MEDIA_RESOLUTION_LOW else _MANY,
        compression=compression,
        resumption=resumption is not None,
        handle=resumption.handle if resumption else "",
        transparent=resumption is not None and resumption.transparent,
        signals=bool(setup.explicit_vad_signal),
        most_tokens=generation.max_output_tokens,
        proactive=model.proactive is Option.ALWAYS or bool(setup.proactivity and setup.proactivity.proactive_audio),
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
            complaint = function_complaint(function, model, declared)
            if complaint:
                raise Breach(f"Request contains an invalid argument: {complaint}.")
            declared[function.name] = _declared(function, model)
    functions = tuple(declared.values())
    return Offer(functions, search, sum(map(_tokens, functions)), phrasebook.of(functions))


def _declared(function: FunctionDeclaration, model: Model) -> Declared:
    json_schema = function.parameters_json_schema
    parameters = json_schema if isinstance(json_schema, dict) else function.parameters or {}
    blocks = model.blocks if function.behavior is Behavior.UNSPECIFIED else function.behavior is Behavior.BLOCKING
    return Declared(name=function.name, description=function.description, parameters=parameters, blocking=blocks)


def _tokens(declared: Declared) -> int:
    try:
        schema = msgspec.json.encode(declared.parameters).decode()
    except RecursionError:
        raise Breach("Request contains an invalid argument: a schema is nested too deeply.") from None
    return text_cost(declared.name + declared.description + schema).total


def _transcripts(asked: AudioTranscription | None) -> AudioTranscription | None:
    """Keeps what transcripts depend on, and nothing of the words that are only hints."""
    if asked is None:
        return None
    return AudioTranscription(language_codes=asked.language_codes[:1], word_timestamp=asked.word_timestamp)


def _voice(generation: GenerationConfig) -> str:
    speech = generation.speech_config
    voice = speech.voice_config if speech else None
    prebuilt = voice.prebuilt_voice_config if voice else None
    return prebuilt.voice_name if prebuilt and prebuilt.voice_name else DEFAULT_VOICE


def _coverage(realtime: RealtimeInputConfig, model: Model) -> TurnCoverage:
    if realtime.turn_coverage is not TurnCoverage.TURN_COVERAGE_UNSPECIFIED:
        return realtime.turn_coverage
    if model.every_picture:
        return TurnCoverage.TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO
    return TurnCoverage.TURN_INCLUDES_ONLY_ACTIVITY


def _sensitivity(realtime: RealtimeInputConfig, *, eager: bool) -> Sensitivity | None:
    config = realtime.automatic_activity_detection
    if config.disabled:
        return None
    start, end = config.start_of_speech_sensitivity, config.end_of_speech_sensitivity
    return Sensitivity.of(
        eager_start=start is StartSensitivity.START_SENSITIVITY_HIGH or (eager and start is _START_UNSPECIFIED),
        eager_end=end is EndSensitivity.END_SENSITIVITY_HIGH or (eager and end is _END_UNSPECIFIED),
        prefix_ms=config.prefix_padding_ms,
        silence_ms=config.silence_duration_ms,
    )
