"""What a recording says of itself: the plan without its secrets, the versions, and its level of content."""

import platform
import re
import sys
import tomllib
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import attrs

from pipeline.bus import FULL, Content
from pipeline.drawing import as_toml
from pipeline.plan import DEFAULT, Plan
from pipeline.secrets import SHOWN, Secrets

PRODUCT = Path(__file__).parents[1] / "pyproject.toml"
SECRET_NAME = re.compile(r"(?i)(key|token|secret|password|passwd|credential|authorization|cookie)s?$")
ADDRESS_SECRET = re.compile(r"(?<=://)[^/@\s\"]+@|(?<=[?&])([\w-]*(?:key|token|secret)[\w-]*)=[^&\s\"]+", re.IGNORECASE)


def level_of(plan: Plan) -> Content:
    """Gives the level of content of a recording: what the plan says where someone has said it, and else all.

    Who asks for a recording asks for the sound in it; but a level that is set on purpose holds here, too.
    """
    said = plan.table("telemetry").get("content", FULL)
    level: Content = FULL if plan.origin("telemetry.content") == DEFAULT else said
    return level


def written(plan: Plan, secrets: Secrets) -> str:
    """Gives the plan as TOML without secrets: known ones, values of keys that are called so, and those in addresses."""
    text = secrets.redact(as_toml(attrs.evolve(plan, tables=_public(plan.tables))))
    return ADDRESS_SECRET.sub(lambda found: f"{found[1]}={SHOWN}" if found[1] else f"{SHOWN}@", text)


def _public(table: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            shown[key] = dict.fromkeys(value, SHOWN) if key == "env" else _public(value)
        else:
            shown[key] = SHOWN if SECRET_NAME.search(key) and isinstance(value, str) and value else value
    return shown


def versions() -> dict[str, object]:
    """Tells what a recording is made with, and when."""
    return {
        "product": _product(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "began": datetime.now(UTC).isoformat(timespec="seconds"),
        "packages": dict(sorted(_packages().items())),
    }


def _packages() -> dict[str, str]:
    """Gives what is installed, by the names of folders: to read what each says of itself takes a tenth of a second."""
    found: dict[str, str] = {}
    for folder in sys.path:
        for path in Path(folder or ".").glob("*.dist-info"):
            name, _, version = path.stem.partition("-")
            found.setdefault(name.replace("_", "-"), version)
    return found


def _product() -> str:
    try:
        return str(tomllib.loads(PRODUCT.read_text("utf-8"))["project"]["version"])
    except (OSError, tomllib.TOMLDecodeError, KeyError):
        return "unknown"
