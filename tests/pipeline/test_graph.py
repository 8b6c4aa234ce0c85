"""A plan is checked whole: every mistake is one sentence with file, key, what was found and what is allowed."""

import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import attrs
import pytest

from pipeline.actor import Shared, section
from pipeline.channels import Inlet, Outlet, Overflow
from pipeline.errors import PlanError
from pipeline.graph import check, load_name
from pipeline.messages import Captured, Duck, ReplyControl, Request, Uttered
from pipeline.plan import Plan
from pipeline.supervisor import Policy

MakePlan = Callable[..., Plan]


@attrs.define
class Source:
    out: Outlet[Captured]
    speed: float = 1.0
    path: Path | None = None

    async def run(self) -> None: ...


@attrs.define
class Stage:
    into: Inlet[Captured]
    out: Outlet[Captured]

    async def run(self) -> None: ...


@attrs.define
class Sink:
    into: Inlet[Captured]

    async def run(self) -> None: ...


@attrs.define
class TwoEars:
    left: Inlet[Captured]
    right: Inlet[Captured]

    async def run(self) -> None: ...


class Words:
    def __init__(self, into: Inlet[Captured | Uttered]) -> None: ...
    async def run(self) -> None: ...


class PlainSink:
    def __init__(self, into: Inlet[Captured], needed: int) -> None: ...
    async def run(self) -> None: ...


@attrs.define
class Sharing:
    into: Inlet[Captured]
    kept: Shared[dict]  # type: ignore[type-arg]

    async def run(self) -> None: ...


@attrs.define
class Mistaken:
    into: "Inlet[Nowhere]"  # type: ignore[name-defined]  # noqa: F821

    async def run(self) -> None: ...


@attrs.define
class Roomy:
    into: Inlet[Captured]
    room: dict[str, object] = section("room")  # noqa: RUF009 - makes a field

    async def run(self) -> None: ...


class NoActor:
    """Cannot run."""


def untyped(size: int = 0):  # type: ignore[no-untyped-def]  # noqa: ANN201
    return {}


def kept(size: int = 0) -> dict[str, int]:
    return {"size": size}


def kept_plainly(size: int = 0) -> dict:  # type: ignore[type-arg]
    return {"size": size}


EDGE = {"type": "Captured", "capacity": "2 items", "overflow": "block"}


def simple(**changes: Any) -> dict[str, Any]:
    """A source and a sink on one edge, with changes by dotted keys."""
    plan = Plan()
    plan.merge(
        {
            "actors": {
                "source": {"use": Source, "outputs": {"out": "wire"}},
                "sink": {"use": Sink, "inputs": {"into": "wire"}},
            },
            "edges": {"wire": EDGE},
        },
        "",
    )
    for key, value in changes.items():
        plan.set(key.replace("__", "."), value)
    return plan.tables


def test_the_house_itself_is_in_order() -> None:
    graph = check(Plan.load())
    assert set(graph.nodes) == {
        "microphone",
        "vad",
        "uplink",
        "downlink",
        "playback",
        "dispatch",
        "mcp",
        "budget",
        "answers",
        "connection",
    }
    assert graph.readers("captured") == ["vad"]
    assert graph.senders("reply_control") == ["downlink", "connection", "outside"]
    assert graph.edges["captured"].overflow is Overflow.DROP_OLDEST
    assert graph.nodes["microphone"].policy == Policy(crashes=3, period=30.0)
    assert graph.outside_outputs == {"requests": "requests", "control": "reply_control"}


def test_a_small_plan_comes_out_as_it_was_meant(make_plan: MakePlan, tmp_path: Path) -> None:
    tables = simple(actors__source__speed=2, actors__source__restart={"temporary": True}, actors__source__path="a.wav")
    graph = check(make_plan(**tables))
    source = graph.nodes["source"]
    assert (source.made, source.outputs, source.inputs) == (Source, {"out": "wire"}, {})
    assert source.settings == {"speed": 2.0, "path": tmp_path / "a.wav"}
    assert source.policy == Policy(temporary=True)
    assert (graph.senders("wire"), graph.readers("wire")) == (["source"], ["sink"])
    assert graph.edges["wire"].carries is Captured


WRONG: list[tuple[dict[str, Any], str]] = [
    # keys
    ({"actors__sink__volume": 3}, r"actors\.sink\.volume is unknown; actors\.sink has inputs, outputs, restart, use"),
    ({"actors__source__sped": 3}, r"actors\.source\.sped is unknown; actors\.source has inputs, .*, speed, use"),
    ({"edges__wire__size": 3}, r"edges\.wire\.size is unknown; edges\.wire has capacity, optional, overflow, type"),
    ({"actor__sink__use": Sink}, r"actor is not a table of the plan; there are actors, budget, edges, "),
    ({"live": 5}, r"live is not a table of the plan"),
    ({"room__headphone": True}, r"room\.headphone is unknown; room has duplex, headphones, turns"),
    ({"room__turns": "sever"}, r"room\.turns is 'sever'; it must be one of 'server', 'local'"),
    ({"outside__inputs": {"x": "wire"}}, r"outside\.inputs is unknown; outside has outputs"),
    ({"actors__source__speed": "fast"}, r"actors\.source\.speed is 'fast'; it must be a number"),
    ({"actors__source__restart": 3}, r"actors\.source\.restart is 3; it must be a table with crashes"),
    ({"actors__source__restart": {"crash": 3}}, r"actors\.source\.restart is .*it must be a table with crashes"),
    ({"actors__sink__use": PlainSink}, r"actors\.sink needs needed, which is not set"),
    # actors
    ({"actors__mikrophone__device": "x"}, r"mikrophone has no use; the house's actors are answers, .*, vad, and"),
    ({"actors__sink": "Sink"}, r"actors\.sink has no use"),
    ({"actors__sink__use": "Sink"}, r"""actors\.sink\.use is 'Sink'; write it as "package\.module:Class\""""),
    ({"actors__sink__use": "no.where:Sink"}, r"names 'no\.where:Sink', but module no\.where cannot be imported: Modul"),
    ({"actors__sink__use": "pipeline.plan:Sink"}, r"names 'pipeline\.plan:Sink', but pipeline\.plan has no Sink"),
    ({"actors__sink__use": NoActor}, r"actors\.sink\.use names .*NoActor.*; an actor is a class with async def run"),
    ({"actors__sink__use": kept}, r"an actor is a class with async def run"),
    ({"actors__sink__use": 7}, r"actors\.sink\.use names 7; an actor is a class"),
    ({"actors__sink__use": Mistaken}, r"actors\.sink\.use: read the constructor of Mistaken, but name 'Nowhere'"),
    # edges
    ({"actors__sink__inputs": {"into": "wier"}}, r"inputs\.into is 'wier', no edge of the plan: control, requests, wi"),
    ({"actors__sink__inputs": "wire"}, r"actors\.sink\.inputs is 'wire'; it must be a table of text"),
    ({"actors__sink__inputs": {"into": 1}}, r"actors\.sink\.inputs is .*; it must be a table of text"),
    ({"edges__wire": {"type": "Capture"}}, r"edges\.wire\.type names 'pipeline\.messages:Capture', but .* no Capture"),
    ({"edges__wire__type": "no.where:X"}, r"edges\.wire\.type names 'no\.where:X'"),
    ({"edges__wire__type": "pipeline.messages:pcm_seconds"}, r"edges\.wire\.type is .*, no class; name a message such"),
    ({"edges__wire__type": 5}, r"edges\.wire\.type is 5, no class"),
    ({"edges__wire__overflow": "drop"}, r"wire\.overflow is 'drop'; it must be one of drop_oldest, fail, block"),
    ({"edges__wire__capacity": "lots"}, r"edges\.wire\.capacity: found capacity 'lots'; write it as '16 items'"),
    ({"edges__wire__optional": "no"}, r"edges\.wire\.optional is 'no'; it must be true or false"),
    ({"edges__idle": EDGE}, r"edges\.idle: nobody sends into it; bind it to a port, or take the edge out"),
    # ports
    (
        {"edges__more": EDGE, "actors__sink__inputs__other": "more"},
        r"inputs\.other: Sink has no such port; .* are into",
    ),
    ({"actors__source__inputs__into": "wire"}, r"source\.inputs\.into: Source has no such port; its inputs are none"),
    (
        {"actors__sink__use": TwoEars},
        r"actors\.sink\.inputs\.into: TwoEars has no such port; its inputs are left, righ",
    ),
    ({"actors__second": {"use": Sink}}, r"second\.inputs: Sink has port into, bound to no edge; add into = \"EDGE\""),
    ({"actors__more": {"use": Sink, "inputs": {"into": "wire"}}}, r"edges\.wire is read by sink and more; an edge has"),
    ({"edges__wire__type": "Duck"}, r"source\.outputs\.out: the port takes Captured, but edge wire carries Duck"),
    ({"actors__sink__use": Words}, r"sink\.inputs\.into: the port takes .*Captured.*Uttered, but edge wire carries"),
    # the program around the pipeline
    ({"outside__outputs__shout": "wire"}, r"outside\.outputs\.shout: the program around the pipeline has no such port"),
    ({"outside__outputs__requests": "wire"}, r"outside\.outputs\.requests: the port takes Request, but edge wire car"),
    # shared state
    ({"actors__sink__use": Sharing}, r"actors\.sink shares kept: dict, and 0 \[state\] entries are of that type"),
    ({"state__kept": {}}, r"state\.kept\.use is None; shared state needs use"),
    ({"state__kept__use": 7}, r"state\.kept\.use is 7; shared state needs use"),
    ({"state__kept__use": untyped}, r"state\.kept\.use names .*untyped.*; annotate what it returns"),
    ({"state__kept__use": kept}, r"state\.kept\.use names .*kept.*; annotate what it returns"),
    ({"state__kept__use": dict}, r"state\.kept\.use: read the constructor of dict, but no signature"),
    ({"state__kept": {"use": kept_plainly, "sise": 1}}, r"state\.kept\.sise is unknown; state\.kept has size, use"),
]


@pytest.mark.parametrize(("changes", "sentence"), WRONG, ids=[re.sub(r"[^a-z ]", "", text)[:40] for _, text in WRONG])
def test_each_mistake_is_named(changes: dict[str, Any], sentence: str, make_plan: MakePlan) -> None:
    with pytest.raises(PlanError, match=sentence) as refused:
        check(make_plan(**simple(**changes)))
    assert str(refused.value).startswith("test.toml: ")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("missing", ["type", "capacity", "overflow"])
def test_an_edge_needs_all_it_is(missing: str, make_plan: MakePlan) -> None:
    tables = simple()
    del tables["edges"]["wire"][missing]
    with pytest.raises(PlanError, match=rf"edges\.wire has no {missing}; an edge needs type, capacity and overflow"):
        check(make_plan(**tables))


def test_an_edge_needs_a_reader(make_plan: MakePlan) -> None:
    tables = simple()
    del tables["actors"]["sink"]
    with pytest.raises(PlanError, match=r"edges\.wire: nobody reads from it"):
        check(make_plan(**tables))


def test_two_ports_may_not_share_an_edge(make_plan: MakePlan) -> None:
    tables = simple(actors__sink__use=TwoEars)
    tables["actors"]["sink"]["inputs"] = {"left": "wire", "right": "wire"}
    with pytest.raises(PlanError, match=r"actors\.sink\.inputs: edge wire is bound to two ports"):
        check(make_plan(**tables))


def test_an_outside_port_must_be_bound(make_plan: MakePlan) -> None:
    plan = make_plan(**simple())
    del plan.tables["outside"]["outputs"]["control"]
    with pytest.raises(
        PlanError, match=r"outside\.outputs: the program around the pipeline has port control, bound to"
    ):
        check(plan)


def test_shared_state_of_that_type_must_be_one(make_plan: MakePlan) -> None:
    one = simple(actors__sink__use=Sharing, state__kept__use=kept_plainly)
    assert check(make_plan(**one)).state["kept"].kind is dict
    two = simple(actors__sink__use=Sharing, state__kept__use=kept_plainly, state__more__use=kept_plainly)
    with pytest.raises(PlanError, match=r"and 2 \[state\] entries are of that type; there must be one"):
        check(make_plan(**two))


def ring(second: str = "block") -> dict[str, Any]:
    stage = {"use": Stage, "inputs": {"into": "there"}, "outputs": {"out": "back"}}
    other = {"use": Stage, "inputs": {"into": "back"}, "outputs": {"out": "there"}}
    edges = {"there": EDGE, "back": {**EDGE, "overflow": second}}
    return {"actors": {"one": stage, "two": other}, "edges": edges}


def test_a_ring_of_blocking_edges_is_refused(make_plan: MakePlan) -> None:
    with pytest.raises(PlanError, match=r"one -> two -> one is a cycle of edges that all block, .* \"drop_oldest\""):
        check(make_plan(**ring()))


@pytest.mark.parametrize("second", ["fail", "drop_oldest"])
def test_a_ring_that_gives_way_somewhere_is_fine(second: str, make_plan: MakePlan) -> None:
    assert set(check(make_plan(**ring(second))).nodes) == {"one", "two"}


def test_an_optional_edge_may_lack_ends_and_ports(make_plan: MakePlan) -> None:
    extra = {"type": "Duck", "capacity": "1 item", "overflow": "block", "optional": True}
    tables = simple(edges__extra=extra, edges__idle=extra)
    tables["actors"]["sink"]["inputs"]["duck"] = "extra"
    graph = check(make_plan(**tables))
    assert graph.edges["extra"].carries is Duck
    assert graph.readers("extra") == graph.senders("extra") == graph.senders("idle") == []
    assert graph.nodes["sink"].inputs == {"into": "wire"}


def test_sections_are_tables_of_the_plan(make_plan: MakePlan) -> None:
    tables = simple(actors__sink__use=Roomy, room__headphones=True, room__duplex="half")
    assert check(make_plan(**tables)).sections["room"] == {"headphones": True, "duplex": "half"}


def test_a_swapped_class_is_blamed_on_the_file_that_names_it(tmp_path: Path) -> None:
    (tmp_path / "my.toml").write_text("[actors.microphone]\nuse = 'actors.microphone:Recording'")
    plan = Plan.load("my.toml", folder=tmp_path)
    with pytest.raises(PlanError, match=r"^my\.toml: actors\.microphone needs path, which is not set"):
        check(plan)


def test_a_users_own_class_is_found_in_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "my_quiet_microphone.py").write_text(
        "from pipeline import Outlet\n"
        "from pipeline.messages import Captured\n\n"
        "class Quiet:\n"
        "    def __init__(self, captured: Outlet[Captured], hush: int = 1) -> None: ...\n"
        "    async def run(self) -> None: ...\n"
    )
    (tmp_path / "my.toml").write_text("[actors.microphone]\nuse = 'my_quiet_microphone:Quiet'\nhush = 2")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry])
    graph = check(Plan.load("my.toml"))
    assert graph.nodes["microphone"].made.__name__ == "Quiet"
    assert graph.nodes["microphone"].settings == {"hush": 2}


def test_whatever_a_users_module_does_on_import_is_one_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "my_broken_actor.py").write_text("1 / 0")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    with pytest.raises(
        PlanError, match="module my_broken_actor cannot be imported: ZeroDivisionError: division by zero"
    ):
        load_name("my_broken_actor:Actor", "my.toml: actors.x.use")


def test_a_name_may_lie_deeper_and_an_object_needs_no_name() -> None:
    assert load_name("pipeline.plan:Plan.load", "here") == Plan.load
    assert load_name(Request, "here") is Request
    with pytest.raises(PlanError, match="here is ':x'"):
        load_name(":x", "here")
    assert ReplyControl is load_name("pipeline.messages:ReplyControl", "here")


@pytest.mark.parametrize(
    ("key", "value", "allowed"),
    [
        ("actors.vad.start_ms", "-1", "from 0 to 60000"),
        ("actors.vad.pre_roll_ms", "1e12", "from 0 to 60000"),
        ("actors.vad.threshold", "nan", "from 0 to 1"),
        ("actors.vad.threshold", "1.5", "from 0 to 1"),
        ("actors.connection.heartbeat", "-1", "from 0.1 to 3600"),
        ("actors.connection.patience", "-1", "from 0.1 to 3600"),
        ("actors.connection.tools_within", "-1", "from 0 to 600"),
        ("actors.microphone.block_ms", "0", "from 1 to 200"),
        ("actors.playback.block_ms", "inf", "from 1 to 200"),
        ("actors.playback.confirm_ms", "-1", "from 0 to 60000"),
        ("actors.vad.restart", "{period = nan}", "period (a number)"),
        ("state.session.kept_seconds", "-1", "from 1 to 3600"),
        ("state.player.fade_ms", "-5", "from 0 to 1000"),
        ("budget.minutes", "nan", "a number"),
    ],
)
def test_a_number_of_the_house_that_cannot_be_is_refused(key: str, value: str, allowed: str) -> None:
    with pytest.raises(PlanError) as refused:
        check(Plan.load(sets=[f"{key}={value}"]))
    assert str(refused.value).startswith(f"--set: {key} is ")
    assert allowed in str(refused.value)
