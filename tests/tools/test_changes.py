"""What a plan changes of single tools, and of the client that they share."""

import pytest

from pipeline.errors import PlanError
from tools import Toolbox
from tools.http import Http


def test_a_plan_changes_how_single_tools_are_called() -> None:
    options = {"get_weather": {"timeout": 3, "confirm": True}, "get_time": {"idempotent": False}}
    box = Toolbox({"use": ["tools.weather", "tools.clock"], "options": options})
    weather, time, timer = (box.get(name) for name in ("get_weather", "get_time", "set_timer"))
    assert (weather.timeout, weather.confirm, weather.idempotent) == (3.0, True, True)
    assert (time.idempotent, time.confirm, time.timeout) == (False, False, 20.0)
    assert (timer.confirm, timer.blocking) == (False, False)


async def test_a_plan_says_how_patient_the_client_is() -> None:
    async with Toolbox({"use": ["tools.weather"], "http": {"total": 3, "tries": 1}}) as box:
        http = box.shared[Http]
        assert isinstance(http, Http)
        assert (http.total, http.tries, http.read) == (3.0, 1, 10.0)


CHANGES: dict[str, dict[str, object]] = {
    "tools.options is []; write one table for each tool": {"options": []},
    "tools.options.get_time is 3; it must be a table": {"options": {"get_time": 3}},
    "tools.options.get_time: 'exclusive' is unknown, allowed are timeout, confirm, idempotent": {
        "options": {"get_time": {"exclusive": True}}
    },
    "tools.options.get_time: timeout is 0": {"options": {"get_time": {"timeout": 0}}},
    "tools.options.get_tim: there is no tool called get_tim; there are get_time, set_timer": {
        "options": {"get_tim": {"timeout": 1}}
    },
    "tools.http: 'connects' is unknown, allowed are connect, read, total": {"http": {"connects": 1}},
    "tools.http: 'tries' must be > 0": {"http": {"tries": 0}},
    "tools.zones is unknown": {"zones": {}},
}


@pytest.mark.parametrize("words", CHANGES)
def test_a_wrong_change_is_refused(words: str) -> None:
    with pytest.raises(PlanError) as caught:
        Toolbox({"use": ["tools.clock"], **CHANGES[words]})
    assert words in str(caught.value)
