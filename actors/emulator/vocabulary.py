"""The words of the protocol: every enumeration a client may send, by its proto names."""

import enum


class Word(enum.Enum):
    """An enumeration whose members have their proto numbers, counted from 0 where they are not told."""

    @staticmethod
    def _generate_next_value_(name: str, start: int, count: int, last_values: list[int]) -> int:  # noqa: ARG004
        return count


class Modality(Word):
    """In what a model may answer."""

    MODALITY_UNSPECIFIED = enum.auto()
    TEXT = enum.auto()
    IMAGE = enum.auto()
    AUDIO = enum.auto()
    VIDEO = enum.auto()


class ThinkingLevel(Word):
    """How long a model may think."""

    THINKING_LEVEL_UNSPECIFIED = enum.auto()
    MINIMAL = enum.auto()
    LOW = enum.auto()
    MEDIUM = enum.auto()
    HIGH = enum.auto()


class MediaResolution(Word):
    """How many tokens a picture may cost."""

    MEDIA_RESOLUTION_UNSPECIFIED = enum.auto()
    MEDIA_RESOLUTION_LOW = enum.auto()
    MEDIA_RESOLUTION_MEDIUM = enum.auto()
    MEDIA_RESOLUTION_HIGH = enum.auto()
    MEDIA_RESOLUTION_ULTRA_HIGH = enum.auto()


class StartSensitivity(Word):
    """How readily speech is taken to have begun; unspecified means HIGH."""

    START_SENSITIVITY_UNSPECIFIED = enum.auto()
    START_SENSITIVITY_HIGH = enum.auto()
    START_SENSITIVITY_LOW = enum.auto()


class EndSensitivity(Word):
    """How readily speech is taken to have ended; unspecified means HIGH."""

    END_SENSITIVITY_UNSPECIFIED = enum.auto()
    END_SENSITIVITY_HIGH = enum.auto()
    END_SENSITIVITY_LOW = enum.auto()


class ActivityHandling(Word):
    """Whether a speaking user stops the model."""

    ACTIVITY_HANDLING_UNSPECIFIED = enum.auto()
    START_OF_ACTIVITY_INTERRUPTS = enum.auto()
    NO_INTERRUPTION = enum.auto()


class TurnCoverage(Word):
    """Which input counts towards a turn."""

    TURN_COVERAGE_UNSPECIFIED = enum.auto()
    TURN_INCLUDES_ONLY_ACTIVITY = enum.auto()
    TURN_INCLUDES_ALL_INPUT = enum.auto()
    TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO = enum.auto()


class Behavior(Word):
    """Whether the model waits for a function's answer; unspecified means the model's own default."""

    UNSPECIFIED = enum.auto()
    BLOCKING = enum.auto()
    NON_BLOCKING = enum.auto()


class Scheduling(Word):
    """What happens when a NON_BLOCKING function has answered; unspecified means WHEN_IDLE."""

    SCHEDULING_UNSPECIFIED = enum.auto()
    SILENT = enum.auto()
    WHEN_IDLE = enum.auto()
    INTERRUPT = enum.auto()


class HarmCategory(Word):
    """What a safety setting is about."""

    HARM_CATEGORY_UNSPECIFIED = 0
    HARM_CATEGORY_HARASSMENT = 7  # below are those of older models, which no Live model takes
    HARM_CATEGORY_HATE_SPEECH = 8
    HARM_CATEGORY_SEXUALLY_EXPLICIT = 9
    HARM_CATEGORY_DANGEROUS_CONTENT = 10
    HARM_CATEGORY_CIVIC_INTEGRITY = 11
    HARM_CATEGORY_IMAGE_HATE = 12
    HARM_CATEGORY_IMAGE_DANGEROUS_CONTENT = 13
    HARM_CATEGORY_IMAGE_HARASSMENT = 14
    HARM_CATEGORY_IMAGE_SEXUALLY_EXPLICIT = 15
    HARM_CATEGORY_JAILBREAK = 16


class HarmBlockThreshold(Word):
    """From which probability on content is withheld."""

    HARM_BLOCK_THRESHOLD_UNSPECIFIED = enum.auto()
    BLOCK_LOW_AND_ABOVE = enum.auto()
    BLOCK_MEDIUM_AND_ABOVE = enum.auto()
    BLOCK_ONLY_HIGH = enum.auto()
    BLOCK_NONE = enum.auto()
    OFF = enum.auto()


class SchemaType(Word):
    """What a value is, in an OpenAPI schema."""

    TYPE_UNSPECIFIED = enum.auto()
    STRING = enum.auto()
    NUMBER = enum.auto()
    INTEGER = enum.auto()
    BOOLEAN = enum.auto()
    ARRAY = enum.auto()
    OBJECT = enum.auto()
    NULL = enum.auto()


class TranscriptionMode(Word):
    """Whether a transcript is word for word; unspecified leaves it to the service."""

    MODE_UNSPECIFIED = enum.auto()
    VERBATIM = enum.auto()
    SMART = enum.auto()
