"""A house for the launchers: a copy of them, with stand-ins for uv, for Python and pip, and for the program itself.

So nothing here needs a network; the one test that makes the real environment runs where real parts are required.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import attrs
import pytest

UV = """\
#!/bin/sh
echo "uv $*" >>"$CALLS"
if [ "$1" = venv ]; then
    for place; do :; done
    mkdir -p "$place/bin"
    printf '#!/bin/sh\\ncase "$*" in *compileall*) exit 0 ;; esac\\nexec %s "$@"\\n' "$REAL_PYTHON" >"$place/bin/python"
    chmod +x "$place/bin/python"
else
    [ -z "${READY:-}" ] || { echo ready >"$READY"; read -r _ <"$GO"; }
    [ -z "${UV_FAILS:-}" ] || { [ -n "${UV_FETCHES:-}" ] && grep -q -e "--python 3.13 " "$CALLS"; } ||
        { echo "$UV_FAILS" >&2; exit 1; }
fi
"""

PYTHON = """\
#!/bin/sh
echo "python $*" >>"$CALLS"
case "$*" in
    *"-m venv"*)
        for place; do :; done
        mkdir -p "$place/bin"
        cp "$0" "$place/bin/python"
        ;;
    *"-m pip"*) [ -z "${PIP_FAILS:-}" ] || { echo "$PIP_FAILS" >&2; exit 1; } ;;
    *"-m bin"*) exec "$REAL_PYTHON" "$@" ;;
    *"-m ${STAGE_FAILS:-nothing}"*) echo "$STAGE_FAILS is unhappy"; exit 1 ;;
esac
"""

PROGRAM = """\
import json, os, sys, tools
json.dump({"arguments": sys.argv[1:], "folder": os.getcwd(), "tools": tools.__file__}, sys.stdout)
sys.exit(len(sys.argv) - 1)
"""

# Starts a command with Ctrl-C at its default; a background job of a shell would otherwise pass on that it ignores it.
FRESH = "import os, signal, sys; signal.signal(signal.SIGINT, signal.SIG_DFL); os.execv(sys.argv[1], sys.argv[1:])"

PARTS = {"pipeline", "actors", "tools", "telemetry", "bin", "tests"}

# What the launchers use, and nothing else: no Python, no uv.
ORDINARY = "sh readlink cksum ln rm mv mkdir chmod cp sleep mktemp grep cat find xargs".split()  # noqa: SIM905 - a list of words


@attrs.define
class House:
    """A copy of the launchers with a stand-in program, on a machine with only the tools a test gives it."""

    root: Path
    machine: Path
    environment: dict[str, str]

    @property
    def venv(self) -> Path:
        return self.root / ".venv"

    @property
    def calls(self) -> list[str]:
        """What was asked of the stand-ins."""
        return Path(self.environment["CALLS"]).read_text(encoding="utf-8").splitlines()

    def install(self, name: str, script: str) -> None:
        path = self.machine / name
        path.write_text(script, encoding="utf-8")
        path.chmod(0o755)

    def give_uv(self, says: str = "$*") -> None:
        """Installs a uv that notes what it is asked and makes an environment out of nothing."""
        self.install("uv", UV.replace("$*", says, 1))

    def give_python(self, name: str) -> None:
        """Installs a Python that does the same with venv and pip."""
        self.install(name, PYTHON)

    def start(self, *command: str | Path, folder: Path | None = None, **environment: str) -> subprocess.Popen[str]:
        """Starts a launcher in a process group of its own."""
        return subprocess.Popen(
            [sys.executable, "-I", "-S", "-c", FRESH, *map(str, command)],
            cwd=folder or self.root.parent,
            env=self.environment | environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *command: str | Path, folder: Path | None = None, **environment: str) -> tuple[int, str, list[str]]:
        """Runs a launcher and returns its exit code, its output and the lines it said on stderr."""
        process = self.start(*command, folder=folder, **environment)
        output, said = process.communicate(timeout=60)
        return process.returncode, output, said.splitlines()

    def left_behind(self) -> set[str]:
        """Returns what is in the tree beyond what was copied into it, and any setup log."""
        logs = {path.name for path in Path(self.environment["TMPDIR"]).iterdir()}
        return {path.name for path in self.root.iterdir()} - PARTS - {"requirements.lock"} | logs


@pytest.fixture
def house(tmp_path: Path, root: Path) -> House:
    top, machine, temporary = tmp_path / "my house", tmp_path / "machine", tmp_path / "temporary"
    for folder in (top / "bin", machine, temporary):
        folder.mkdir(parents=True)
    for name in ("assistant", "test", "venv.sh"):
        shutil.copy2(root / "bin" / name, top / "bin" / name)
    for package in PARTS:
        (top / package).mkdir(exist_ok=True)
        (top / package / "__init__.py").write_text("# trio\n")
    (top / "bin" / "__main__.py").write_text(PROGRAM)
    (top / "requirements.lock").write_text("attrs==1\n")
    for name in ORDINARY:
        found = shutil.which(name)
        assert found is not None
        (machine / name).symlink_to(found)
    calls = tmp_path / "calls"
    calls.touch()
    environment = {
        "PATH": str(machine),
        "TMPDIR": str(temporary),
        "CALLS": str(calls),
        "REAL_PYTHON": os.path.realpath(sys.executable),
    }
    return House(top, machine, environment)


@pytest.fixture
def furnished(house: House) -> House:
    """A house whose .venv is made and current."""
    house.give_uv()
    assert house.run(house.root / "bin" / "assistant")[0] == 0
    return house
