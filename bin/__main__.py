"""Reads the command line and hands over to the command's module; says in one sentence what went wrong.

Exit codes: 0 done, 1 gave up, 2 bad usage or configuration, 130 Ctrl-C. Nothing heavy is imported before a command
is known, so that --help is quick.
"""

import importlib
import os
import signal
import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress
from typing import NoReturn

GAVE_UP, WRONG_USE, INTERRUPTED = 1, 2, 130


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and gives the exit code."""
    from bin.options import parser

    options = parser().parse_args(arguments)
    try:
        code = _run(options)
    except* KeyboardInterrupt:
        code = INTERRUPTED
    except* BrokenPipeError:  # whoever read our output has left
        code = GAVE_UP
    return code


def _run(options: Namespace) -> int:
    try:
        command = importlib.import_module(f"bin.{options.command}")
        code: int = command.main(options)
    except Exception as error:
        sentence, code = _explained(error)
        if not sentence:
            raise
        print(f"assistant: {sentence}", file=sys.stderr)
    return code


def _explained(error: Exception) -> tuple[str, int]:
    """Gives the sentence and the exit code for an error meant for people; no sentence for a bug."""
    from pipeline.environment import Environment
    from pipeline.errors import AssistantError, BadRecording, PlanError, first_error

    if isinstance(error, ExceptionGroup) and error.split(AssistantError)[1] is None:
        error = first_error(error)
    if not isinstance(error, AssistantError):
        return "", GAVE_UP
    try:
        secrets = Environment.read().secrets()
    except PlanError as unreadable:
        return str(unreadable), WRONG_USE
    sentence = " ".join(secrets.redact(str(error)).split())
    return sentence, WRONG_USE if isinstance(error, PlanError | BadRecording) else GAVE_UP


def _leave(code: int) -> NoReturn:
    """Ends the process at once: a thread that nobody waits for may be in a library, and would abort an ordinary end."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    os._exit(code)


if __name__ == "__main__":
    # Also where a shell had it ignored, for a background job. Nothing is open yet; what opens something takes it over.
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    _leave(main())
