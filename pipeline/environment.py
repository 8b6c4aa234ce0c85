"""The environment: keys and addresses from variables, and from a `.env` file that never overrides them."""

import os
from collections.abc import Mapping
from pathlib import Path

import attrs
from dotenv import dotenv_values

from pipeline.errors import PlanError
from pipeline.secrets import Secrets

# The first that is set wins (contract: GOOGLE_API_KEY before GEMINI_API_KEY).
GOOGLE_KEYS = ("GOOGLE_API_KEY", "GEMINI_API_KEY")
ACCESS_KEY = "ASSISTANT_ACCESS_KEY"  # what people show to the gateway
LAMINAR_KEYS = ("LAMINAR_PROJECT_API_KEY", "LMNR_PROJECT_API_KEY")
LAMINAR_URL = "LMNR_BASE_URL"
BASE_URL = "GOOGLE_GEMINI_BASE_URL"  # google-genai reads the same one (live-protocol 1.2)


@attrs.frozen
class Environment:
    """What the surroundings say; the keys are kept out of any representation."""

    google_key: str | None = attrs.field(default=None, repr=False)
    base_url: str | None = None
    access_key: str | None = attrs.field(default=None, repr=False)
    laminar_key: str | None = attrs.field(default=None, repr=False)
    laminar_url: str | None = None

    @classmethod
    def read(cls, variables: Mapping[str, str] | None = None, folder: Path | None = None) -> "Environment":
        """Reads the process's variables over the folder's `.env`; PlanError if that file cannot be read."""
        path = (folder or Path.cwd()) / ".env"
        try:
            from_file = dotenv_values(path, encoding="utf-8-sig") if path.is_file() else {}
        except (OSError, UnicodeDecodeError) as error:
            raise PlanError(f"{path} cannot be read: {error}; make it plain UTF-8 text or remove it") from error
        process = os.environ if variables is None else variables
        from_file = {name: value for name, value in from_file.items() if name not in process}
        return cls(
            google_key=_first(GOOGLE_KEYS, process) or _first(GOOGLE_KEYS, from_file),
            base_url=_first((BASE_URL,), process) or _first((BASE_URL,), from_file),
            access_key=_first((ACCESS_KEY,), process) or _first((ACCESS_KEY,), from_file),
            laminar_key=_first(LAMINAR_KEYS, process) or _first(LAMINAR_KEYS, from_file),
            laminar_url=_first((LAMINAR_URL,), process) or _first((LAMINAR_URL,), from_file),
        )

    def secrets(self) -> Secrets:
        """Gives a fresh set of secrets that knows the keys."""
        known = Secrets()
        known.hide(self.google_key)
        known.hide(self.access_key)
        known.hide(self.laminar_key)
        return known


def _first(names: tuple[str, ...], given: Mapping[str, str | None]) -> str | None:
    """Gives the first of these variables that is set to more than blanks."""
    return next((value.strip() for name in names if (value := given.get(name)) and value.strip()), None)
