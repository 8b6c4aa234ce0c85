"""schemathesis reads the OpenAPI document and looks for anything that does not keep to it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

PROGRAM = str(Path(sys.executable).with_name("schemathesis"))


def examine(gateway: Any, *options: str) -> None:
    """Runs schemathesis with every check it has."""
    command = [
        PROGRAM,
        "run",
        f"{gateway.url}/openapi.json",
        "--checks",
        "all",
        "--seed",
        "1",
        "--no-color",
        "-n",
        "15",
    ]
    done = subprocess.run(
        [*command, *options],
        cwd=gateway.folder,
        env={"PATH": "/usr/bin:/bin", "HOME": str(gateway.folder), "PYTHONWARNINGS": "ignore"},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert gateway.process.poll() is None


def test_it_finds_nothing_where_no_key_is_asked_for(open_gateway: Any) -> None:
    examine(open_gateway, "--exclude-path-regex", "^/api/(tools|sessions)/")


def test_it_finds_nothing_with_a_sessions_secret(open_gateway: Any) -> None:
    with open_gateway.client() as page:
        answer = page.post("/api/token")
    assert answer.status_code == 201, answer.text
    bearer = f"Authorization: Bearer {answer.json()['session_secret']}"
    examine(open_gateway, "--include-path-regex", "^/api/(tools|sessions)/", "--header", bearer)


def test_it_finds_nothing_with_the_access_key(serve: Any, access_key: str, generous: Any, tmp_path: Any) -> None:
    with serve(tmp_path, variables={"ASSISTANT_ACCESS_KEY": access_key}, **generous) as gateway:
        examine(gateway, "--header", f"Authorization: Bearer {access_key}")
