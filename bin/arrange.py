"""From command-line options to a plan, an environment and one line that says who will answer."""

import argparse
from collections.abc import Mapping
from pathlib import Path

import attrs
import platformdirs

from actors.live.address import Address
from pipeline.environment import Environment
from pipeline.errors import PlanError, Refused
from pipeline.plan import Plan

APP = "live-assistant"
GEMINI, LOCAL = "gemini", "local"
HANDLE_FILE = "actors.connection.handle_file"
OWN_FOLDERS = "your own folders"
VALUES = (
    "model",
    "endpoint",
    "input",
    "output",
    "events",
    "trace",
    "metrics",
    "record",
)  # which are names of something


@attrs.frozen
class Arrangement:
    """What a conversation needs before it starts; `local` is whether the embedded service answers."""

    plan: Plan
    environment: Environment
    local: bool
    who: str

    def hints(self) -> list[str]:
        """Says what a person should know before speaking."""
        room = self.plan.table("room")
        devices = [self.plan.table("actors", name).get("use") for name in ("microphone", "playback")]
        if devices != ["actors.microphone:Device", "actors.playback:Device"]:
            return []
        if room.get("duplex") == "auto" and not room.get("headphones"):
            return [
                "It listens while it is silent, lest it hear itself. With headphones you can",
                "interrupt it: --set room.headphones=true",
            ]
        return []


def arrange(options: argparse.Namespace) -> Arrangement:
    """Builds the plan of a `talk` or `demo`; PlanError for what is wrong in files and settings."""
    environment = Environment.read()
    given = vars(options)
    if empty := next((name for name in VALUES if given.get(name) == ""), None):
        raise PlanError(f"--{empty} is given and empty; name something, or leave it out")
    plan = Plan.load()
    for key, value in _kept().items():
        plan.set(key, value, OWN_FOLDERS)
    for file in options.config:
        plan.merge_file(Path(file))
    for key, value in _settings(given).items():
        plan.set(key, value, "the command line")
    for setting in options.set:
        plan.set_text(setting)
    endpoint = plan.table("actors", "connection").get("endpoint")
    backend = given.get("backend") or (GEMINI if environment.google_key or endpoint else LOCAL)
    local = backend == LOCAL and not given.get("endpoint")
    kept = "handle_file" in plan.table("actors", "connection") and plan.origin(HANDLE_FILE) == OWN_FOLDERS
    if local and kept:
        plan.set(HANDLE_FILE, "", "the embedded service")  # which forgets when it ends, and must not cost Gemini's
    if environment.base_url:
        shown(environment.base_url)
    return Arrangement(plan, environment, local, _who(local=local, endpoint=endpoint, environment=environment))


def shown(endpoint: str) -> str:
    """Gives an endpoint as it may be shown; PlanError where it is none, or has credentials in it."""
    try:
        return Address.checked(endpoint)
    except Refused as unusable:
        raise PlanError(str(unusable)) from None


def _kept() -> dict[str, object]:
    """Where a person's own machine keeps what outlives a conversation; a plan may say otherwise."""
    return {
        HANDLE_FILE: str(Path(platformdirs.user_state_path(APP)) / "session.json"),
        "budget.file": str(Path(platformdirs.user_state_path(APP)) / "spent.json"),
        "actors.connection.cache": str(Path(platformdirs.user_cache_path(APP)) / "setup.json"),
    }


def _settings(given: Mapping[str, object]) -> dict[str, object]:
    """Translates options into keys of the plan."""
    settings: dict[str, object] = {}
    if given.get("model"):
        settings["live.model"] = given["model"]
    if given.get("turns"):
        settings["room.turns"] = given["turns"]
    if given.get("endpoint"):
        settings["actors.connection.endpoint"] = given["endpoint"]
    if given.get("resume"):
        settings["actors.connection.resume"] = True
    if given.get("input"):
        settings["actors.microphone"] = {"use": "actors.microphone:Recording", "path": given["input"]}
    if given.get("output"):
        settings["actors.playback"] = {"use": "actors.playback:Recording", "path": given["output"]}
    return settings


def _who(*, local: bool, endpoint: object, environment: Environment) -> str:
    if local:
        why = "" if environment.google_key else "; set GOOGLE_API_KEY to talk to Gemini"
        return f"The embedded service answers{why}"
    return f"{shown(str(endpoint))} answers" if endpoint else "Gemini answers"


def serve_locally(plan: Plan, url: str) -> None:
    """Points a plan at the embedded service: the Live endpoint, and the weather that needs no network."""
    plan.set("actors.connection.endpoint", url, "the embedded service")
    if "tools.weather" in plan.table("tools").get("use", []):
        plan.set("tools.weather.geocoding_url", f"{url}/v1/search", "the embedded service")
        plan.set("tools.weather.forecast_url", f"{url}/v1/forecast", "the embedded service")
