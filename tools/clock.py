"""What time it is, anywhere; and a timer."""

import datetime as dt
from typing import Annotated, Any

import attrs
import trio

from tools.forecast import WEEKDAYS
from tools.registry import Given, tool
from tools.values import Bounds
from tools.zones import find_zone

MONTHS = "January February March April May June July August September October November December".split()  # noqa: SIM905
DAY = 86_400
UNITS = ((3600, "hour"), (60, "minute"), (1, "second"))


def _zone(_settings: object, _field: object, value: str) -> None:
    if value:
        find_zone(value)


@attrs.frozen
class Settings:
    """The plan's `[tools.clock]`: `home` is the user's zone or city, if not the computer's own.

    `now` is a moment such as 2026-10-31T18:30+00:00 that is told instead of the present one, for recorded
    demonstrations.
    """

    home: str = attrs.field(default="", validator=_zone)
    now: dt.datetime | None = None

    def moment(self) -> dt.datetime:
        """Gives the time that is to be told, with a zone."""
        return (self.now or dt.datetime.now(dt.UTC)).astimezone(find_zone(self.home) if self.home else None)


@tool(idempotent=True, fresh=0)  # an answer of a minute ago is a wrong one
async def get_time(
    city: Annotated[
        str | None, "city, country or time zone, as in Tokyo or UTC+3; left out, the user's own place", Bounds(1, 80)
    ] = None,
    *,
    settings: Given[Settings],
) -> dict[str, Any]:
    """Tells the present time and date, here or in any city or time zone; the answer's summary can be spoken."""
    await trio.lowlevel.checkpoint()
    here = settings.moment()
    if city is None or city.strip().casefold() in ("local", "here", ""):
        return tell(here, None, here)
    return tell(here.astimezone(find_zone(city)), city.strip(), here)


@tool(timeout=DAY + 60, blocking=False, scheduling="INTERRUPT")
async def set_timer(
    seconds: Annotated[float, "how long, in seconds: 300 for five minutes", Bounds(1, DAY)],
    label: Annotated[str | None, "what the timer is for, as in: tea", Bounds(1, 80)] = None,
) -> dict[str, Any]:
    """Sets a timer; its answer comes when the time is up and is to be announced at once.

    Say briefly that the timer is set when calling this.
    """
    await trio.sleep(seconds)
    name = f"The timer for {label}" if label else "The timer"
    return {"summary": f"{name} is up after {duration(seconds)}.", "seconds": seconds, "label": label}


def tell(time: dt.datetime, place: str | None, here: dt.datetime) -> dict[str, Any]:
    """Gives a time in words and in parts; `here` is the same moment at the user's place."""
    offset = time.utcoffset() or dt.timedelta()
    date = f"{WEEKDAYS[time.weekday()]}, {time.day} {MONTHS[time.month - 1]} {time.year}"
    words = f"In {place} it is {time:%H:%M}" if place else f"It is {time:%H:%M}"
    apart = offset - (here.utcoffset() or dt.timedelta())
    difference = f", {_apart(apart)}" if place else ""
    return {
        "summary": f"{words} on {date}{difference}.",
        "time": f"{time:%H:%M:%S}",
        "date": f"{time:%Y-%m-%d}",
        "weekday": WEEKDAYS[time.weekday()],
        "zone": getattr(time.tzinfo, "key", None) or time.tzname() or "local",
        "utc_offset": f"{time:%z}"[:3] + ":" + f"{time:%z}"[3:5],
    }


def duration(seconds: float) -> str:
    """Says a number of seconds in hours, minutes and seconds."""
    left = round(seconds)
    parts = []
    for size, name in UNITS:
        count, left = divmod(left, size)
        if count:
            parts.append(f"{count} {name}{'s' if count > 1 else ''}")
    return " and ".join([", ".join(parts[:-1]), parts[-1]] if len(parts) > 1 else parts or ["0 seconds"])


def _apart(difference: dt.timedelta) -> str:
    seconds = difference.total_seconds()
    if not seconds:
        return "the same time as here"
    return f"{duration(abs(seconds))} {'ahead of' if seconds > 0 else 'behind'} here"
