"""Reads the command line and hands over to the command's module; says in one sentence what went wrong.

Exit codes: 0 done, 1 gave up, 2 bad usage or configuration, 130 Ctrl-C. Nothing heavy is imported before a command
is known, so that --help is quick.
"""

import importlib
import sys
from collections.abc import Sequence

from bin.options import parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs a command and gives the exit code."""
    options = parser().parse_args(arguments)
    try:
        command = importlib.import_module(f"bin.{options.command}")
        code: int = command.main(options)
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # whoever read our output has left
        return 1
    except Exception as error:
        sentence, code = _explained(error)
        if not sentence:
            raise
        print(f"assistant: {sentence}", file=sys.stderr)
        return code
    return code


def _explained(error: Exception) -> tuple[str, int]:
    """Gives the sentence and the exit code for an error meant for people; no sentence for a bug."""
    from pipeline.environment import Environment
    from pipeline.errors import AssistantError, BadRecording, PlanError, first_error

    if isinstance(error, ExceptionGroup) and error.split(AssistantError)[1] is None:
        error = first_error(error)
    if not isinstance(error, AssistantError):
        return "", 1
    try:
        secrets = Environment.read().secrets()
    except PlanError as unreadable:
        return str(unreadable), 2
    return secrets.redact(str(error)), 2 if isinstance(error, PlanError | BadRecording) else 1


if __name__ == "__main__":
    sys.exit(main())
