"""The words of the protocol: every enumeration a client may send, by its proto names."""

import enum


class Modality(enum.Enum):
    """In what a model may answer."""

    MODALITY_UNSPECIFIED = enum.auto()
    TEXT = enum.auto()
    IMAGE = enum.auto()
    AUDIO = enum.auto()
    VIDEO = enum.auto()


class ThinkingLevel(enum.Enum):
    """How long a model may think."""

    THINKING_LEVEL_UNSPECIFIED = enum.auto()
    MINIMAL = enum.auto()
    LOW = enum.auto()
    MEDIUM = enum.auto()
    HIGH = enum.auto()


class MediaResolution(enum.Enum):
    """How many tokens a picture may cost."""

    MEDIA_RESOLUTION_UNSPECIFIED = enum.auto()
    MEDIA_RESOLUTION_LOW = enum.auto()
    MEDIA_RESOLUTION_MEDIUM = enum.auto()
    MEDIA_RESOLUTION_HIGH = enum.auto()


class StartSensitivity(enum.Enum):
    """How readily speech is taken to have begun; unspecified means HIGH."""

    START_SENSITIVITY_UNSPECIFIED = enum.auto()
    START_SENSITIVITY_HIGH = enum.auto()
    START_SENSITIVITY_LOW = enum.auto()


class EndSensitivity(enum.Enum):
    """How readily speech is taken to have ended; unspecified means HIGH."""

    END_SENSITIVITY_UNSPECIFIED = enum.auto()
    END_SENSITIVITY_HIGH = enum.auto()
    END_SENSITIVITY_LOW = enum.auto()


class ActivityHandling(enum.Enum):
    """Whether a speaking user stops the model."""

    ACTIVITY_HANDLING_UNSPECIFIED = enum.auto()
    START_OF_ACTIVITY_INTERRUPTS = enum.auto()
    NO_INTERRUPTION = enum.auto()


class TurnCoverage(enum.Enum):
    """Which input counts towards a turn."""

    TURN_COVERAGE_UNSPECIFIED = enum.auto()
    TURN_INCLUDES_ONLY_ACTIVITY = enum.auto()
    TURN_INCLUDES_ALL_INPUT = enum.auto()
    TURN_INCLUDES_AUDIO_ACTIVITY_AND_ALL_VIDEO = enum.auto()


class Behavior(enum.Enum):
    """Whether the model waits for a function's answer; unspecified means the model's own default."""

    UNSPECIFIED = enum.auto()
    BLOCKING = enum.auto()
    NON_BLOCKING = enum.auto()


class Scheduling(enum.Enum):
    """What happens when a NON_BLOCKING function has answered; unspecified means WHEN_IDLE."""

    SCHEDULING_UNSPECIFIED = enum.auto()
    SILENT = enum.auto()
    WHEN_IDLE = enum.auto()
    INTERRUPT = enum.auto()


class HarmCategory(enum.Enum):
    """What a safety setting is about."""

    HARM_CATEGORY_UNSPECIFIED = enum.auto()
    HARM_CATEGORY_HARASSMENT = enum.auto()
    HARM_CATEGORY_HATE_SPEECH = enum.auto()
    HARM_CATEGORY_SEXUALLY_EXPLICIT = enum.auto()
    HARM_CATEGORY_DANGEROUS_CONTENT = enum.auto()
    HARM_CATEGORY_CIVIC_INTEGRITY = enum.auto()


class HarmBlockThreshold(enum.Enum):
    """From which probability on content is withheld."""

    HARM_BLOCK_THRESHOLD_UNSPECIFIED = enum.auto()
    BLOCK_LOW_AND_ABOVE = enum.auto()
    BLOCK_MEDIUM_AND_ABOVE = enum.auto()
    BLOCK_ONLY_HIGH = enum.auto()
    BLOCK_NONE = enum.auto()
    OFF = enum.auto()


class TranscriptionMode(enum.Enum):
    """Whether a transcript is word for word; unspecified leaves it to the service."""

    MODE_UNSPECIFIED = enum.auto()
    VERBATIM = enum.auto()
    SMART = enum.auto()
