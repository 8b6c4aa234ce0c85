"""How the embedded service behaves: its clocks and its pace. The defaults are those of the real one, where known."""

import attrs

from actors.emulator.handles import LIFE
from actors.emulator.turn import Pace

_MOMENT = 1.0


@attrs.frozen
class Settings:
    """The service's habits; all times in seconds.

    first_audio: from the end of a prompt to the first sound of its answer (or its first function call).
    burst: how much faster than real time audio is sent; math.inf for all at once.
    connection_life: how long a connection lives; go_away_lead: how long before that its end is announced.
    session_limit: how long a session lives that has not asked for compression; video_limit: the same with video.
    setup_patience: how long a client may take for its setup; handle_life: how long a handle outlives its session.
    time_scale: divides those six clocks, so that a test need not wait; sound keeps its own time. A client has a second
    for its setup however fast the clocks go.
    key: the only API key accepted; None accepts any.
    threads: hearing in a process and voice in a thread of their own; False runs both inline, for a virtual clock.
    voice_activity: tell every client when its speech begins and ends, as the real service does for some projects.
    connections, handles, tokens: how many of each are kept.
    """

    first_audio: float = 0.25
    burst: float = 8.0
    connection_life: float = 600.0
    go_away_lead: float = 60.0
    session_limit: float = 900.0
    video_limit: float = 120.0
    setup_patience: float = 30.0
    handle_life: float = LIFE
    time_scale: float = 1.0
    key: str | None = attrs.field(default=None, repr=False)
    threads: bool = True
    connections: int = 200
    handles: int = 1000
    tokens: int = 1000
    voice_activity: bool = False

    @property
    def patience(self) -> float:
        """How long a client may really take for its setup."""
        return max(self.setup_patience / self.time_scale, min(self.setup_patience, _MOMENT))

    @property
    def pace(self) -> Pace:
        """How replies are sent."""
        return Pace(self.first_audio, self.burst)
