"""Recalls the last setups that were built, so that a plan that is known starts without google-genai's slow import.

The file holds what the plan says, prompts included, so it is readable by its owner alone.
"""

import hashlib
from collections.abc import Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import Any

import attrs
import msgspec

from actors.live.setup import Built, build
from actors.live.vault import write_privately

REMEMBERED = 4  # setups: a plan with MCP servers has one before they have told their tools, and one after


def recall(
    path: Path | None, live: Mapping[str, Any], tools: Sequence[Mapping[str, Any]], *, local_turns: bool
) -> Built:
    """Gives the setup for a plan: from the file if it was built from exactly this, else built and kept there.

    Raises what `build` raises. A file that cannot be read or written only costs time.
    """
    key = _key(live, tools, local_turns=local_turns)
    if path is None or not key:
        return build(live, tools, local_turns=local_turns)
    found = _read(path, key)
    if found is not None:
        return found
    built = build(live, tools, local_turns=local_turns)
    _write(path, key, built)
    return built


def _key(live: Mapping[str, Any], tools: Sequence[Mapping[str, Any]], *, local_turns: bool) -> str:
    """Names everything a setup is made from; empty where the plan holds what is no plain data."""
    try:
        versions = [metadata.version(name) for name in ("google-genai", "pydantic")]
        source = (Path(__file__).parent / name for name in ("setup.py", "models.py"))
        code = [hashlib.sha256(path.read_bytes()).hexdigest() for path in source]
        made_from = msgspec.json.encode([live, tools, local_turns, versions, code], order="deterministic")
    except (TypeError, ValueError, OSError, metadata.PackageNotFoundError):
        return ""
    return hashlib.sha256(made_from).hexdigest()


def _read(path: Path, key: str) -> Built | None:
    try:
        return next((Built(**record["built"]) for record in _records(path) if record["key"] == key), None)
    except (KeyError, TypeError):
        return None


def _records(path: Path) -> list[Any]:
    """Gives what is kept, the newest first."""
    try:
        records = msgspec.json.decode(path.read_bytes())
    except (OSError, msgspec.DecodeError, UnicodeError, RecursionError):
        return []
    return records if isinstance(records, list) else []


def _write(path: Path, key: str, built: Built) -> None:
    records = [{"key": key, "built": attrs.asdict(built)}, *_records(path)][:REMEMBERED]
    try:
        write_privately(path, msgspec.json.encode(records))
    except OSError:
        return
