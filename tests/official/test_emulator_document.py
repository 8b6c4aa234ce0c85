"""The examples of docs/EMULATOR.md work as they stand, for somebody outside this tree."""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from actors.emulator.testing import LiveService, serve_in_thread

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "docs" / "EMULATOR.md").read_text("utf-8")
TESTS, SOCKET, MEMORY = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
NODE, BROWSER = re.findall(r"```js\n(.*?)```", TEXT, re.DOTALL)
(CURL,) = re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL)


@pytest.fixture(scope="module")
def live() -> Iterator[LiveService]:
    with serve_in_thread() as found:
        yield found


def ran(command: list[str], folder: Path, **environment: str) -> str:
    done = subprocess.run(
        command,
        cwd=folder,
        env={"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(ROOT)} | environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_plugin_serves_somebody_elses_tests(tmp_path: Path) -> None:
    (tmp_path / "test_mine.py").write_text(TESTS)
    assert "2 passed" in ran([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], tmp_path)


def test_trio_over_a_socket(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(SOCKET)
    assert "'turn complete'" in ran([sys.executable, "program.py"], tmp_path)


def test_trio_over_memory(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(MEMORY)
    message, time = ran([sys.executable, "program.py"], tmp_path).rsplit(maxsplit=1)
    assert message == "{'goAway': {'timeLeft': '60s'}}"
    assert float(time) == pytest.approx(540)


def test_the_official_javascript_client(
    javascript: Callable[[Path, str], list[str]], tmp_path: Path, live: LiveService
) -> None:
    assert ran(javascript(tmp_path, NODE), tmp_path, LIVE_URL=live.url).startswith("Hello!")


def test_a_browsers_websocket(javascript: Callable[[Path, str], list[str]], tmp_path: Path, live: LiveService) -> None:
    """Under node, with the `ws` package, whose WebSocket is the browser's."""
    token = live.do(lambda service: service.tokens.make(b"", *now()))
    given = f"import {{ WebSocket }} from 'ws';\nconst [liveUrl, token] = {json.dumps([live.live_url, token])};\n"
    assert ran(javascript(tmp_path, given + BROWSER), tmp_path).startswith("closed 1005")


def now() -> tuple[float, Any]:
    from datetime import UTC, datetime

    import trio

    return trio.current_time(), datetime.now(UTC)


def test_a_token_by_curl(tmp_path: Path, live: LiveService) -> None:
    if shutil.which("curl") is None:
        pytest.skip("curl is missing: apt install curl")
    made = json.loads(ran(["sh", "-c", CURL], tmp_path, LIVE_URL=live.url))
    token = live.do(lambda service: service.tokens.find(made["name"]))
    assert token is not None
    assert token.uses == 2


def test_bounds_are_those_of_the_program() -> None:
    from actors.emulator import door, link, protojson
    from actors.emulator.conversation import MOST_SPOKEN
    from actors.emulator.handles import Handles
    from actors.emulator.session import MOST_CALLS
    from actors.emulator.settings import Settings
    from actors.emulator.stage import HEAVIEST_HELD, MOST_HELD
    from actors.emulator.tokens import Tokens

    settings, mega = Settings(), 1 << 20
    rows = {
        "one message": f"{link.LONGEST_MESSAGE // mega} MiB, {link._MOST_PIECES:,} frames",
        "one request over HTTP": f"head {door._LONGEST_HEAD >> 10} KiB, body {door._LONGEST_BODY >> 10} KiB, 10 s",
        "time until the setup": f"{settings.setup_patience:g} s",
        "open connections": f"{settings.connections}, and as many again that are not yet conversations",
        "unread bytes for one client": f"{link._MUCH // mega} MiB, then the model waits; {link._UNREAD // mega} MiB",
        "open calls of one session": f"{MOST_CALLS:,}",
        "what a scenario keeps back": f"{MOST_HELD:,} messages a connection, "
        f"{HEAVIEST_HELD // mega} MiB of the client's",
        "values in one message": f"{protojson._MOST_VALUES:,}, {protojson._LONGEST_LIST:,} items a list, "
        f"nested {protojson._DEEPEST} deep",
        "one thing that is said back": f"{MOST_SPOKEN:,} characters, made a sentence at a time as they are taken",
        "handles": f"{settings.handles:,}, {Handles().heaviest // mega} MiB",
        "tokens": f"{settings.tokens:,}, {Tokens().heaviest // mega} MiB",
    }
    for what, bound in rows.items():
        assert f"| {what} | {bound} |" in TEXT
