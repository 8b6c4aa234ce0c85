"""Scenario files: what is read from them, and how a bad one is refused."""

import math
from pathlib import Path
from typing import Any

import attrs
import pytest

from actors.emulator import actions as a
from actors.emulator.scenario import FOLDER, MESSAGES, MOMENTS, TRAITS, Latency, When, load, parse, shipped
from actors.emulator.settings import Settings
from pipeline.errors import PlanError

DOCS = Path(__file__).parents[3] / "docs" / "SCENARIOS.md"
WHOLE = """
shows = "everything"
seed = 3
[latency]
first_audio = 1
burst = inf
jitter = 0.5
[clocks]
connection_life = 100
[detection]
silence_ms = 700
[[step]]
on = "modelTurn"
of = "connection"
connection = 2
turn = 3
having = "open_call"
nth = 4
times = 0
chance = 0.5
do = "set"
path = "serverContent.x"
value = [1]
[[step]]
second = 2.5
after = 1
do = "send"
hex = "00 ff"
"""


def test_every_key_is_read() -> None:
    found = parse(WHOLE, "mine")
    assert (found.name, found.shows, found.seed) == ("mine", "everything", 3)
    assert found.latency == Latency(1.0, math.inf, 0.5)
    assert found.detection.silence_ms == 700
    first, second = found.steps
    when = When("modelTurn", None, "connection", 2, 3, "open_call", 4, 0, 0.5)
    assert (first.when, first.action) == (when, a.Set("serverContent.x", value=[1]))
    assert (second.when, second.action) == (When(second=2.5, after=1.0), a.Send(hex="00 ff"))
    settings = found.over(Settings(go_away_lead=7.0))
    assert (settings.first_audio, settings.connection_life, settings.go_away_lead) == (1.0, 100.0, 7.0)


def test_a_scenario_may_have_no_steps() -> None:
    assert parse('shows = "nothing"').over(Settings()) == Settings()


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("shows = x", "mine.toml is not TOML: .*line 1"),
        ("", "mine.toml: shows is missing; it is one line of text"),
        ('shows = ""', "mine.toml: shows is ''; it must be one line of text"),
        ("shows = 3", "mine.toml: shows is 3; it must be text"),
        ('shows = "x"\nsteps = 1', "mine.toml: steps is not known here; allowed are shows, seed, latency, .*step"),
        ('shows = "x"\nname = "y"', "mine.toml: name is not known here"),
        ('shows = "x"\nseed = 1.5', "mine.toml: seed is 1.5; it must be a whole number"),
        ('shows = "x"\nlatency = 3', "mine.toml: latency is 3; it must be a table"),
        ('shows = "x"\n[latency]\nburst = 0', "mine.toml: latency.burst is 0; it must be above 0"),
        (
            'shows = "x"\n[latency]\nspeed = 1',
            "latency.speed is not known here; allowed are first_audio, burst, jitter",
        ),
        ('shows = "x"\n[clocks]\nvideo_limit = "no"', "mine.toml: clocks.video_limit is 'no'; it must be a number"),
        ('shows = "x"\n[detection]\nsilence_ms = 0', "detection.silence_ms is 0; it must be 1 or more"),
        ('shows = "x"\nstep = 1', r"mine.toml: step is 1; each step is a table of its own under \[\[step\]\]"),
        ('do = "cut"', "has neither of on and second; give exactly one"),
        ('do = "cut"\non = "turn"\nsecond = 1', "has both of on and second"),
        ('on = "turn"', r"mine.toml: step\[1\].do is missing; it must be one of say, call, .*, strip"),
        ('on = "turn"\ndo = "explode"', "do is 'explode'; it must be one of say"),
        ('on = "turn"\ndo = 3', "do is 3; it must be one of say"),
        ('on = "lunch"\ndo = "cut"', r"step\[1\].on is 'lunch'; it must be one of 'connect', .* or one of"),
        ('on = "turn"\ndo = "cut"\ncode = 1', "code is not known here; cut takes nothing of its own, any step after"),
        ('on = "turn"\ndo = "close"\ncode = 1006', "code is 1006; it must be a close code: 1000 to 1014"),
        ('on = "turn"\ndo = "close"\ncode = "1011"', "code is '1011'; it must be a whole number"),
        ('on = "turn"\ndo = "delay"', r"step\[1\].seconds is missing"),
        ('on = "turn"\ndo = "delay"\nseconds = -1', "seconds is -1; it must be from 0 to 86400 seconds"),
        ('on = "turn"\ndo = "delay"\nseconds = nan', "seconds is nan; it must be from 0 to 86400 seconds"),
        ('on = "turn"\ndo = "say"\ntext = " "', "text is ' '; it must be text with words in it"),
        ('on = "turn"\nturn = 0\ndo = "cut"', "turn is 0; it must be 1 or more"),
        ('on = "turn"\nchance = 2\ndo = "cut"', "chance is 2; it must be above 0 and at most 1"),
        ('on = "turn"\nof = "world"\ndo = "cut"', "of is 'world'; it must be one of 'service', 'connection'"),
        ('on = "turn"\nhaving = "fun"\ndo = "cut"', "having is 'fun'; it must be one of open_call, handle, model"),
        ('second = 1\nturn = 2\ndo = "cut"', "second goes with of, connection, chance and after only"),
        ('on = "turn"\ndo = "drop"', "do is 'drop'; it needs on = one of setupComplete, modelTurn"),
        ('on = "modelTurn"\nafter = 1\ndo = "drop"', "do is 'drop'; it needs .*, and no after"),
        ('on = "speech"\ndo = "silent"', "do is 'silent'; it needs on = turn or response"),
        ('on = "setup"\ndo = "say"\ntext = "x"', "on is 'setup'; say needs a conversation"),
        ('on = "turn"\ndo = "send"', "sends nothing; give exactly one of message, text and hex"),
        ('on = "turn"\ndo = "send"\ntext = "x"\nhex = "00"', "sends text and hex; give exactly one"),
        ('on = "turn"\nnth = inf\ndo = "cut"', "nth is inf"),
        ('on = "turn"\ndo = "send"\nhex = "0g"', "hex is '0g'; it must be pairs of hexadecimal digits"),
        ('on = "turn"\ndo = "send"\nhex = "00"\nform = "text"', "form is 'text'; hex goes as binary or wire"),
        ('on = "modelTurn"\ndo = "strip"\npath = "a..b"', "path is 'a..b'; it must be names, numbers or"),
    ],
)
def test_a_bad_file_is_refused_with_file_key_and_what_is_allowed(text: str, words: str) -> None:
    whole = text if "shows" in text or not text else f'shows = "x"\n[[step]]\n{text}'
    with pytest.raises(PlanError, match=words) as caught:
        parse(whole, "mine", "mine.toml")
    assert "mine.toml" in str(caught.value)


def test_a_file_of_ones_own_is_read_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('shows = "x"')
    assert load(path).name == load(str(path)).name == "mine"


@pytest.mark.parametrize(
    ("name", "words"),
    [("slov", "no scenario 'slov'; write the path of a TOML file, or a name .*, as slow"), (".", "cannot read")],
)
def test_a_scenario_that_is_none_is_refused(name: str, words: str) -> None:
    with pytest.raises(PlanError, match=words):
        load(name)


@pytest.mark.parametrize("name", shipped())
def test_every_shipped_scenario_loads(name: str) -> None:
    found = load(name)
    assert (found.name, (FOLDER / f"{name}.toml").is_file()) == (name, True)
    assert len(found.shows) <= 100


def test_every_shipped_scenario_is_checked() -> None:
    checks = "".join(
        path.read_text(encoding="utf-8") for path in (Path(__file__).parent / "scenarios").glob("test_*.py")
    )
    for name in shipped():
        assert f"async def {name.replace('-', '_')}(" in checks or f'"{name}"' in checks, name


def test_the_page_names_everything_there_is() -> None:
    page = DOCS.read_text(encoding="utf-8")
    for name in shipped():
        assert f"| `{name}` | {load(name).shows} |" in page
    for word in (*a.ACTIONS, *MOMENTS, *MESSAGES, *TRAITS[:2], *keys()):
        assert f"`{word}`" in page, word


def keys() -> list[str]:
    """Every key a step may have."""
    kinds: list[Any] = [When, Latency, *a.ACTIONS.values()]
    return [field.name for kind in kinds for field in attrs.fields(kind)]
