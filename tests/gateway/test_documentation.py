"""The documentation page in a browser: it shows every operation, and its content policy has nothing to refuse."""

import subprocess
from typing import Any

SETTLED = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync --virtual-time-budget=10000 --enable-logging=stderr --v=0 --dump-dom"
)


def test_it_shows_what_the_document_says(open_gateway: Any, real_part: Any, tmp_path: Any) -> None:
    chromium = real_part("chromium")
    command = [chromium, *SETTLED.split(), f"--user-data-dir={tmp_path}", f"{open_gateway.url}/docs#too-often"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    assert "Content Security Policy" not in done.stderr
    assert "Uncaught" not in done.stderr
    with open_gateway.client() as reader:
        document = reader.get("/openapi.json").json()
    for path, operations in document["paths"].items():
        for method in operations:
            assert f"{method.upper()} {path}" in done.stdout
    for slug in document["x-problems"]:
        assert f'id="{slug}"' in done.stdout
    for shape in document["components"]["schemas"]:
        assert f'id="shape-{shape}"' in done.stdout
