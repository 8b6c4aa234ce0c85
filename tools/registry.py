"""Tools: plain functions that a model may call, with what it is told of them and how they are called.

    @tool(timeout=5)
    async def get_price(article: str, amount: Annotated[int, "pieces", Bounds(1, 100)] = 1) -> dict[str, object]:
        "Looks up what an article costs."

Name, description and schema come from the signature and the docstring. A parameter of type `Given[X]` is hidden
from the model and filled by the toolbox: the module's settings, the HTTP client, or `Emit`.
"""

import inspect
import re
from collections.abc import AsyncIterable, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal, Protocol, TypeVar, cast, get_args, get_origin, overload

import attrs
import trio

from pipeline.errors import PlanError, ToolFailed, first_error
from tools.docstrings import Docstring
from tools.results import LIMIT, fits, response, size
from tools.schema import Field, fields_of, hints_of, object_schema, take_fields

T = TypeVar("T")
F = TypeVar("F", bound=Callable[..., object])
Scheduling = Literal["INTERRUPT", "WHEN_IDLE", "SILENT"]

TIMEOUT = 20.0
FRESH = 60.0
THREADS = 4  # of one tool at a time; hung ones hold their places, so they cannot use up the process's threads
NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")  # live-protocol 6
MARK = "__tool__"
LONGEST_REASON = 300
SMALL = 8 * 1024  # bytes of JSON that are made on the loop, in a few milliseconds; more of it in a thread
IN_DOUBT = "it may or may not have been done; ask the user before trying again"


class _GivenMark:
    """Marks a parameter that the toolbox fills."""


Given = Annotated[T, _GivenMark]


class Emit(Protocol):
    """Sends an answer ahead of the last one: progress, or a part of a stream."""

    async def __call__(self, value: object, /) -> None:
        """Sends one; it may wait. Cancelled means: perhaps not sent."""


@attrs.frozen
class Options:
    """How a tool is to be called; see `tool`."""

    name: str | None = None
    timeout: float = TIMEOUT
    blocking: bool | None = None
    scheduling: Scheduling | None = None
    idempotent: bool = False
    fresh: float = FRESH
    exclusive: bool = False
    confirm: bool = False


@overload
def tool(function: F, /) -> F: ...


@overload
def tool(
    *,
    name: str | None = None,
    timeout: float = TIMEOUT,
    blocking: bool | None = None,
    scheduling: Scheduling | None = None,
    idempotent: bool = False,
    fresh: float = FRESH,
    exclusive: bool = False,
    confirm: bool = False,
) -> Callable[[F], F]: ...


def tool(function: F | None = None, /, **options: Any) -> F | Callable[[F], F]:
    """Marks a function as a tool and leaves it as it is; `Tool.of` or a toolbox reads the mark.

    timeout: seconds the caller grants it. blocking: whether the model waits; None leaves it to the model, except
    that a tool with several answers does not block. scheduling: when the model speaks of the answer of a
    non-blocking tool. idempotent: calling twice does no harm, so that equal calls share a run, and for `fresh`
    seconds its answer. exclusive: never two at once. confirm: it runs only after the user has agreed.
    """
    if function is not None:
        function.__dict__[MARK] = Options()
        return function

    def mark(marked: F) -> F:
        marked.__dict__[MARK] = Options(**options)
        return marked

    return mark


async def _silent(_value: object, /) -> None:
    """Drops what is sent ahead; the last answer stands for itself."""
    await trio.lowlevel.checkpoint()


@attrs.frozen(eq=False)
class Tool:
    """A function that a model may call: what the model is told, and how it is called.

    `fields` are the parameters that the model fills, `needs` the hidden ones with their types, and `given` holds
    values for these. `limit` bounds an answer, in bytes of JSON. `inline` runs a sync function in the loop
    rather than in a thread, for virtual clocks.
    """

    name: str
    description: str
    function: Callable[..., object]
    fields: Mapping[str, Field]
    needs: Mapping[str, type]
    streams: bool
    timeout: float = TIMEOUT
    blocking: bool | None = None
    scheduling: Scheduling | None = None
    idempotent: bool = False
    fresh: float = FRESH
    exclusive: bool = False
    confirm: bool = False
    given: Mapping[str, object] = attrs.field(factory=dict)
    inline: bool = False
    limit: int = LIMIT
    _threads: trio.CapacityLimiter = attrs.field(repr=False)
    _turn: trio.Lock = attrs.field(factory=trio.Lock, repr=False)

    @_threads.default
    def _places(self) -> trio.CapacityLimiter:
        return trio.CapacityLimiter(1 if self.exclusive else THREADS)

    @classmethod
    def of(cls, function: Callable[..., object]) -> "Tool":
        """Reads a function, marked with `@tool` or not; PlanError says what of it a model cannot use."""
        options: Options = getattr(function, MARK, Options())
        name = options.name or str(getattr(function, "__name__", function))
        try:
            needs = _needs(function)
            fields = fields_of(function, hidden=needs)
            _check(name, function, options, needs)
        except PlanError as error:
            raise PlanError(f"{name} in {place(function)} cannot be a tool: {error}") from None
        told = {key: value for key, value in attrs.asdict(options).items() if key != "name"}
        streams = _is_stream(function) or Emit in needs.values()
        if streams and options.blocking is None:
            told["blocking"] = False  # several answers to one call are for those that nobody waits for
        return cls(
            name=name,
            description=Docstring.parse(function.__doc__ or "").description or name.replace("_", " "),
            function=function,
            fields=fields,
            needs=needs,
            streams=streams,
            **told,
        )

    @property
    def parameters(self) -> dict[str, object]:
        """The schema of the arguments, in the OpenAPI subset of google-genai's `types.Schema`."""
        return object_schema(self.fields)

    def declaration(self) -> dict[str, object]:
        """Gives the function declaration, camelCase; `parameters` and `behavior` only where there is anything."""
        told: dict[str, object] = {"name": self.name, "description": self.description}
        if self.blocking is not None:
            told["behavior"] = "BLOCKING" if self.blocking else "NON_BLOCKING"
        return told | ({"parameters": self.parameters} if self.fields else {})

    def accept(self, args: Mapping[str, object]) -> dict[str, object]:
        """Converts a model's arguments; ToolFailed names all that is wrong, found and allowed."""
        taken, wrong = take_fields(self.fields, args)
        if wrong:
            raise ToolFailed(
                f"{self.name} was not run: {'; '.join(wrong)}. Call it again with other arguments.", retry=True
            )
        return taken

    async def run(self, args: Mapping[str, object], emit: Emit = _silent) -> dict[str, Any]:
        """Calls the function and gives its last answer as a JSON object; earlier ones go through `emit`.

        Raises nothing but ToolFailed. Cancellation stops an async function; a sync function's thread is left to
        itself and its result dropped. Deadlines are the caller's: `timeout` is what the tool asks for.
        """
        taken = self.accept(args)
        parts = _Parts(emit, self._small, self.limit)
        for name, kind in self.needs.items():
            taken[name] = parts.add if kind is Emit else self._find(name)
        try:
            last = await (self._stream(taken, parts) if _is_stream(self.function) else self._value(taken))
        except ToolFailed:
            raise
        except (Exception, SystemExit) as error:
            raise self._failure(error) from error
        return last if parts.left > 0 else {**last, "cut": f"what came after {self.limit} bytes was left out"}

    async def call(self, args: Mapping[str, object], parts: list[object] | None = None) -> dict[str, Any]:
        """Calls the function and gives one answer: of an async generator {"results": [each in turn]}.

        `parts` takes what comes ahead of the last answer, for whoever has it cut short.
        """
        parts = [] if parts is None else parts

        async def keep(value: object, /) -> None:
            await trio.lowlevel.checkpoint()
            parts.append(value)

        last = await self.run(args, keep)
        return response({"results": parts}, self.limit) if _is_stream(self.function) else last

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """Waits until no other call of it runs, not even in a thread that was given up, and keeps it so in the block.

        Cancellation while it waits gives up the place in the queue.
        """
        async with self._turn:
            await self._threads.acquire_on_behalf_of(self)
            self._threads.release_on_behalf_of(self)
            yield

    def doubt(self, what: str, detail: str = "") -> ToolFailed:
        """Gives the failure of a call that may have been done: only what does no harm twice is to be tried again."""
        return ToolFailed(what if self.idempotent else f"{what}; {IN_DOUBT}", retry=self.idempotent, detail=detail)

    async def _stream(self, taken: Mapping[str, object], parts: "_Parts") -> dict[str, Any]:
        async with aclosing(cast("Any", self.function(**taken))) as answers:
            async for answer in cast("AsyncIterable[object]", answers):
                await parts.add(answer)
                if parts.left <= 0:
                    break
        return {"result": "done", "answers": parts.count}

    async def _value(self, taken: Mapping[str, object]) -> dict[str, Any]:
        if self.inline or _waits(self.function):
            value = self._called(taken)
        else:
            call = partial(self._called, taken)
            value = await trio.to_thread.run_sync(call, abandon_on_cancel=True, limiter=self._threads)
        return await self._small(await value) if inspect.isawaitable(value) else value

    async def _small(self, value: object) -> dict[str, Any]:
        """Makes a result JSON of bounded size, without keeping the loop from others for long."""
        if self.inline or fits(value, SMALL):
            return response(value, self.limit)
        return await trio.to_thread.run_sync(response, value, self.limit, abandon_on_cancel=True)

    def _called(self, taken: Mapping[str, object]) -> Awaitable[object] | dict[str, Any]:
        """Calls the function; a large result is made small here, in the thread, and not on the loop."""
        value = self.function(**taken)
        return cast("Awaitable[object]", value) if inspect.isawaitable(value) else response(value, self.limit)

    def _find(self, name: str) -> object:
        if name not in self.given:
            raise ToolFailed(f"{self.name} needs {name}, which a toolbox gives: add the tool to one")
        return self.given[name]

    def _failure(self, error: Exception | SystemExit) -> ToolFailed:
        """Says in one sentence, for the model, that the function did not succeed; what is inside is for the log."""
        first = first_error(error) if isinstance(error, ExceptionGroup) else error
        if isinstance(first, ToolFailed):
            return first
        detail = " ".join(f"{type(first).__name__}: {first}".split())[:LONGEST_REASON]
        if isinstance(first, trio.TooSlowError):
            return self.doubt(f"{self.name} took too long", detail)
        return ToolFailed(f"{self.name} failed because of a fault in it; asking again will not help", detail=detail)


@attrs.define
class _Parts:
    """Answers ahead of the last one, on their way to `emit`: made small, and no more than `left` bytes of them."""

    emit: Emit
    small: Callable[[object], Awaitable[dict[str, Any]]]
    left: int
    count: int = 0

    async def add(self, value: object, /) -> None:
        """Sends one; from the first on for which there is no room, none."""
        part = await self.small(value)
        self.left -= size(part) if self.left > 0 else 0
        if self.left > 0:
            self.count += 1
            await self.emit(part)


def place(function: Callable[..., object]) -> str:
    """Names the file, or else the module, that a function is written in."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    return Path(code.co_filename).name if code else str(getattr(function, "__module__", "its module"))


def _waits(function: Callable[..., object]) -> bool:
    return inspect.iscoroutinefunction(inspect.unwrap(function))


def _is_stream(function: Callable[..., object]) -> bool:
    return inspect.isasyncgenfunction(inspect.unwrap(function))


def _needs(function: Callable[..., object]) -> dict[str, type]:
    """Finds the hidden parameters: those annotated Given[...]."""
    return {
        name: get_args(hint)[0]
        for name, hint in hints_of(function).items()
        if get_origin(hint) is Annotated and _GivenMark in get_args(hint)[1:]
    }


def _check(name: str, function: Callable[..., object], options: Options, needs: Mapping[str, type]) -> None:
    if not NAME.fullmatch(name):
        raise PlanError(
            f"the service does not take the name {name!r}; it must have at most 128 letters, digits and _ . : - "
            f'and start with a letter or _; give one with @tool(name="...")'
        )
    if inspect.isgeneratorfunction(function):
        raise PlanError("it is a generator; make it async def with yield, or return a list")
    if Emit in needs.values() and not (_waits(function) or _is_stream(function)):
        raise PlanError("it takes Emit, which has to be awaited; make it async def")
    if options.scheduling not in (None, *get_args(Scheduling)):
        raise PlanError(f"scheduling is {options.scheduling!r}; it must be one of {', '.join(get_args(Scheduling))}")
    if options.scheduling and options.blocking:
        raise PlanError("scheduling is only for tools that the model does not wait for; set blocking=False")
    if not options.fresh >= 0:
        raise PlanError(f"fresh is {options.fresh!r}; it must be a number of seconds from 0 up")
    if not options.timeout > 0:
        raise PlanError(f"timeout is {options.timeout!r}; it must be a number of seconds above 0")
