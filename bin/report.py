"""`assistant report`: a recorded conversation as one HTML page."""

import argparse
import sys
from pathlib import Path

from pipeline.errors import AssistantError


def main(options: argparse.Namespace) -> int:
    """Writes the page and says where."""
    from telemetry.report import page
    from telemetry.tape_reading import Taped

    folder = Path(options.folder)
    taped = Taped.read(folder)
    path = Path(options.output) if options.output else folder / "report.html"
    try:
        path.write_text(page(taped), "utf-8")
    except OSError as error:
        raise AssistantError(f"cannot write the page {path}: {error.strerror}; name another with --output") from None
    if not taped.whole:
        print("assistant: the recording has no end; the page shows what there is", file=sys.stderr)
    print(path)
    return 0
