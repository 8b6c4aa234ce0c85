"""The toolbox: all tools of a conversation, their declarations for the service, and what they share."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, cast

import attrs
import trio

from pipeline.errors import PlanError, ToolFailed
from pipeline.plan import Plan
from tools.changes import read_changes
from tools.http import Http, Waits
from tools.loading import load_tools
from tools.registry import Emit, Tool, place
from tools.schema import fields_of, take_fields
from tools.servers import Server, read_servers

KEYS = ("use", "google_search", "mcp", "confirm", "options", "http")
OWN = ("weather", "clock")  # the house's modules that take settings


@attrs.define(eq=False)
class Toolbox(trio.abc.AsyncResource):
    """All tools of a conversation, built from a plan's `[tools]` table and by `add`.

    `table`: `use` is a list of modules ("tools.weather") and files ("my_tools.py", relative to `folder`),
    `google_search` switches the service's own search, `mcp` has a table for each MCP server (`tools.servers`),
    `confirm` the words that agree (`tools.consent`), `options` a table for each tool that is to be called otherwise
    than it says (`tools.changes`), `http` the patience of the HTTP client, and each further table is the settings of
    the module of that name. A tool's parameter `Given[X]` receives one X for all calls: where X belongs to the tool's
    own module, it is made from the module's settings, each field checked; any other X is the one in `shared`, or else
    is made without arguments. `inline` runs sync tools in the loop, for virtual clocks. `where` names a dotted key for
    an error.

    Whoever makes it closes it: `aclose`, or `async with`, closes what the tools share; it may be used afterwards,
    and then be closed again. Raises PlanError with key, what was found and what is allowed.
    """

    table: Mapping[str, object] = attrs.field(factory=dict)
    folder: Path = attrs.field(factory=Path.cwd)
    inline: bool = False
    where: Callable[[str], str] = attrs.field(default="the plan: {}".format, repr=False)
    shared: dict[type, object] = attrs.field(factory=dict, repr=False)
    servers: tuple[Server, ...] = attrs.field(default=(), init=False)
    _tools: dict[str, Tool] = attrs.field(factory=dict, init=False)
    _foreign: dict[str, tuple[str, ...]] = attrs.field(factory=dict, init=False)
    _news: trio.Event = attrs.field(factory=trio.Event, init=False)
    _changed: Mapping[str, Mapping[str, Any]] = attrs.field(factory=dict, init=False, repr=False)
    _away: set[str] = attrs.field(factory=set, init=False)
    _configured: set[str] = attrs.field(factory=set, init=False, repr=False)

    def __attrs_post_init__(self) -> None:
        used = self.table.get("use", [])
        if not isinstance(used, list) or not all(isinstance(name, str) for name in used):
            raise PlanError(f'{self.where("tools.use")} is {used!r}; it must be a list such as ["tools.weather"]')
        if not isinstance(self.google_search, bool):
            raise PlanError(f"{self.where('tools.google_search')} is {self.google_search!r}; it must be true or false")
        self._check_keys([_short(name) for name in used])
        self._settings(Waits, "http")
        self._changed = read_changes(self.table.get("options", {}), self.where)
        self.servers = read_servers(self.table.get("mcp", {}), self.where, self.folder)
        for name in used:
            for function in load_tools(name, self.folder, self.where("tools.use")):
                self.add(function, section=_short(name))
            if self.table.get(_short(name)) and _short(name) not in self._configured:
                raise PlanError(f"{self.where(f'tools.{_short(name)}')}: {name} takes no settings; take the table out")
        for name in self._changed:
            if name not in self._tools:
                known = ", ".join(self._tools) or "none at all"
                raise PlanError(
                    f"{self.where(f'tools.options.{name}')}: there is no tool called {name}; there are {known}"
                )

    @classmethod
    def load(
        cls,
        table: Mapping[str, object],
        *,
        folder: Path,
        where: Callable[[str], str] = "the plan: {}".format,
        inline: bool = False,
    ) -> "Toolbox":
        """Builds the toolbox of a plan's `[tools]` table; the class says what the arguments are."""
        return cls(table, folder, inline, where)

    @property
    def google_search(self) -> bool:
        """Tells whether the service may search by itself."""
        return cast("bool", self.table.get("google_search", False))

    def add(self, function: Callable[..., object] | Tool, *, section: str = "") -> Tool:
        """Adds a function, marked or not, or a tool; `section` is the settings table of its module, if any.

        Raises PlanError if it cannot be a tool, or there is another tool of that name.
        """
        made = function if isinstance(function, Tool) else Tool.of(function)
        if made.name in self._tools:
            places = " and in ".join(place(each.function) for each in (self._tools[made.name], made))
            raise PlanError(
                f"there are two tools called {made.name}, in {places}; "
                f'take one out of use, or rename it with @tool(name="...")'
            )
        given = dict(made.given)
        for name, kind in made.needs.items():
            if name not in given and kind is not Emit:
                given[name] = self._give(kind, made, section)
        changed = self._changed.get(made.name, {})
        self._tools[made.name] = attrs.evolve(made, given=given, inline=self.inline or made.inline, **changed)
        return self._tools[made.name]

    def offer(self, server: str, tools: Iterable[Tool]) -> list[str]:
        """Takes a server's tools in place of those it offered before; gives the names that are taken by others."""
        for name in self._foreign.get(server, ()):
            del self._tools[name]
        refused, taken = [], []
        for made in tools:
            if made.name in self._tools:
                refused.append(made.name)
            else:
                self._tools[made.name] = made
                taken.append(made.name)
        self._foreign[server] = tuple(taken)
        self._away.discard(server)
        self._tell()
        return refused

    def withdraw(self, server: str) -> None:
        """A server is away: its tools are declared no more, but who still calls one by its name hears of that."""
        self._away.add(server)
        self._tell()

    def _tell(self) -> None:
        self._news.set()
        self._news = trio.Event()

    async def complete(self, patience: float) -> bool:
        """Waits until every server has said what it offers, `patience` seconds at most; tells whether all have."""
        with trio.move_on_after(patience):
            while any(server.name not in self._foreign for server in self.servers):
                await self._news.wait()
        return all(server.name in self._foreign for server in self.servers)

    async def changed(self) -> None:
        """Waits until a server has said anew what it offers, or is away."""
        await self._news.wait()

    def get(self, name: str) -> Tool:
        """Gives a tool by name; ToolFailed naming those that there are."""
        if name not in self._tools:
            known = ", ".join(self._tools) or "none at all"
            raise ToolFailed(f"there is no tool called {name!r}; there are {known}")
        return self._tools[name]

    def declarations(self) -> list[dict[str, object]]:
        """Gives the `tools` of a Live setup, camelCase: one entry with all functions, and the service's search."""
        told: list[dict[str, object]] = []
        away = {name for server in self._away for name in self._foreign.get(server, ())}
        if declared := [made.declaration() for made in self if made.name not in away]:
            told.append({"functionDeclarations": declared})
        if self.google_search:
            told.append({"googleSearch": {}})
        return told

    async def run_json(self, name: str, text: str) -> dict[str, Any]:
        """Runs a tool with arguments written as a JSON object, within its timeout; ToolFailed says what went wrong."""
        found = self.get(name)
        try:
            args = json.loads(text or "{}")
        except (ValueError, RecursionError) as error:
            raise ToolFailed(f"the arguments of {name} are not JSON: {error}; write an object as in {{}}") from None
        if not isinstance(args, dict):
            raise ToolFailed(f'the arguments of {name} are {text}; write an object as in {{"city": "Paris"}}')
        parts: list[object] = []
        with trio.move_on_after(found.timeout):
            return await found.call(args, parts)
        slow = f"{name} did not answer within {found.timeout:g} s"
        if parts:
            return {"results": parts, "cut": f"{slow}; this is what came until then"}
        raise found.doubt(slow)

    async def aclose(self) -> None:
        """Closes what the tools share; every part is closed, also when one fails or the wait is cancelled."""
        async with AsyncExitStack() as stack:
            for held in self.shared.values():
                if hasattr(held, "aclose"):
                    stack.push_async_callback(held.aclose)
            await trio.lowlevel.checkpoint()

    def __iter__(self) -> Iterator[Tool]:
        return iter(self._tools.values())

    def __len__(self) -> int:
        return len(self._tools)

    def __contains__(self, name: object) -> bool:
        return name in self._tools

    def _give(self, kind: type, made: Tool, section: str) -> object:
        """Finds or makes the one object of that class that all tools share."""
        if kind not in self.shared:
            own = kind.__module__ == getattr(made.function, "__module__", None)
            if kind is Http:
                self.shared[kind] = Http(**attrs.asdict(cast("Waits", self._settings(Waits, "http"))))
            else:
                self.shared[kind] = self._settings(kind, section) if own else kind()
        return self.shared[kind]

    def _settings(self, kind: type, section: str) -> object:
        table = self.table.get(section, {}) if section else {}
        key = f"tools.{section}"
        self._configured.add(section)
        if not isinstance(table, Mapping):
            raise PlanError(f"{self.where(key)} is {table!r}; it must be a table of settings")
        taken, wrong = take_fields(fields_of(kind), table)
        if wrong:
            raise PlanError(f"{self.where(key)}: {'; '.join(wrong)}")
        try:
            return kind(**taken)
        except (ValueError, TypeError, ToolFailed) as error:  # the class's own validators
            raise PlanError(f"{self.where(key)}: {error}") from None

    def _check_keys(self, sections: list[str]) -> None:
        """Refuses what belongs to no module; a table of the house's own may stay while its module is not in use."""
        for key, value in self.table.items():
            ours = key in sections or key in OWN
            if key not in KEYS and not (ours and isinstance(value, Mapping)):
                known = ", ".join([*KEYS, *(f"a table {name}" for name in sections)])
                raise PlanError(f"{self.where(f'tools.{key}')} is unknown; [tools] has {known}")


def planned(plan: Plan, *, inline: bool = False) -> Toolbox:
    """Makes the toolbox of a plan; errors name the file that a setting came from."""
    return Toolbox(plan.table("tools"), plan.folder, inline, plan.where)


def _short(name: str) -> str:
    """Gives the name of a module's settings table: the file's without ending, or the last part of a module's."""
    return Path(name).stem if name.endswith(".py") else name.rpartition(".")[2]
