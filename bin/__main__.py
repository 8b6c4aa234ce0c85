"""Reads the command line and hands over to the command's module; says in one sentence what went wrong.

Exit codes: 0 done, 1 gave up, 2 bad usage or configuration, 130 Ctrl-C. Nothing heavy is imported before a command
is known, so that --help is quick.
"""

import errno
import importlib
import os
import signal
import sys
from argparse import Namespace
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import NoReturn

GAVE_UP, WRONG_USE, INTERRUPTED = 1, 2, 130
DISK_FULL = "cannot write what it has to say: the disk is full; free some space"


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and gives the exit code."""
    from bin.options import parser

    options = parser().parse_args(arguments)
    try:
        Path.cwd()
    except OSError:
        print("assistant: the working folder is gone, or closed to you; go to another one", file=sys.stderr)
        return GAVE_UP
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

    if isinstance(error, ExceptionGroup) and error.split((AssistantError, OSError))[1] is None:
        error = first_error(error)
    if isinstance(error, OSError) and error.errno == errno.ENOSPC:
        return DISK_FULL, GAVE_UP
    if not isinstance(error, AssistantError):
        return "", GAVE_UP
    try:
        secrets = Environment.read().secrets()
    except PlanError as unreadable:
        return str(unreadable), WRONG_USE
    sentence = " ".join(secrets.redact(str(error)).split())
    return sentence, WRONG_USE if isinstance(error, PlanError | BadRecording) else GAVE_UP


def _fill_gaps() -> None:
    """Opens what the shell has closed of stdin, stdout and stderr, lest a file of ours get its number and its text."""
    for number, name in enumerate(("stdin", "stdout", "stderr")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, "w" if number else "r", encoding="utf-8"))  # noqa: PTH123, SIM115


def _leave(code: int) -> NoReturn:
    """Ends the process at once: a thread that nobody waits for may be in a library, and would abort an ordinary end."""
    try:
        sys.stdout.flush()
    except (OSError, ValueError) as error:
        code = code or GAVE_UP
        if isinstance(error, OSError) and error.errno == errno.ENOSPC:
            with suppress(OSError, ValueError):
                print(f"assistant: {DISK_FULL}", file=sys.stderr, flush=True)
    os._exit(code)


if __name__ == "__main__":
    # Also where a shell had it ignored, for a background job. Nothing is open yet; what opens something takes it over.
    signal.signal(signal.SIGINT, lambda *_: os._exit(INTERRUPTED))
    with suppress(AttributeError):  # the launcher held it back until now, where there is such a thing
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    _fill_gaps()
    _leave(main())
