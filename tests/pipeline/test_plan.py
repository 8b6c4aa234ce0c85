"""Layers of tables, and where each value came from."""

from pathlib import Path
from typing import Any

import attrs
import pytest

from pipeline.errors import PlanError
from pipeline.plan import DEFAULT, Plan


@attrs.define
class Files:
    """TOML files in a folder."""

    folder: Path

    def __call__(self, **texts: str) -> list[str]:
        for name, text in texts.items():
            (self.folder / f"{name}.toml").write_text(text)
        return [f"{name}.toml" for name in texts]

    def load(self, *names: str, sets: tuple[str, ...] = ()) -> Plan:
        return Plan.load(*names, sets=sets, folder=self.folder)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path)


def test_the_default_plan_is_there() -> None:
    plan = Plan.load()
    assert plan.folder == Path.cwd()
    assert plan.table("actors", "microphone")["use"] == "actors.microphone:Device"
    assert plan.origin("actors.microphone.use") == DEFAULT


def test_later_layers_win_and_leave_the_rest(files: Files) -> None:
    names = files(
        one="[actors.vad]\nthreshold = 0.1\nstart_ms = 1",
        two="[actors.vad]\nthreshold = 0.2\n[live]\nmodel = 'two'",
    )
    plan = files.load(*names, sets=("actors.vad.start_ms=3",))
    vad = plan.table("actors", "vad")
    assert (vad["threshold"], vad["start_ms"], vad["use"]) == (0.2, 3, "actors.vad:Silero")
    assert plan.table("live")["response_modalities"] == ["AUDIO"]
    where = [plan.origin(f"actors.vad.{key}") for key in ("threshold", "start_ms", "use")]
    assert where == ["two.toml", "--set", DEFAULT]
    assert plan.where("actors.vad.threshold") == "two.toml: actors.vad.threshold"


def test_an_unset_key_is_placed_by_the_table_around_it(files: Files) -> None:
    files(one="[actors.mine]\nuse = 'mine:Actor'")
    plan = files.load("one.toml")
    assert plan.origin("actors.mine.speed") == "one.toml"
    assert plan.origin("nowhere.at.all") == DEFAULT


def test_another_class_takes_the_wiring_and_not_the_settings(files: Files) -> None:
    names = files(
        one="[actors.playback]\ndevice = 'desk'\nrestart = { crashes = 9 }\n[state.session]\nkept_seconds = 1.0",
        two="[actors.playback]\nuse = 'mine:Player'\nvolume = 3\n[state.session]\nuse = 'mine:Session'",
    )
    plan = files.load(*names)
    playback = plan.table("actors", "playback")
    assert set(playback) == {"use", "volume", "inputs", "outputs", "restart"}
    assert playback["restart"] == {"crashes": 9, "period": 30.0}
    assert plan.table("state", "session") == {"use": "mine:Session"}
    assert plan.origin("actors.playback.missing") == "two.toml"


def test_the_same_class_again_keeps_its_settings(files: Files) -> None:
    names = files(one="[actors.vad]\nthreshold = 0.1", two="[actors.vad]\nuse = 'actors.vad:Silero'")
    assert files.load(*names).table("actors", "vad")["threshold"] == 0.1


def test_settings_may_come_before_the_class_of_a_new_actor(files: Files) -> None:
    names = files(one="[actors.mine]\nspeed = 1", two="[actors.mine]\nuse = 'mine:Actor'")
    assert files.load(*names).table("actors", "mine") == {"speed": 1, "use": "mine:Actor"}


def test_a_value_in_place_of_a_table_and_the_other_way_round() -> None:
    plan = Plan()
    plan.merge({"a": {"b": 1}}, "one")
    plan.merge({"a": 2}, "two")
    assert plan.tables == {"a": 2}
    assert plan.table("a") == plan.table("a", "b") == {}
    plan.merge({"a": {"c": 3}}, "three")
    assert plan.tables == {"a": {"c": 3}}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a.b=0.6", 0.6),
        ("a.b = true", True),
        ('a.b="quoted"', "quoted"),
        ("a.b=bare words", "bare words"),
        ("a.b=actors.vad:Energy", "actors.vad:Energy"),
        ("a.b=x=y", "x=y"),
        ("a.b=", ""),
        ('a.b=["tools.clock"]', ["tools.clock"]),
        ("a.b={ c = 1 }", {"c": 1}),
        ("a.b=/tmp/some file.wav", "/tmp/some file.wav"),  # noqa: S108 - a name, no file
    ],
)
def test_a_set_takes_toml_or_a_bare_string(text: str, value: object) -> None:
    plan = Plan()
    plan.set_text(text)
    assert plan.table("a")["b"] == value


def test_a_set_without_a_value_or_a_key_is_refused() -> None:
    with pytest.raises(PlanError, match=r"--set 'actors.vad' has no '='; write it as --set actors"):
        Plan().set_text("actors.vad")
    with pytest.raises(PlanError, match=r"sets 'actors\.\.x'; a key is names joined by dots"):
        Plan().set_text("actors..x=1")
    with pytest.raises(PlanError, match="sets ''"):
        Plan().set_text("=1")


def test_code_may_set_any_object() -> None:
    plan = Plan()
    plan.set("actors.mine.use", Files)
    assert plan.table("actors", "mine")["use"] is Files
    assert plan.origin("actors.mine.use") == "code"


def test_includes_come_first_and_are_relative_to_their_file(files: Files, tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "deep.toml").write_text("include = ['../base.toml']\n[live]\nmodel = 'deep'\nseed = 2")
    files(base="[live]\nmodel = 'base'\nseed = 1\ntop_k = 1", top="include = ['sub/deep.toml']\n[live]\nmodel = 'top'")
    live = files.load("top.toml").table("live")
    assert (live["model"], live["seed"], live["top_k"]) == ("top", 2, 1)
    assert "include" not in files.load("top.toml").tables


def test_one_file_may_be_included_twice(files: Files) -> None:
    files(base="[live]\nseed = 1", a="include = ['base.toml']", b="include = ['base.toml']")
    files(top="include = ['a.toml', 'b.toml']")
    assert files.load("top.toml").table("live")["seed"] == 1


@pytest.mark.parametrize("chain", [{"a": "a"}, {"a": "b", "b": "c", "c": "a"}])
def test_a_cycle_of_includes_is_refused(chain: dict[str, str], files: Files) -> None:
    files(**{name: f"include = ['{other}.toml']" for name, other in chain.items()})
    with pytest.raises(PlanError, match=r"includes itself: .*a\.toml.* -> .*a\.toml; take one include out"):
        files.load("a.toml")


@pytest.mark.parametrize("include", ["'a.toml'", "[1]", "{ a = 1 }"])
def test_include_is_a_list_of_names(include: str, files: Files) -> None:
    files(top=f"include = {include}")
    with pytest.raises(PlanError, match=r"top\.toml: include is .*; it is a list of file names"):
        files.load("top.toml")


def test_a_missing_file_is_named(files: Files) -> None:
    with pytest.raises(PlanError, match=r"^no\.toml does not exist"):
        files.load("no.toml")
    files(top="include = ['gone.toml']")
    with pytest.raises(PlanError, match=r"gone\.toml does not exist; check the name given to --config or include"):
        files.load("top.toml")


def test_a_file_may_begin_with_a_byte_order_mark(files: Files, tmp_path: Path) -> None:
    (tmp_path / "marked.toml").write_bytes(b"\xef\xbb\xbf[live]\nseed = 3\n")
    assert files.load("marked.toml").table("live")["seed"] == 3


def test_broken_toml_is_named_with_its_line(files: Files) -> None:
    files(bad="[live]\nmodel = \n")
    with pytest.raises(PlanError, match=r"^bad\.toml is not valid TOML: .*line 2"):
        files.load("bad.toml")


@pytest.mark.parametrize("make", [lambda path: path.mkdir(), lambda path: path.write_bytes(b"a = '\xff'")])
def test_what_is_no_text_file_cannot_be_read(make: Any, files: Files, tmp_path: Path) -> None:
    make(tmp_path / "odd.toml")
    with pytest.raises(PlanError, match=r"^odd\.toml cannot be read: "):
        files.load("odd.toml")


def test_an_absolute_name_is_taken_as_it_is(files: Files, tmp_path: Path) -> None:
    files(one="[live]\nseed = 5")
    plan = Plan.load(tmp_path / "one.toml")
    assert plan.table("live")["seed"] == 5
