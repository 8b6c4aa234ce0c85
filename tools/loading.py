"""Finds tools in the modules and files that a plan names, with errors fit for whoever wrote them."""

import importlib
import importlib.util
import sys
import traceback
from collections.abc import Callable, Iterable
from pathlib import Path
from types import ModuleType

from pipeline.errors import PlanError
from tools.registry import MARK

_kept: dict[Path, ModuleType] = {}


def keep(names: Iterable[str], folder: Path) -> None:
    """Keeps files that have just been loaded to be looked at for the next who loads them, so that they run once."""
    for name in names:
        path = folder / name
        if (loaded := sys.modules.get(_alias(path))) is not None and loaded.__file__ == str(path):
            _kept[path] = loaded


def load_tools(name: str, folder: Path, where: str) -> list[Callable[..., object]]:
    """Imports `package.module` or `file.py` (relative to `folder`) and gives its `@tool` functions, in order.

    Raises PlanError in one sentence: no such file or module, an error in it with its line, or no tools in it.
    The folder joins the end of `sys.path`, so that a file can import its neighbours.
    """
    module = _load_file(folder / name, name, where) if name.endswith(".py") else _load_module(name, folder, where)
    found = [
        value
        for value in vars(module).values()
        if hasattr(value, MARK) and getattr(value, "__module__", None) == module.__name__
    ]
    if not found:
        raise PlanError(f"{where} names {name}, which has no tools; mark its functions with @tool")
    return list({id(function): function for function in found}.values())


def _load_file(path: Path, name: str, where: str) -> ModuleType:
    if not path.is_file():
        raise PlanError(f"{where} names {name}, but there is no file {path}; correct the name")
    if (kept := _kept.pop(path, None)) is not None:
        return kept
    alias = _alias(path)
    spec = importlib.util.spec_from_file_location(alias, path)
    if spec is None or spec.loader is None:
        raise PlanError(f"{where} names {name}, which Python cannot load; a file of tools is a plain .py file")
    module = importlib.util.module_from_spec(spec)
    _see(path.parent)
    sys.modules[alias] = module  # annotations are resolved by way of the module's entry
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as error:
        raise PlanError(f"{where} names {name}, which cannot be imported: {_reason(error, path)}") from error
    return module


def _alias(path: Path) -> str:
    """Names the module of a file: one that is called json.py must not stand in for the real json."""
    return f"tools_of_{path.stem}"


def _load_module(name: str, folder: Path, where: str) -> ModuleType:
    _see(folder)
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name and (name == error.name or name.startswith(f"{error.name}.")):
            raise PlanError(
                f'{where} names {name!r}, but there is no such module; name a file as "my_tools.py", or a module '
                f'that can be imported from {folder}, as "tools.weather"'
            ) from None
        raise PlanError(f"{where} names {name}, which cannot be imported: {_reason(error)}") from error
    except (Exception, SystemExit) as error:
        raise PlanError(f"{where} names {name}, which cannot be imported: {_reason(error)}") from error


def _see(folder: Path) -> None:
    place = str(folder.resolve())
    if place not in sys.path:
        sys.path.append(place)  # behind everything else: nothing of the house's is shadowed


def _reason(error: BaseException, path: Path | None = None) -> str:
    """Says what happened and where, without a traceback."""
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame.lineno for frame in frames if path is not None and Path(frame.filename) == path]
    line = error.lineno if isinstance(error, SyntaxError) else (lines[-1] if lines else None)
    text = error.msg if isinstance(error, SyntaxError) else str(error)
    spot = f"line {line}: " if line else ""
    return f"{spot}{type(error).__name__}: {' '.join(text.split())}"
