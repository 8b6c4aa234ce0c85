import datetime as dt
import os
import time
from collections.abc import Iterator
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
import trio

from pipeline.errors import PlanError, ToolFailed
from tools import Tool, Toolbox
from tools.clock import duration, set_timer, tell

NOON = "2026-07-01T12:00:00+00:00"


@pytest.fixture
def computer_in_lisbon() -> Iterator[None]:
    """Puts the computer's own clock into a zone."""
    before = os.environ.get("TZ")
    os.environ["TZ"] = "Europe/Lisbon"
    time.tzset()
    yield
    if before is None:
        del os.environ["TZ"]
    else:
        os.environ["TZ"] = before
    time.tzset()


def box(**settings: object) -> Toolbox:
    return Toolbox({"use": ["tools.clock"], "clock": {"now": NOON} | settings}, Path.cwd())


async def ask(toolbox: Toolbox, **args: object) -> dict[str, object]:
    return await toolbox.get("get_time").call(args)


async def test_the_time_elsewhere() -> None:
    assert await ask(box(home="Berlin"), city="Tokyo") == {
        "summary": "In Tokyo it is 21:00 on Wednesday, 1 July 2026, 7 hours ahead of here.",
        "time": "21:00:00",
        "date": "2026-07-01",
        "weekday": "Wednesday",
        "zone": "Asia/Tokyo",
        "utc_offset": "+09:00",
    }


async def test_the_date_may_differ() -> None:
    told = await ask(box(home="UTC"), city="Auckland")
    assert told["summary"] == "In Auckland it is 00:00 on Thursday, 2 July 2026, 12 hours ahead of here."


@pytest.mark.parametrize("args", [{}, {"city": None}, {"city": "local"}, {"city": " Here "}])
async def test_here_is_the_users_home(args: dict[str, object]) -> None:
    told = await ask(box(home="America/New_York"), **args)
    assert told["summary"] == "It is 08:00 on Wednesday, 1 July 2026."
    assert told["utc_offset"] == "-04:00"


async def test_here_is_the_computers_zone_without_a_home(computer_in_lisbon: None) -> None:
    told = await ask(box())
    assert told["summary"] == "It is 13:00 on Wednesday, 1 July 2026."
    assert told["zone"] == "WEST"
    assert "1 hour behind here" in str((await ask(box(), city="Iceland"))["summary"])


async def test_without_a_set_moment_it_is_now() -> None:
    toolbox = Toolbox({"use": ["tools.clock"]})
    before = dt.datetime.now(dt.UTC).replace(microsecond=0)
    told = await ask(toolbox, city="UTC")
    moment = dt.datetime.fromisoformat(f"{told['date']}T{told['time']}+00:00")
    assert before <= moment <= dt.datetime.now(dt.UTC)


def test_asking_twice_does_no_harm_but_an_old_answer_is_no_answer() -> None:
    made = box().get("get_time")
    assert made.idempotent
    assert made.fresh == 0


async def test_a_place_that_is_unknown() -> None:
    with pytest.raises(ToolFailed, match="'Atlantis' is no city or time zone known here"):
        await ask(box(), city="Atlantis")
    with pytest.raises(PlanError, match=r"tools\.clock: 'Atlantis' is no city"):
        box(home="Atlantis")


@pytest.mark.parametrize(
    ("here", "there", "words"),
    [
        ("Asia/Kathmandu", "Pacific/Auckland", "7 hours and 15 minutes ahead of here"),
        ("America/St_Johns", "America/Los_Angeles", "4 hours and 30 minutes behind here"),
        ("UTC", "Africa/Accra", "the same time as here"),
    ],
)
def test_how_far_apart(here: str, there: str, words: str) -> None:
    noon = dt.datetime(2026, 1, 15, 12, tzinfo=dt.UTC)
    told = tell(noon.astimezone(ZoneInfo(there)), "there", noon.astimezone(ZoneInfo(here)))
    assert told["summary"].endswith(f", {words}.")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0.2, "0 seconds"),
        (1, "1 second"),
        (59.6, "1 minute"),
        (300, "5 minutes"),
        (3661, "1 hour, 1 minute and 1 second"),
        (7200, "2 hours"),
        (90, "1 minute and 30 seconds"),
    ],
)
def test_durations_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


async def test_a_timer_answers_when_it_is_due(autojump_clock: trio.testing.MockClock) -> None:
    started = trio.current_time()
    answer = await Tool.of(set_timer).call({"seconds": "300", "label": "tea"})
    assert trio.current_time() - started == 300
    assert answer == {"summary": "The timer for tea is up after 5 minutes.", "seconds": 300.0, "label": "tea"}


async def test_a_timer_without_a_name(autojump_clock: trio.testing.MockClock) -> None:
    answer = await Tool.of(set_timer).call({"seconds": 1})
    assert answer["summary"] == "The timer is up after 1 second."


async def test_a_timer_can_be_cancelled(autojump_clock: trio.testing.MockClock) -> None:
    with trio.move_on_after(10) as scope:
        await Tool.of(set_timer).call({"seconds": 300})
    assert scope.cancelled_caught


def test_a_timer_does_not_keep_the_model_waiting() -> None:
    made = Tool.of(set_timer)
    assert made.declaration()["behavior"] == "NON_BLOCKING"
    assert made.scheduling == "INTERRUPT"
    assert made.timeout > 24 * 3600
    assert not made.idempotent


@pytest.mark.parametrize("seconds", [0, -1, 86_401, "soon", None])
async def test_a_timer_has_limits(seconds: object) -> None:
    with pytest.raises(ToolFailed, match=r"seconds is .* but must be a number, from 1 to 86400"):
        await Tool.of(set_timer).call({"seconds": seconds})
