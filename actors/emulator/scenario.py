"""Scenarios: TOML files that script the far end. A parsed one is frozen values; a bad one is refused by name.

A file has a `shows` line, tables of habits (`latency`, `clocks`, `detection`) and `[[step]]` tables, each an occasion
and what is done then. The shipped ones stand in `scenarios/` beside this file, one a file.
"""

import difflib
import math
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, get_args

import attrs

from actors.emulator.actions import ACTIONS, COUNT, SECONDS, Action, Check, Edit, Send, Silent, Spoken, bounded
from actors.emulator.requests import Setup
from actors.emulator.settings import Settings
from pipeline.errors import PlanError
from pipeline.settings import structure

FOLDER = Path(__file__).with_name("scenarios")
"""Where the shipped scenarios are."""

Moment = Literal["connect", "setup", "turn", "speech", "silence", "audio", "text", "content", "response"]
Message = Literal[
    "setupComplete",
    "modelTurn",
    "inputTranscription",
    "outputTranscription",
    "interrupted",
    "generationComplete",
    "turnComplete",
    "groundingMetadata",
    "toolCall",
    "toolCallCancellation",
    "goAway",
    "sessionResumptionUpdate",
]
MOMENTS: tuple[str, ...] = get_args(Moment)
"""What happens on a connection besides the service's messages."""
MESSAGES: tuple[str, ...] = get_args(Message)
"""The service's messages by their names on the wire, as occasions."""
OPEN_CALL = "open_call"
HANDLE = "handle"
TRAITS = (OPEN_CALL, HANDLE, *(field.name for field in attrs.fields(Setup)))
"""What `having` may ask for: calls without an answer, a setup with a handle, or a setup with that field."""

_POSITIVE: Check = (lambda value: value > 0, "above 0")
_CHANCE: Check = (lambda value: 0 < value <= 1, "above 0 and at most 1")
_TIMES: Check = (lambda value: value >= 0, "0 for every time, or more")
_NAME: Check = (lambda value: value in TRAITS, "one of " + ", ".join(TRAITS))
_LINE: Check = (lambda value: bool(value.strip()) and "\n" not in value, "one line of text")


@attrs.frozen
class Latency:
    """How replies come: see Settings for the first two; `jitter` is the most seconds by which any sound is late."""

    first_audio: float | None = bounded(SECONDS, None)
    burst: float | None = bounded(_POSITIVE, None)
    jitter: float = bounded(SECONDS, 0.0)


@attrs.frozen
class Clocks:
    """The clocks that end connections and handles, in seconds: see Settings."""

    connection_life: float | None = bounded(_POSITIVE, None)
    go_away_lead: float | None = bounded(SECONDS, None)
    session_limit: float | None = bounded(_POSITIVE, None)
    video_limit: float | None = bounded(_POSITIVE, None)
    setup_patience: float | None = bounded(_POSITIVE, None)
    handle_life: float | None = bounded(_POSITIVE, None)


@attrs.frozen
class Detection:
    """How much silence ends the user's turn, and whether starts and ends are told, whatever the setup asks for."""

    silence_ms: int | None = bounded(COUNT, None)
    signals: bool = False


@attrs.frozen
class When:
    """The occasion of a step.

    `on` names it, or `second` does; `of` says whose turns and seconds are counted, and whose `times`. Of the occasions
    that fit everything else, `nth` is the first that counts and `times` how many do, each with this `chance`.
    """

    on: Moment | Message | None = None
    second: float | None = bounded(SECONDS, None)
    of: Literal["service", "connection"] = "service"
    connection: int | None = bounded(COUNT, None)
    turn: int | None = bounded(COUNT, None)
    having: str | None = bounded(_NAME, None)
    nth: int = bounded(COUNT, 1)
    times: int = bounded(_TIMES, 1)
    chance: float = bounded(_CHANCE, 1.0)
    after: float = bounded(SECONDS, 0.0)


@attrs.frozen
class Step:
    """One thing done on one kind of occasion."""

    when: When
    action: Action


@attrs.frozen
class Scenario:
    """A whole script. The default one changes nothing."""

    name: str = ""
    shows: str = bounded(_LINE, "")
    seed: int = 0
    latency: Latency = Latency()
    clocks: Clocks = Clocks()
    detection: Detection = Detection()
    steps: tuple[Step, ...] = ()

    def over(self, settings: Settings) -> Settings:
        """Gives the settings with this scenario's habits in place of theirs."""
        habits = {**attrs.asdict(self.latency), **attrs.asdict(self.clocks)}
        del habits["jitter"]
        return attrs.evolve(settings, **{name: value for name, value in habits.items() if value is not None})


def shipped() -> tuple[str, ...]:
    """Gives the names of the shipped scenarios, sorted."""
    return tuple(sorted(path.stem for path in FOLDER.glob("*.toml")))


def load(name: str | Path) -> Scenario:
    """Reads a shipped scenario by its name, or one of your own by its path.

    PlanError naming file, key, what was found and what is allowed.
    """
    own = FOLDER / f"{name}.toml"
    path = own if str(name) in shipped() else Path(name)
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        near = ", ".join(difflib.get_close_matches(str(name), shipped(), 3, 0.0))
        raise PlanError(
            f"there is no scenario {str(name)!r}; write the path of a TOML file, or a name that "
            f"`assistant emulator --list-scenarios` shows, as {near}"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"cannot read the scenario {path}: {error}") from None
    return parse(text, path.stem, str(path))


def parse(text: str, name: str = "scenario", file: str = "scenario") -> Scenario:
    """Reads the text of a scenario; `file` is what errors call it. PlanError as from `load`."""
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise PlanError(f"{file} is not TOML: {error}") from None
    steps = found.pop("step", [])
    if not isinstance(steps, list) or not all(isinstance(step, dict) for step in steps):
        raise PlanError(f"{file}: step is {steps!r}; each step is a table of its own under [[step]]")
    habits = {
        key: _record(kind, found.pop(key, {}), f"{file}: {key}")
        for key, kind in (("latency", Latency), ("clocks", Clocks), ("detection", Detection))
    }
    allowed = ("shows", "seed", *habits, "step")
    for key in found.keys() - {"shows", "seed"}:
        raise PlanError(f"{file}: {key} is not known here; allowed are {', '.join(allowed)}")
    if "shows" not in found:
        raise PlanError(f"{file}: shows is missing; it is {_LINE[1]} that says what the scenario shows")
    whole: Scenario = _record(Scenario, found, file, ":")
    read = tuple(_step(step, f"{file}: step[{number}]") for number, step in enumerate(steps, start=1))
    return attrs.evolve(whole, name=name, steps=read, **habits)


def _step(table: Mapping[str, Any], where: str) -> Step:
    kind = ACTIONS.get(table["do"]) if isinstance(table.get("do"), str) else None
    if kind is None:
        found = f"is {table['do']!r}" if "do" in table else "is missing"
        raise PlanError(f"{where}.do {found}; it must be one of {', '.join(ACTIONS)}")
    times = {field.name for field in attrs.fields(When)}
    own = [field.name for field in attrs.fields(kind)]
    for key in table:
        if key != "do" and key not in times and key not in own:
            takes = ", ".join(own) or "nothing of its own"
            raise PlanError(
                f"{where}.{key} is not known here; {table['do']} takes {takes}, any step {', '.join(sorted(times))}"
            )
    when = _record(When, {key: value for key, value in table.items() if key in times}, where)
    action = _record(kind, {key: value for key, value in table.items() if key in own}, where)
    _agree(when, action, str(table["do"]), where)
    return Step(when, action)


def _agree(when: When, action: Action, do: str, where: str) -> None:
    """Refuses what cannot go together."""
    if (when.on is None) == (when.second is None):
        raise PlanError(f"{where} has {'neither' if when.on is None else 'both'} of on and second; give exactly one")
    if when.second is not None and (when.turn or when.having or when.nth > 1 or when.times != 1):
        raise PlanError(f"{where}.second goes with of, connection, chance and after only; a time comes once")
    if isinstance(action, Edit) and (when.on not in MESSAGES or when.after):
        raise PlanError(f"{where}.do is {do!r}; it needs on = one of {', '.join(MESSAGES)}, and no after")
    if isinstance(action, Silent) and (when.on not in ("turn", "response") or when.after):
        raise PlanError(f"{where}.do is {do!r}; it needs on = turn or response, and no after")
    if isinstance(action, Spoken) and when.on in ("connect", "setup"):
        raise PlanError(f"{where}.on is {when.on!r}; {do} needs a conversation, so the earliest is setupComplete")
    if isinstance(action, Send):
        _agree_sending(action, where)


def _agree_sending(send: Send, where: str) -> None:
    given = [name for name in ("message", "text", "hex") if getattr(send, name) is not None]
    if len(given) != 1:
        raise PlanError(f"{where} sends {' and '.join(given) or 'nothing'}; give exactly one of message, text and hex")
    if send.hex is not None:
        try:
            bytes.fromhex(send.hex)
        except ValueError:
            raise PlanError(f"{where}.hex is {send.hex!r}; it must be pairs of hexadecimal digits") from None
        if send.form == "text":
            raise PlanError(f"{where}.form is 'text'; hex goes as binary or wire")


def _record(kind: type[Any], table: object, where: str, dot: str = ".") -> Any:  # noqa: ANN401 - any of the classes here
    """Reads one table into its class; PlanError names the first key that is wrong."""
    if not isinstance(table, Mapping):
        raise PlanError(f"{where} is {table!r}; it must be a table")
    separator = ": " if dot == ":" else dot
    fields = {field.name: field for field in attrs.fields(kind)}
    values: dict[str, object] = {}
    for key, value in table.items():
        if key not in fields:
            raise PlanError(f"{where}{separator}{key} is not known here; allowed are {', '.join(fields)}")
        timeless = fields[key].type in (float, float | None) and isinstance(value, float) and not math.isfinite(value)
        values[key] = value if timeless else structure(value, fields[key].type, f"{where}{separator}{key}")
        check: Check | None = fields[key].metadata.get("check")
        if check is not None and not check[0](values[key]):
            raise PlanError(f"{where}{separator}{key} is {value!r}; it must be {check[1]}")
    for name, field in fields.items():
        if name not in values and field.default is attrs.NOTHING:
            raise PlanError(f"{where}{separator}{name} is missing")
    return kind(**values)
