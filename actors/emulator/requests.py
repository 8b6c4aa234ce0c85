"""What a client may say: the messages of BidiGenerateContent as classes, field for field.

These are shapes only; `protojson` reads them, `models` and `terms` judge them. Names are the proto's; a default stands
for a field that was not sent. Fields of other services in the same types (Vertex, generateContent) are left out on
purpose: the Live service refuses them as unknown, and so does this one.
"""

from collections.abc import Mapping

import attrs

from actors.emulator.declarations import Empty, Tool, ToolUpdate
from actors.emulator.vocabulary import (
    ActivityHandling,
    EndSensitivity,
    HarmBlockThreshold,
    HarmCategory,
    MediaResolution,
    Modality,
    Scheduling,
    StartSensitivity,
    ThinkingLevel,
    TranscriptionMode,
    TurnCoverage,
)


@attrs.frozen
class Blob:
    """Media bytes with their type."""

    mime_type: str = ""
    data: bytes = b""
    display_name: str = ""


@attrs.frozen
class Part:
    """One part of a content; the service refuses function parts inside client content."""

    text: str | None = None
    inline_data: Blob | None = None
    thought: bool = False
    thought_signature: bytes = b""
    function_call: Mapping[str, object] | None = None
    function_response: Mapping[str, object] | None = None
    file_data: Mapping[str, object] | None = None
    executable_code: Mapping[str, object] | None = None
    code_execution_result: Mapping[str, object] | None = None
    media_resolution: Mapping[str, object] | None = None
    video_metadata: Mapping[str, object] | None = None


@attrs.frozen
class Content:
    """What one side said."""

    role: str = ""
    parts: tuple[Part, ...] = ()

    @property
    def text(self) -> str:
        """The text parts, thoughts left out, as one."""
        return " ".join(part.text for part in self.parts if part.text and not part.thought)


@attrs.frozen
class PrebuiltVoiceConfig:
    """One of the named voices."""

    voice_name: str = ""


@attrs.frozen
class VoiceConfig:
    """Whose voice."""

    prebuilt_voice_config: PrebuiltVoiceConfig | None = None
    replicated_voice_config: Mapping[str, object] | None = None


@attrs.frozen
class SpeechConfig:
    """How replies sound."""

    voice_config: VoiceConfig | None = None
    multi_speaker_voice_config: Mapping[str, object] | None = None
    language_code: str = ""


@attrs.frozen
class ThinkingConfig:
    """How much a model thinks before it answers."""

    include_thoughts: bool = False
    thinking_budget: int | None = None
    thinking_level: ThinkingLevel | None = None


@attrs.frozen
class TranslationConfig:
    """Live translation, of the translating models only."""

    target_language_code: str = ""
    echo_target_language: bool = False


@attrs.frozen
class GenerationConfig:
    """How replies are made."""

    response_modalities: tuple[Modality, ...] = ()
    candidate_count: int | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    max_output_tokens: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    media_resolution: MediaResolution = MediaResolution.MEDIA_RESOLUTION_UNSPECIFIED
    speech_config: SpeechConfig | None = None
    thinking_config: ThinkingConfig | None = None
    enable_affective_dialog: bool | None = None
    translation_config: TranslationConfig | None = None


@attrs.frozen
class SessionResumption:
    """A wish for handles, and the handle to go on from."""

    handle: str = ""
    transparent: bool = False


@attrs.frozen
class SlidingWindow:
    """What compression leaves; None means half of what triggers it."""

    target_tokens: int | None = None


@attrs.frozen
class ContextWindowCompression:
    """When old turns are dropped; None means at 80 % of the model's window."""

    trigger_tokens: int | None = None
    sliding_window: SlidingWindow | None = None


@attrs.frozen
class AudioTranscription:
    """How speech is written down; presence asks for transcripts, and the hints change nothing here."""

    language_codes: tuple[str, ...] = ()
    language_auto: Empty | None = None
    language_hints: Mapping[str, object] | None = None
    custom_vocabulary: tuple[str, ...] = ()
    adaptation_phrases: tuple[str, ...] = ()
    word_timestamp: bool = False
    diarization: bool = False
    mode: TranscriptionMode = TranscriptionMode.MODE_UNSPECIFIED


@attrs.frozen
class AutomaticActivityDetection:
    """How the service finds speech."""

    disabled: bool = False
    start_of_speech_sensitivity: StartSensitivity = StartSensitivity.START_SENSITIVITY_UNSPECIFIED
    end_of_speech_sensitivity: EndSensitivity = EndSensitivity.END_SENSITIVITY_UNSPECIFIED
    prefix_padding_ms: int | None = None
    silence_duration_ms: int | None = None


@attrs.frozen
class RealtimeInputConfig:
    """How realtime input becomes turns."""

    automatic_activity_detection: AutomaticActivityDetection = AutomaticActivityDetection()
    activity_handling: ActivityHandling = ActivityHandling.ACTIVITY_HANDLING_UNSPECIFIED
    turn_coverage: TurnCoverage = TurnCoverage.TURN_COVERAGE_UNSPECIFIED
    interim_transcript_timestamp_enabled: bool = False


@attrs.frozen
class Proactivity:
    """Whether the model may stay silent or speak unasked."""

    proactive_audio: bool | None = None
    proactive_video: bool | None = None


@attrs.frozen
class HistoryConfig:
    """Whether the first client content is history."""

    initial_history_in_client_content: bool = False


@attrs.frozen
class SafetySetting:
    """What is withheld, and from when on."""

    category: HarmCategory = HarmCategory.HARM_CATEGORY_UNSPECIFIED
    threshold: HarmBlockThreshold = HarmBlockThreshold.HARM_BLOCK_THRESHOLD_UNSPECIFIED


@attrs.frozen
class Setup:
    """The first message of a connection."""

    model: str = ""
    generation_config: GenerationConfig = GenerationConfig()
    system_instruction: Content | None = None
    tools: tuple[Tool, ...] = ()
    session_resumption: SessionResumption | None = None
    context_window_compression: ContextWindowCompression | None = None
    input_audio_transcription: AudioTranscription | None = None
    output_audio_transcription: AudioTranscription | None = None
    realtime_input_config: RealtimeInputConfig = RealtimeInputConfig()
    proactivity: Proactivity | None = None
    history_config: HistoryConfig = HistoryConfig()
    explicit_vad_signal: bool | None = None  # Vertex's alone: elsewhere an unknown name
    safety_settings: tuple[SafetySetting, ...] = ()
    labels: Mapping[str, str] = attrs.field(factory=dict)


@attrs.frozen
class ClientContent:
    """Turns as text; `turn_complete` asks for an answer."""

    turns: tuple[Content, ...] = ()
    turn_complete: bool = False


@attrs.frozen
class RealtimeInput:
    """What the user does at this moment."""

    audio: Blob | None = None
    video: Blob | None = None
    text: str | None = None
    audio_stream_end: bool = False
    activity_start: Empty | None = None
    activity_end: Empty | None = None
    media_chunks: tuple[Blob, ...] = ()


@attrs.frozen
class FunctionResponse:
    """What a function has answered."""

    id: str = ""
    name: str = ""
    response: Mapping[str, object] = attrs.field(factory=dict)
    scheduling: Scheduling = Scheduling.SCHEDULING_UNSPECIFIED
    will_continue: bool = False
    parts: tuple[Mapping[str, object], ...] = ()


@attrs.frozen
class ToolResponse:
    """Answers to calls."""

    function_responses: tuple[FunctionResponse, ...] = ()


@attrs.frozen
class ContextUpdate:
    """A new system instruction or new tools in mid-session."""

    system_instruction: Content | None = None
    tools: ToolUpdate | None = None


@attrs.frozen
class ClientMessage:
    """One WebSocket message: exactly one of its fields is there."""

    setup: Setup | None = None
    client_content: ClientContent | None = None
    realtime_input: RealtimeInput | None = None
    tool_response: ToolResponse | None = None
    context_update: ContextUpdate | None = None
