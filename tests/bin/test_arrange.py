"""From options to a plan: who answers, and which layer wins."""

from pathlib import Path
from typing import Any

import pytest

from bin.arrange import Arrangement, arrange, serve_locally
from bin.options import parser
from pipeline.errors import PlanError
from pipeline.graph import check
from pipeline.plan import Plan


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder without a .env, and a home of its own."""
    monkeypatch.chdir(tmp_path)
    for name in ("HOME", "XDG_STATE_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path))
    return tmp_path


def arranged(words: str = "") -> Arrangement:
    return arrange(parser().parse_args(["talk", *words.split()]))


def connection(arrangement: Arrangement) -> dict[str, Any]:
    return arrangement.plan.table("actors", "connection")


EMBEDDED = "The embedded service answers"
ADVICE = "; set GOOGLE_API_KEY to talk to Gemini"


@pytest.mark.parametrize(
    ("words", "key", "local", "who"),
    [
        ("", False, True, EMBEDDED + ADVICE),
        ("", True, False, "Gemini answers"),
        ("--backend local", True, True, EMBEDDED),
        ("--backend gemini", False, False, "Gemini answers"),
        ("--endpoint ws://far", False, False, "ws://far:80 answers"),
        ("--endpoint ws://far --backend local", False, False, "ws://far:80 answers"),
        ("--set actors.connection.endpoint=ws://set", False, False, "ws://set:80 answers"),
        ("--config far.toml", False, False, "ws://file:80 answers"),
        ("--config far.toml", True, False, "ws://file:80 answers"),
        ("--config far.toml --endpoint ws://far", False, False, "ws://far:80 answers"),
        ("--config far.toml --backend local", False, True, EMBEDDED + ADVICE),
    ],
)
def test_who_answers(
    words: str, key: bool, local: bool, who: str, elsewhere: Path, monkeypatch: pytest.MonkeyPatch, canary: str
) -> None:
    (elsewhere / "far.toml").write_text("[actors.connection]\nendpoint = 'ws://file'")
    if key:
        monkeypatch.setenv("GEMINI_API_KEY", canary)
    arrangement = arranged(words)
    assert (arrangement.local, arrangement.who) == (local, who)


def test_options_become_settings() -> None:
    plan = arranged("--model m --turns local --endpoint ws://x --resume --input i.flac --output o.wav").plan
    assert (plan.table("live")["model"], plan.table("room")["turns"]) == ("m", "local")
    assert plan.table("actors", "connection")["endpoint"] == "ws://x"
    assert plan.table("actors", "connection")["resume"] is True
    microphone, playback = plan.table("actors", "microphone"), plan.table("actors", "playback")
    assert (microphone["use"], microphone["path"]) == ("actors.microphone:Recording", "i.flac")
    assert (playback["use"], playback["path"]) == ("actors.playback:Recording", "o.wav")
    assert plan.origin("live.model") == "the command line"
    check(plan)


def test_a_set_wins_over_options_and_they_over_files(elsewhere: Path) -> None:
    (elsewhere / "a.toml").write_text("[live]\nmodel = 'a'\nseed = 1\ntop_k = 1")
    (elsewhere / "b.toml").write_text("[live]\nseed = 2\ntop_k = 2")
    live = arranged("--config a.toml --config b.toml --model m --set live.seed=3").plan.table("live")
    assert (live["model"], live["seed"], live["top_k"]) == ("m", 3, 2)


def test_what_is_kept_lies_in_the_persons_own_folders(elsewhere: Path) -> None:
    kept = connection(arranged("--backend gemini"))
    assert Path(kept["handle_file"]).is_relative_to(elsewhere)
    assert Path(kept["cache"]).is_relative_to(elsewhere)
    assert Path(kept["handle_file"]).name == "session.json"


def test_a_file_may_say_where_things_are_kept(elsewhere: Path) -> None:
    (elsewhere / "my.toml").write_text("[actors.connection]\nhandle_file = 'here.json'\ncache = ''")
    kept = connection(arranged("--config my.toml"))
    assert (kept["handle_file"], kept["cache"]) == ("here.json", "")


def test_the_embedded_service_leaves_the_saved_session_alone(elsewhere: Path) -> None:
    """It forgets when it ends; what Gemini has given is still good after it."""
    assert connection(arranged())["handle_file"] == ""
    assert connection(arranged("--set actors.connection.handle_file=my.json"))["handle_file"] == "my.json"
    assert connection(arranged("--endpoint ws://far"))["handle_file"] != ""


@pytest.mark.parametrize("option", ["model", "endpoint", "input", "output", "events", "trace", "metrics", "record"])
def test_an_option_without_a_value_is_refused(option: str) -> None:
    with pytest.raises(PlanError, match=f"--{option} is given and empty"):
        arrange(parser().parse_args(["talk", f"--{option}", ""]))


def test_credentials_in_an_endpoint_are_refused_wherever_it_stands(
    elsewhere: Path, monkeypatch: pytest.MonkeyPatch, canary: str
) -> None:
    url = f"ws://me:{canary}@far"
    for words in (f"--endpoint {url}", f"--set actors.connection.endpoint={url}", f"--endpoint ws://far?key={canary}"):
        with pytest.raises(PlanError, match="GOOGLE_API_KEY") as refused:
            arranged(words)
        assert canary not in str(refused.value)
    monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", url)
    with pytest.raises(PlanError, match="user name"):
        arranged()


def test_a_connection_of_the_users_own_is_given_no_settings_of_ours(elsewhere: Path) -> None:
    (elsewhere / "my.toml").write_text("[actors.connection]\nuse = 'mine:Connection'")
    assert set(connection(arranged("--config my.toml"))) == {"use", "inputs", "outputs"}


@pytest.mark.parametrize("words", ["--config no.toml", "--set nothing", "--set a..b=1"])
def test_what_is_wrong_is_a_plan_error(words: str) -> None:
    with pytest.raises(PlanError):
        arranged(words)


def test_a_demo_is_arranged_without_the_options_it_has_not() -> None:
    assert arrange(parser().parse_args(["demo"])).local


@pytest.mark.parametrize("weather", [True, False])
def test_the_embedded_service_gets_the_endpoint_and_the_weather(weather: bool) -> None:
    plan = Plan.load()
    if not weather:
        plan.set("tools.use", ["tools.clock"])
    serve_locally(plan, "http://127.0.0.1:1")
    assert plan.table("actors", "connection")["endpoint"] == "http://127.0.0.1:1"
    urls = plan.table("tools", "weather")
    assert urls.get("geocoding_url") == ("http://127.0.0.1:1/v1/search" if weather else None)
    assert urls.get("forecast_url") == ("http://127.0.0.1:1/v1/forecast" if weather else None)
    assert plan.origin("actors.connection.endpoint") == "the embedded service"


HALF = "It listens while it is silent"


@pytest.mark.parametrize(
    ("words", "hinted"),
    [
        ("", True),
        ("--set room.headphones=true", False),
        ("--set room.duplex=full", False),
        ("--input i.wav", False),
        ("--output o.wav", False),
    ],
)
def test_who_has_a_microphone_and_a_speaker_in_one_room_is_told(words: str, hinted: bool) -> None:
    assert any(hint.startswith(HALF) for hint in arranged(words).hints()) == hinted
