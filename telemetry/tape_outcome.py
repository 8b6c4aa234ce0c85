"""Compares two runs of a conversation, event by event, and says in plain words where they differ."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

import attrs

Line = Mapping[str, Any]
LONGEST = 200  # characters of a value that are shown
LATE = ("latency_ms",)  # measurements that a busy machine makes longer
SLOWEST_MS = 3000.0  # by which a busy machine may be late with an event; what is later still has another reason


@attrs.frozen
class Aspect:
    """One kind of outcome.

    Two events are about the same where the fields `same` are equal; then those in `exact` must be equal, too, and those
    in `measured` within the tolerance, in milliseconds.
    """

    what: str
    same: tuple[str, ...]
    measured: tuple[str, ...] = ()
    exact: tuple[str, ...] = ()
    only: Callable[[Line], bool] = lambda _line: True
    timed: bool = True


ASPECTS = {
    "session.state": Aspect("state of the session", ("from", "to")),
    "session.resumed": Aspect("resumption", ("fresh",), ("replayed_ms", "lost_ms")),
    "session.going_away": Aspect("word of going away", ()),
    "turn.user_start": Aspect("beginning of speech", (), ("at_ms",)),
    "turn.user_end": Aspect("end of speech", (), ("at_ms",)),
    "turn.first_audio": Aspect("first sound of a reply", ("turn",), ("latency_ms",)),
    "turn.interrupted": Aspect("interruption", ("turn",), ("heard_ms",)),
    "turn.end": Aspect("end of a turn", ("turn", "outcome"), ("heard_ms",)),
    "transcript": Aspect("transcript", ("who", "text"), only=lambda line: bool(line.get("final"))),
    "tool.call": Aspect("tool call", ("name", "args")),
    "tool.result": Aspect("tool result", ("name", "outcome")),
    "usage": Aspect("token count", ("totalTokenCount",)),
    "microphone.muted": Aspect("mute", ("muted",)),
    "actor.restart": Aspect("restart", ("actor",), timed=False),
    "wire": Aspect("message to the service", ("message",), ("sound_ms",), ("body",)),
}


@attrs.frozen
class Difference:
    """Where two runs differ, at which time of the recording.

    `slow` differences lie in the machine that recorded: an event, or a reply's first sound, came late there and comes
    in time in the replay.
    """

    t: float
    text: str
    slow: bool = False

    def __str__(self) -> str:
        return f"{int(self.t) // 60}:{self.t % 60:05.2f}  {self.text}"


def compare(recorded: Sequence[Line], replayed: Sequence[Line], tolerance_ms: float) -> list[Difference]:
    """Gives every difference that is more than the tolerance, in order of time."""
    found: list[Difference] = []
    for name, aspect in ASPECTS.items():
        before, after = (
            [line for line in run if line["event"] == name and aspect.only(line)] for run in (recorded, replayed)
        )
        found += _compared(aspect, before, after, tolerance_ms)
    return sorted(found, key=lambda difference: difference.t)


def _compared(
    aspect: Aspect, before: Sequence[Line], after: Sequence[Line], tolerance_ms: float
) -> Iterator[Difference]:
    old_keys, new_keys = ([repr([line.get(field) for field in aspect.same]) for line in run] for run in (before, after))
    for kind, i, i_end, j, j_end in SequenceMatcher(None, old_keys, new_keys, autojunk=False).get_opcodes():
        if kind == "equal":
            for old, new in zip(before[i:i_end], after[j:j_end], strict=True):
                yield from _measured(aspect, old, new, tolerance_ms)
        else:
            for line in before[i:i_end]:
                yield Difference(line["t"], f"the recording has the {_shown(aspect, line)}, the replay does not")
            for line in after[j:j_end]:
                yield Difference(line["t"], f"the replay has the {_shown(aspect, line)}, the recording does not")


def _measured(aspect: Aspect, old: Line, new: Line, tolerance_ms: float) -> Iterator[Difference]:
    if aspect.timed and abs(new["t"] - old["t"]) * 1000 > tolerance_ms:
        late = (new["t"] - old["t"]) * 1000
        when = f"{abs(late):.0f} ms {'later' if late > 0 else 'earlier'} in the replay"
        yield Difference(old["t"], f"the {_shown(aspect, old)} comes {when}", slow=-SLOWEST_MS < late < 0)
    for field in aspect.measured:
        was, now = old.get(field), new.get(field)
        if (was is None) is not (now is None) or (was is not None and abs(now - was) > tolerance_ms):
            text = f"the {_shown(aspect, old)} had {field} {_value(was)}, and has {_value(now)} in the replay"
            slow = field in LATE and was is not None and now is not None and 0 < was - now < SLOWEST_MS
            yield Difference(old["t"], text, slow=slow)
    for field in aspect.exact:
        for apart in _apart(old.get(field), new.get(field)):
            yield Difference(old["t"], f"the {_shown(aspect, old)}: {apart}")


def _apart(old: object, new: object, path: str = "") -> Iterator[str]:
    """Names what in two JSON values differs, by its place."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in [*old, *(key for key in new if key not in old)]:
            yield from _apart(old.get(key), new.get(key), f"{path}.{key}" if path else str(key))
    elif isinstance(old, list) and isinstance(new, list) and len(old) == len(new):
        for number, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _apart(one, other, f"{path}[{number}]")
    elif old != new:
        yield f"{path or 'it'} was {_value(old)[:LONGEST]}, and is {_value(new)[:LONGEST]} in the replay"


def _value(value: object) -> str:
    return f"{value:.0f}" if isinstance(value, float) else "none" if value is None else str(value)


def _shown(aspect: Aspect, line: Line) -> str:
    told = [f"{field} {str(line[field])[:LONGEST]}" for field in aspect.same if line.get(field) is not None]
    return f"{aspect.what} ({', '.join(told)})" if told else aspect.what
