"""The plan on paper says what the plan is."""

import re
import shutil
import subprocess
import tomllib
from collections.abc import Callable
from pathlib import Path

import attrs
import pytest

from pipeline.channels import Inlet, Outlet
from pipeline.drawing import as_dot, as_text, as_toml
from pipeline.graph import check
from pipeline.messages import Duck
from pipeline.plan import Plan

MakePlan = Callable[..., Plan]


@attrs.define
class Tap:
    out: Outlet[Duck]

    async def run(self) -> None: ...


@attrs.define
class Drain:
    into: Inlet[Duck]

    async def run(self) -> None: ...


@pytest.fixture
def changed(tmp_path: Path) -> Plan:
    """The house's plan under a user's file and settings."""
    (tmp_path / "my.toml").write_text(
        "[actors.microphone]\nuse = 'actors.microphone:Recording'\npath = 'a \"quoted\" name.wav'\n"
        "[tools.weather]\ncache_s = 1.5\n[live]\nseed = 7"
    )
    return Plan.load("my.toml", sets=["room.headphones=true", 'tools.use=["tools.clock"]'], folder=tmp_path)


def test_the_printed_plan_loads_again_to_the_same(changed: Plan, tmp_path: Path) -> None:
    printed = as_toml(changed) + as_text(check(changed))
    (tmp_path / "printed.toml").write_text(printed)
    again = Plan.load("printed.toml", folder=tmp_path)
    assert again.tables == changed.tables
    assert check(again) == check(changed)


def test_objects_set_from_code_show_as_text(make_plan: MakePlan) -> None:
    plan = make_plan({"tap": {"use": Tap, "made": None, "sizes": (1, Path("a"))}})
    assert tomllib.loads(as_toml(plan))["actors"]["tap"] == {"use": str(Tap), "sizes": [1, "a"]}


def test_the_text_shows_who_sends_what_to_whom() -> None:
    text = as_text(check(Plan.load()))
    assert all(line.startswith("# ") for line in text.splitlines())
    assert "# microphone  (actors.microphone:Device)" in text
    assert re.search(r"--> vad +captured +Captured +10 s, drop_oldest$", text, re.MULTILINE)
    assert re.search(r"--> vad +audible +Audible +16 items, drop_oldest, optional$", text, re.MULTILINE)
    assert re.search(r"# outside .*\n#   --> uplink +requests", text)


def test_a_plan_without_anything_can_be_drawn(make_plan: MakePlan) -> None:
    graph = check(make_plan({}))
    assert "--> nobody" in as_text(graph)
    assert as_dot(graph).endswith("}")


STATEMENT = r"""  (rankdir=LR;|node \[.*\];|edge \[.*\];|Q( -> Q)? \[label=Q(, style=(solid|dashed))?\];)""".replace(
    "Q", r'"(?:[^"\\]|\\.)*"'
)


def test_the_graph_is_well_formed_for_graphviz(make_plan: MakePlan) -> None:
    odd = {'a "tap"\\': {"use": Tap, "outputs": {"out": "ducks"}}, "drain": {"use": Drain, "inputs": {"into": "ducks"}}}
    edges = {"ducks": {"type": "Duck", "capacity": "1 item", "overflow": "fail"}}
    for graph in (check(Plan.load()), check(make_plan(odd, edges))):
        dot = as_dot(graph)
        first, *statements, last = dot.splitlines()
        assert (first, last) == ("digraph plan {", "}")
        assert [line for line in statements if not re.fullmatch(STATEMENT, line)] == []
        if shutil.which("dot"):
            subprocess.run(["dot", "-Tplain"], input=dot.encode(), check=True, capture_output=True)


def test_the_graph_has_every_actor_and_every_way() -> None:
    graph = check(Plan.load())
    dot = as_dot(graph)
    for name in [*graph.nodes, "outside"]:
        assert f'  "{name}" [label=' in dot
    for name, spec in graph.edges.items():
        for sender in graph.senders(name):
            for reader in graph.readers(name):
                style = "dashed" if spec.optional else "solid"
                assert re.search(rf'"{sender}" -> "{reader}" \[label="{name}\\n.*style={style}\]', dot)


def test_headers_are_printed_without_their_values() -> None:
    plan = Plan.load()
    plan.set("live.http_options", {"headers": {"authorization": "Bearer not-to-be-seen"}})
    printed = as_toml(plan)
    assert "authorization" in printed
    assert "not-to-be-seen" not in printed
