"""The contract between an actor and the house.

An actor is a class (attrs or not) whose constructor takes its settings, its channel ends and what it shares, by
name, and which has one coroutine:

    async def run(self) -> None

| `run` ends by                     | meaning             | what follows                                        |
|-----------------------------------|---------------------|-----------------------------------------------------|
| return                            | the work is done    | its outputs close, readers see the end              |
| an exception                      | a crash             | a fresh object is started, by policy; edges survive |
| a `Fatal` exception               | a restart is no use | the run ends with that sentence                     |
| `Cancelled`                       | someone wants so    | passes untouched                                    |

An object is one incarnation. What has to outlive it is `Shared` state, which the plan names and the graph keeps.
The constructor's annotations are the wiring: `Inlet[X]` and `Outlet[X]` are ports, `Shared[X]` takes the plan's
`[state.NAME]` object of that type, `Bus` is where events go, `Environment` has the keys,
`section("live")` is that table of the plan, and all the rest are settings with their types and defaults;
`Annotated[float, Within(0, 1)]` bounds a number.
"""

import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Protocol, TypeVar

import attrs

from pipeline.channels import Inlet, Outlet
from pipeline.environment import Environment
from pipeline.errors import PlanError
from pipeline.events import Bus
from pipeline.plan import Plan

T = TypeVar("T")
_GATHERED = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


class _SharedMark:
    """Marks an annotation as state that the graph keeps."""


Shared = Annotated[T, _SharedMark]


class Actor(Protocol):
    """Anything the supervisor can run."""

    async def run(self) -> None:
        """Works until done; see the module's table for what each way of ending means."""


def section(name: str) -> Any:  # noqa: ANN401 - attrs fields have the type of the annotation they stand for
    """Makes an attrs field that receives the plan's table of that name, with an empty table as default."""
    return attrs.field(factory=dict, metadata={"section": name})


@attrs.frozen
class Signature:
    """What a class asks of the graph, read from its constructor."""

    inputs: Mapping[str, type]
    outputs: Mapping[str, type]
    shared: Mapping[str, type]
    surroundings: Mapping[str, type]
    sections: Mapping[str, str]
    settings: Mapping[str, Any]
    required: frozenset[str]

    @classmethod
    def of(cls, made: Callable[..., object]) -> "Signature":
        """Reads the constructor of `made`; PlanError where an annotation cannot be resolved.

        A parameter without annotation is a setting that takes anything.
        """
        fields: tuple[attrs.Attribute[Any], ...] = ()
        if isinstance(made, type) and _made_by_attrs(made):
            fields = attrs.fields(made)
        try:
            parameters = [p for p in inspect.signature(made).parameters.values() if p.kind not in _GATHERED]
            source: Any = made
            if isinstance(made, type) and not fields:
                source = getattr(made, "__init__")  # noqa: B009 - its own, or one that it inherits
            hints = typing.get_type_hints(source, include_extras=True)
        except (NameError, AttributeError, TypeError, ValueError, SyntaxError) as error:
            raise PlanError(f"read the constructor of {made.__qualname__}, but {error}") from error
        aliases = {str(field.alias): field.name for field in fields}
        sections = {str(field.alias): field.metadata["section"] for field in fields if "section" in field.metadata}
        inputs, outputs, shared, settings = {}, {}, {}, {}
        surroundings = {}
        for parameter in parameters:
            name = parameter.name
            hint = hints.get(aliases.get(name, name), Any)
            origin = typing.get_origin(hint)
            if origin is Inlet:
                inputs[name] = typing.get_args(hint)[0]
            elif origin is Outlet:
                outputs[name] = typing.get_args(hint)[0]
            elif origin is Annotated and _SharedMark in typing.get_args(hint)[1:]:
                shared[name] = typing.get_args(hint)[0]
            elif hint in (Bus, Environment, Plan):
                surroundings[name] = hint
            elif name not in sections:
                settings[name] = hint
        required = frozenset(p.name for p in parameters if p.default is inspect.Parameter.empty and p.name in settings)
        return cls(inputs, outputs, shared, surroundings, sections, settings, required)


def _made_by_attrs(kind: type) -> bool:
    """Whether the constructor is the one that attrs wrote; a subclass may have one of its own."""
    owner = next(base for base in kind.__mro__ if "__init__" in vars(base))
    return "__attrs_attrs__" in vars(owner)
