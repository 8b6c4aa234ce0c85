"""What a class asks of the graph, read from its constructor."""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import attrs
import pytest

from pipeline.actor import Shared, Signature, section
from pipeline.channels import Inlet, Outlet
from pipeline.environment import Environment
from pipeline.errors import PlanError
from pipeline.events import Bus
from pipeline.messages import Captured, Uttered
from pipeline.plan import Plan


class Clock:
    """Something to share."""


@attrs.define
class Whole:
    """An attrs class with one of everything."""

    heard: Inlet[Captured]
    said: Outlet[Uttered]
    clock: Shared[Clock]
    bus: Bus
    environment: Environment
    plan: Plan
    level: float
    room: Mapping[str, Any] = section("room")
    make: Callable[[], int] = int
    _secret: str = ""
    _inner: int = attrs.field(default=0, init=False)

    async def run(self) -> None: ...


@attrs.define
class Derived(Whole):
    """A variant with a setting more."""

    path: str = attrs.field(kw_only=True)


class Plain:
    """The same without attrs."""

    def __init__(self, heard: Inlet[Captured], clock: Shared[Clock], bus: Bus, level: float, name: str = "") -> None:
        self.all = (heard, clock, bus, level, name)

    async def run(self) -> None: ...


class Heir(Plain):
    """Inherits its constructor."""


class Bare:
    """Has no constructor at all."""

    async def run(self) -> None: ...


@dataclasses.dataclass
class Data:
    heard: Inlet["Captured"]
    level: float = 0.5


class Loose:
    def __init__(self, heard: Inlet[Captured], anything, *rest: int, **more: int) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
        self.all = (heard, anything, rest, more)


class Mistaken:
    def __init__(self, heard: "Inlet[Nowhere]") -> None:  # type: ignore[name-defined]  # noqa: F821
        self.heard = heard


def test_an_attrs_class_is_read_whole() -> None:
    signature = Signature.of(Whole)
    assert signature.inputs == {"heard": Captured}
    assert signature.outputs == {"said": Uttered}
    assert signature.shared == {"clock": Clock}
    assert signature.surroundings == {"bus": Bus, "environment": Environment, "plan": Plan}
    assert signature.sections == {"room": "room"}
    assert signature.settings == {"level": float, "make": Callable[[], int], "secret": str}
    assert signature.required == {"level"}


def test_a_subclass_adds_to_its_base() -> None:
    base, derived = Signature.of(Whole), Signature.of(Derived)
    assert derived.inputs == base.inputs
    assert derived.settings == {**base.settings, "path": str}
    assert derived.required == {"level", "path"}


def test_a_subclass_with_a_constructor_of_its_own_is_read_by_that() -> None:
    class Curious(Whole):
        def __init__(self, more: Inlet[Captured], heard: Inlet[Captured], size: int = 3) -> None: ...

    asked = Signature.of(Curious)
    assert asked.inputs == {"more": Captured, "heard": Captured}
    assert asked.settings == {"size": int}
    assert asked.sections == {}


@pytest.mark.parametrize("kind", [Plain, Heir])
def test_a_plain_class_is_read_as_well(kind: type) -> None:
    signature = Signature.of(kind)
    assert (signature.inputs, signature.shared, signature.surroundings) == (
        {"heard": Captured},
        {"clock": Clock},
        {"bus": Bus},
    )
    assert signature.settings == {"level": float, "name": str}
    assert signature.required == {"level"}


def test_a_class_without_a_constructor_asks_for_nothing() -> None:
    signature = Signature.of(Bare)
    assert not any(attrs.astuple(signature, recurse=False))


def test_a_dataclass_and_a_function_will_do() -> None:
    signature = Signature.of(Data)
    assert (signature.inputs, signature.settings) == ({"heard": Captured}, {"level": float})

    def make(bus: Bus, size: int = 3) -> Clock:
        return Clock()

    signature = Signature.of(make)
    assert (signature.surroundings, signature.settings, signature.required) == (
        {"bus": Bus},
        {"size": int},
        frozenset(),
    )


def test_what_has_no_annotation_is_a_setting_and_what_gathers_the_rest_is_none() -> None:
    signature = Signature.of(Loose)
    assert signature.settings == {"anything": Any}
    assert signature.required == {"anything"}


def test_an_annotation_that_cannot_be_resolved_is_refused() -> None:
    with pytest.raises(PlanError, match="read the constructor of Mistaken, but name 'Nowhere' is not defined"):
        Signature.of(Mistaken)
