"""The vault: the resumption handle on disk, so that a conversation outlives a crash of the process.

The file is readable by its owner alone. It names the model and hashes of service and setup, because a handle is only
good for the model that issued it, and for the service, which is the only one that should see it (live-protocol 4.4).
"""

import hashlib
import os
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import attrs
import msgspec

LIFE = 2 * 3600.0  # seconds a handle stays good after its session ended (live-protocol 6)


@attrs.frozen
class Saved:
    """A handle as it was found, or the reason in words why there is none to be had."""

    handle: str | None = attrs.field(repr=False)
    note: str = ""


@attrs.define
class Vault:
    """Keeps one handle in one file, for one service: its scheme, host and port.

    `clock` is wall time, the only one that outlives a process.
    """

    path: Path
    service: str
    clock: Callable[[], float] = time.time

    def save(self, handle: str, model: str, setup: Mapping[str, object]) -> None:
        """Replaces the file whole; OSError when it cannot be written."""
        known = {"service": hash_of(self.service), "model": model, "setup": hash_of(setup)}
        record = {"handle": handle, **known, "saved_at": self.clock()}
        write_privately(self.path, msgspec.json.encode(record))

    def load(self, model: str, setup: Mapping[str, object]) -> Saved:
        """Finds a handle of this service that is still good for this model."""
        try:
            record = msgspec.json.decode(self.path.read_bytes())
            age = max(0.0, self.clock() - float(record["saved_at"]))
            handle, saved_model, saved_setup = record["handle"], record["model"], record["setup"]
            service = record["service"]
            if not isinstance(handle, str) or not handle:
                raise ValueError("there is no handle in it")
        except FileNotFoundError:
            return Saved(None, f"there is no saved session in {self.path}; starting a new one")
        except (OSError, msgspec.DecodeError, RecursionError, KeyError, TypeError, ValueError, OverflowError):
            return Saved(None, f"the saved session in {self.path} cannot be read; starting a new one")
        if age > LIFE:
            return Saved(None, f"the saved session is {age / 3600:.1f} hours old and has expired; starting a new one")
        if service != hash_of(self.service):
            return Saved(None, f"the saved session was with another service, not {self.service}; starting a new one")
        if saved_model != model:
            return Saved(None, f"the saved session was with {saved_model}, not {model}; starting a new one")
        changed = "" if saved_setup == hash_of(setup) else "; its settings have changed since"
        return Saved(handle, f"resuming the session saved {age:.0f} s ago{changed}")

    def forget(self) -> None:
        """Removes the file, if there is one."""
        self.path.unlink(missing_ok=True)


def write_privately(path: Path, data: bytes) -> None:
    """Replaces a file whole by one that its owner alone can read; OSError when that cannot be done."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    aside = path.with_name(f"{path.name}.{os.getpid()}")
    aside.unlink(missing_ok=True)  # a leftover would keep its own mode
    try:
        descriptor = os.open(aside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(data)
        aside.replace(path)
    finally:
        aside.unlink(missing_ok=True)


def hash_of(plain: object) -> str:
    """Gives a hash of plain data that does not depend on the order of keys."""
    return hashlib.sha256(msgspec.json.encode(plain, order="deterministic")).hexdigest()[:16]
