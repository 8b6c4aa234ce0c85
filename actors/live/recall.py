"""Recalls the last setup that was built, so that an unchanged plan starts without google-genai's slow import.

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
        record = msgspec.json.decode(path.read_bytes())
        return Built(**record["built"]) if record["key"] == key else None
    except (OSError, msgspec.DecodeError, UnicodeError, RecursionError, KeyError, TypeError):
        return None


def _write(path: Path, key: str, built: Built) -> None:
    try:
        write_privately(path, msgspec.json.encode({"key": key, "built": attrs.asdict(built)}))
    except OSError:
        return
