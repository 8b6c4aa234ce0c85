"""Hearing in a process of its own, so that decoding stalls no event loop.

The decoder holds the interpreter for up to 0.3 s at a time, which in the same process would be a gap in somebody's
sound. The worker is this module run as a program: it reads two lengths, so many bytes of the functions' phrases and so
many of PCM, writes a line of JSON, and ends when its input does, so it does not outlive its parent.
"""

import atexit
import json
import os
import struct
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import IO

from pipeline.errors import Fatal

_LENGTHS = struct.Struct("<II")
_MODULE = "actors.emulator.annex"
_ROOT = Path(__file__).parents[2]


class Annex:
    """Understands as `Hearing` does; safe to use from any thread, one utterance at a time. `close` ends the process."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None
        self._guard = threading.Lock()
        self._closed = False
        atexit.register(self.close)

    def understand(self, pcm: bytes, functions: str = "") -> str:
        """Gives the words in 16 kHz s16le mono, "" if there are none or the annex is closed.

        `functions` is what `phrasebook.of` tells of those that may be asked for. Starts the process if there is none.
        Fatal if it dies twice over the same sound.
        """
        with self._guard:
            for _attempt in range(2):
                text = self._ask(pcm, functions.encode())
                if text is not None or self._closed:
                    return text or ""
        raise Fatal(
            "understanding speech in a process of its own failed: the process ended twice; "
            f"run `{Path(sys.executable).name} -m {_MODULE}` to see why"
        )

    def close(self) -> None:
        """Ends the process; whoever waits for an answer gets "". May be called from any thread and more than once."""
        atexit.unregister(self.close)
        self._closed = True
        if self._process is not None:
            self._process.kill()  # whoever holds the guard gets the end of the file
        with self._guard:
            if self._process is not None:
                self._end(self._process)

    def _ask(self, pcm: bytes, functions: bytes) -> str | None:
        process = self._process
        if process is None:
            process = self._process = self._start()
        if process.stdin is None or process.stdout is None or self._closed:
            return None
        try:
            process.stdin.write(_LENGTHS.pack(len(functions), len(pcm)) + functions + pcm)
            process.stdin.flush()
            line = process.stdout.readline()
        except (OSError, ValueError):
            line = b""
        if not line:
            self._end(process)
            return None
        return str(json.loads(line))

    def _start(self) -> subprocess.Popen[bytes]:
        paths = os.pathsep.join(filter(None, [str(_ROOT), os.environ.get("PYTHONPATH", "")]))
        return subprocess.Popen(  # noqa: S603 - this interpreter, this module
            [sys.executable, "-P", "-m", _MODULE],  # -P: nothing in the working folder stands in for ours
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            process_group=0,  # Ctrl-C is for the parent, whose end ends this too
            env=os.environ | {"PYTHONPATH": paths},
        )

    def _end(self, process: subprocess.Popen[bytes]) -> None:
        process.kill()
        process.wait()
        for pipe in (process.stdin, process.stdout):
            if pipe is not None:
                with suppress(OSError):
                    pipe.close()
        self._process = None


def work(source: IO[bytes], target: IO[bytes]) -> None:
    """Answers until the source ends."""
    from actors.emulator.hearing import Hearing  # noqa: PLC0415 - the parent has no use for the speech model

    hearing = Hearing()
    while len(head := source.read(_LENGTHS.size)) == _LENGTHS.size:
        functions, pcm = (source.read(length) for length in _LENGTHS.unpack(head))
        text = hearing.understand_among(pcm, functions.decode())
        target.write(json.dumps(text).encode() + b"\n")
        target.flush()


if __name__ == "__main__":
    try:
        work(sys.stdin.buffer, sys.stdout.buffer)
    except BrokenPipeError:  # the parent was killed; an ordinary end would try to flush and complain once more
        os._exit(0)
