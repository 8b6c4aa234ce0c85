"""The plan: wiring and settings as data, merged from the house's default, the user's files and the command line.

A plan knows of each value where it came from, so that an error can name file and key. Nothing is started here.
"""

import tomllib
from collections.abc import Iterable, Mapping
from importlib import resources
from pathlib import Path
from typing import Any, Self

import attrs

from pipeline.errors import PlanError

Table = dict[str, Any]
DEFAULT = "the default plan"
WIRING = ("inputs", "outputs", "restart")  # what stays of an actor's table when another class takes its place


@attrs.define
class Plan:
    """Merged tables, and for each dotted key the place it was set; later layers win.

    Replacing an actor's `use` drops the settings of the class that left, and keeps its wiring. `folder` is where
    relative paths of the plan are looked up.
    """

    tables: Table = attrs.field(factory=dict)
    origins: dict[str, str] = attrs.field(factory=dict)
    folder: Path = attrs.field(factory=Path.cwd)

    @classmethod
    def load(cls, *files: str | Path, sets: Iterable[str] = (), folder: Path | None = None) -> Self:
        """Reads the default plan, then each TOML file, then `key=value` settings.

        Raises PlanError naming file and line or key for what is missing, not TOML, or includes itself.
        """
        plan = cls(folder=folder or Path.cwd())
        text = resources.files("pipeline").joinpath("default.toml").read_text("utf-8")
        plan.merge(tomllib.loads(text), DEFAULT)
        for file in files:
            plan.merge_file(Path(file))
        for setting in sets:
            plan.set_text(setting)
        return plan

    def merge_file(self, path: Path, including: tuple[Path, ...] = ()) -> None:
        """Lays a TOML file over the plan; its `include = [...]` files, relative to it, come first."""
        resolved = path if path.is_absolute() else self.folder / path
        resolved = resolved.resolve()
        if resolved in including:
            chain = " -> ".join(str(p) for p in (*including, resolved))
            raise PlanError(f"{path} includes itself: {chain}; take one include out")
        table = _read(resolved, path)
        includes = table.pop("include", [])
        if not isinstance(includes, list) or not all(isinstance(name, str) for name in includes):
            raise PlanError(f"{path}: include is {includes!r}; it is a list of file names")
        for name in includes:
            self.merge_file(resolved.parent / name, (*including, resolved))
        self.merge(table, str(path))

    def merge(self, table: Mapping[str, Any], origin: str) -> None:
        """Lays a table over the plan."""
        _merge(self.tables, table, (), origin, self.origins)

    def set(self, key: str, value: object, origin: str = "code") -> None:
        """Sets one dotted key; the value may be any object, such as an actor class or a stream factory."""
        names = key.split(".")
        table: object = value
        for name in reversed(names):
            if not name:
                raise PlanError(f"{origin} sets {key!r}; a key is names joined by dots, as in actors.vad.threshold")
            table = {name: table}
        assert isinstance(table, dict)  # noqa: S101 - split() never gives an empty list
        self.merge(table, origin)

    def set_text(self, setting: str, origin: str = "--set") -> None:
        """Sets `key=value` from text: the value is TOML, or a plain string where it is none."""
        key, equals, value = setting.partition("=")
        if not equals:
            raise PlanError(f"{origin} {setting!r} has no '='; write it as {origin} actors.vad.threshold=0.6")
        try:
            parsed: object = tomllib.loads(f"value = {value}")["value"]
        except tomllib.TOMLDecodeError:
            parsed = value
        self.set(key.strip(), parsed, origin)

    def table(self, *names: str) -> Table:
        """Gives the table of that path, empty where it is not set."""
        table: Any = self.tables
        for name in names:
            table = table.get(name, {}) if isinstance(table, dict) else {}
        return table if isinstance(table, dict) else {}

    def origin(self, key: str) -> str:
        """Tells where a dotted key, or the nearest table around it, was set."""
        while key and key not in self.origins:
            key = key.rpartition(".")[0]
        return self.origins.get(key, DEFAULT)

    def where(self, key: str) -> str:
        """Names a key for an error message: file, then key."""
        return f"{self.origin(key)}: {key}"


def _read(resolved: Path, path: Path) -> Table:
    try:
        return tomllib.loads(resolved.read_text("utf-8-sig"))  # Windows' editors like to begin with a mark
    except FileNotFoundError:
        raise PlanError(f"{path} does not exist; check the name given to --config or include") from None
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError(f"{path} cannot be read: {error}") from error
    except tomllib.TOMLDecodeError as error:
        raise PlanError(f"{path} is not valid TOML: {error}") from error


def _merge(into: Table, over: Mapping[str, Any], path: tuple[str, ...], origin: str, origins: dict[str, str]) -> None:
    if len(path) == 2 and path[0] in ("actors", "state") and _replaced(into, over):  # noqa: PLR2004 - [actors.NAME]
        for key in [key for key in into if key not in WIRING]:
            del into[key]
        origins[".".join(path)] = origin
    for key, value in over.items():
        dotted = ".".join((*path, key))
        if isinstance(value, Mapping):
            held = into.get(key)
            if not isinstance(held, dict):
                held = into[key] = {}
            origins.setdefault(dotted, origin)
            _merge(held, value, (*path, key), origin, origins)
        else:
            into[key] = value
            origins[dotted] = origin


def _replaced(into: Mapping[str, Any], over: Mapping[str, Any]) -> bool:
    return "use" in over and "use" in into and over["use"] != into["use"]
