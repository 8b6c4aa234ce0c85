"""`assistant doctor`: what is wrong, and how to mend it."""

import argparse
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import attrs
import trio

from actors.live.address import GOOGLE, Address
from actors.live.transport import connected
from bin.arrange import Arrangement, arrange, shown
from bin.checking import check_whole
from bin.folding import folded
from pipeline.errors import AssistantError, PlanError, TransportLost

OK, NOTE, BAD = "ok", "note", "BAD"
DEVICES = {
    "microphone": ("microphone", "actors.microphone:Device"),
    "playback": ("speaker", "actors.playback:Device"),
}
ENOUGH_DISK = 200 * 2**20


@attrs.frozen
class Finding:
    """What was looked at, how it is, and what to do about it."""

    what: str
    state: str
    found: str


def main(options: argparse.Namespace) -> int:
    """Prints the findings; 1 if something stops the assistant from talking, else 0."""
    arrangement = arrange(options)
    secrets = arrangement.environment.secrets()
    findings: list[Finding] = []
    for examine in (_python, _plan_itself, _devices, _disk, _key, _service):
        for finding in examine(arrangement):
            findings.append(finding)
            told = secrets.redact(finding.found)
            print(folded(f"{finding.state:<5}{finding.what:<12}", told), flush=True)
    return 1 if any(finding.state == BAD for finding in findings) else 0


Examine = Callable[[Arrangement], Iterator[Finding]]


def _python(_arrangement: Arrangement) -> Iterator[Finding]:
    yield Finding("python", OK, f"{sys.version.split()[0]} at {sys.executable}")


def _plan_itself(arrangement: Arrangement) -> Iterator[Finding]:
    try:
        graph = check_whole(arrangement, {})
    except PlanError as error:
        yield Finding("plan", BAD, str(error))
        return
    yield Finding("plan", OK, f"{len(graph.nodes)} actors, model {arrangement.plan.table('live')['model']}")


def _devices(arrangement: Arrangement) -> Iterator[Finding]:
    """Looks for what the plan needs: without it nobody can talk, unless recordings stand in."""
    from actors.audio.device import devices

    used = [arrangement.plan.table("actors", actor).get("use") for actor in DEVICES]
    needed = {kind: use == wanted for (kind, wanted), use in zip(DEVICES.values(), used, strict=True)}
    try:
        found = devices()
    except AssistantError as error:
        yield Finding("sound", BAD if any(needed.values()) else NOTE, f"{error}; the demo needs none")
        return
    inputs = [device.name for device in found if device.inputs]
    outputs = [device.name for device in found if device.outputs]
    for kind, names in (("microphone", inputs), ("speaker", outputs)):
        if names:
            yield Finding(kind, OK, f"{len(names)} found, for example {names[0]}")
        else:
            state = BAD if needed[kind] else NOTE
            yield Finding(kind, state, "none found; plug one in and run this again; the demo and recordings need none")


def _disk(_arrangement: Arrangement) -> Iterator[Finding]:
    folder = Path(tempfile.gettempdir())
    free = shutil.disk_usage(folder).free
    state = OK if free > ENOUGH_DISK else NOTE
    yield Finding("disk", state, f"{free / 2**30:.1f} GiB free in {folder}")


def _key(arrangement: Arrangement) -> Iterator[Finding]:
    if arrangement.environment.google_key:
        yield Finding("key", OK, "an API key is set")
    else:
        where = "in the environment or in .env" + (" (it exists, and has none)" if Path(".env").exists() else "")
        yield Finding("key", NOTE, f"no API key; set GOOGLE_API_KEY {where} to talk to Gemini, or use --backend local")


def _service(arrangement: Arrangement) -> Iterator[Finding]:
    environment, table = arrangement.environment, arrangement.plan.table("actors", "connection")
    endpoint = table.get("endpoint") or environment.base_url or GOOGLE
    if not environment.google_key and endpoint == GOOGLE:
        yield Finding("service", NOTE, "not asked: without a key the embedded service answers")
        return
    began = trio.run(_reach, endpoint, environment.google_key or "no-key-needed", table.get("api_version", "v1beta"))
    if isinstance(began, float):
        yield Finding("service", OK, f"{shown(endpoint)} opened a connection in {began * 1000:.0f} ms")
    else:
        proxy = "; a proxy is set, which WebSockets here do not use" if os.environ.get("HTTPS_PROXY") else ""
        yield Finding("service", BAD, f"{began}; check the network and the endpoint{proxy}")


async def _reach(endpoint: str, key: str, version: str) -> float | str:
    begin = trio.current_time()
    try:
        async with connected(Address.of(endpoint, version, key)):
            return trio.current_time() - begin
    except TransportLost as lost:
        return lost.reason
    except AssistantError as error:
        return str(error)
