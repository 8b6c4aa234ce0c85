"""MCP servers as the plan names them: `[tools.mcp.NAME]` with a command or a URL. Read and checked, nothing started."""

import os
import re
import shlex
import string
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import attrs

from pipeline.errors import PlanError, ToolFailed
from tools.schema import fields_of, take_fields

NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,31}")
# What a child process gets of our surroundings: enough to run, and neither keys nor our import path.
INHERITED = (
    *("HOME", "LOGNAME", "PATH", "SHELL", "TERM", "USER", "LANG", "LC_ALL", "TMPDIR", "TZ"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY"),
    *("APPDATA", "HOMEDRIVE", "HOMEPATH", "LOCALAPPDATA", "PATHEXT", "PROCESSOR_ARCHITECTURE"),  # Windows
    *("SYSTEMDRIVE", "SYSTEMROOT", "TEMP", "USERNAME", "USERPROFILE"),
)


@attrs.frozen(kw_only=True)
class Server:
    """One server: a `command` to start (a line, or a list of words; `args` follow it), or a `url` of streamable HTTP.

    `env` and `headers` may name variables of the environment, as in "Bearer $TOKEN"; a process gets nothing else of
    ours beyond PATH, HOME and the like. `folder` is where it starts. `timeout` is for one call and `start` for getting
    ready, in seconds. `confirm` names the tools that need the user's word (true: all), by the server's names for them,
    `idempotent` those that may be repeated, `leave_out` those that the model is not told of.
    """

    name: str = ""
    command: str | list[str] = ""
    args: list[str] = attrs.field(factory=list)
    env: dict[str, str] = attrs.field(factory=dict, repr=False)
    folder: Path | None = None
    url: str = ""
    headers: dict[str, str] = attrs.field(factory=dict, repr=False)
    timeout: float = 60.0
    start: float = 30.0
    confirm: bool | list[str] = False
    idempotent: list[str] = attrs.field(factory=list)
    leave_out: list[str] = attrs.field(factory=list)

    @property
    def words(self) -> list[str]:
        """The command as a process takes it."""
        if isinstance(self.command, list):
            return [*self.command, *self.args]
        return [self.command, *self.args] if self.args else shlex.split(self.command)

    def confirms(self, tool: str) -> bool:
        """Tells whether the user has to agree before that tool runs."""
        return self.confirm if isinstance(self.confirm, bool) else tool in self.confirm

    def environment(self) -> dict[str, str]:
        """Gives the variables of the process; ToolFailed if `env` names one that is not set."""
        own = {name: os.environ[name] for name in INHERITED if name in os.environ}
        return own | self._filled(self.env, "env")

    def filled_headers(self) -> dict[str, str]:
        """Gives the headers of each request; ToolFailed if one names a variable that is not set."""
        return self._filled(self.headers, "headers")

    def secrets(self) -> list[str]:
        """Gives what must not be seen in any log."""
        filled = [*self._filled(self.env, "env").values(), *self._filled(self.headers, "headers").values()]
        return [word for value in filled for word in (value, *value.split())]

    def _filled(self, table: Mapping[str, str], key: str) -> dict[str, str]:
        try:
            return {name: string.Template(value).substitute(os.environ) for name, value in table.items()}
        except (KeyError, ValueError) as error:
            raise ToolFailed(f"tools.mcp.{self.name}.{key}: {error} is no variable of the environment") from None


def read_servers(table: object, where: Callable[[str], str], folder: Path) -> tuple[Server, ...]:
    """Reads the plan's `[tools.mcp]`; PlanError names the key, what was found and what is allowed."""
    if not isinstance(table, Mapping):
        raise PlanError(f"{where('tools.mcp')} is {table!r}; write one table for each server, as in [tools.mcp.files]")
    return tuple(_read(name, given, where, folder) for name, given in table.items())


def _read(name: str, given: Any, where: Callable[[str], str], folder: Path) -> Server:  # noqa: ANN401 - from TOML
    key = f"tools.mcp.{name}"
    if not NAME.fullmatch(name):
        raise PlanError(f"{where(key)}: a server's name begins its tools' names: up to 32 letters, digits, _ and -")
    if not isinstance(given, Mapping):
        raise PlanError(f"{where(key)} is {given!r}; it must be a table with a command or a url")
    fields = {field: value for field, value in fields_of(Server).items() if field != "name"}
    taken, wrong = take_fields(fields, given)
    if wrong:
        raise PlanError(f"{where(key)}: {'; '.join(wrong)}")
    server = Server(name=name, **taken)  # type: ignore[arg-type]
    try:
        words = server.words
    except ValueError as error:
        raise PlanError(f"{where(key)}.command is {server.command!r}, which is no command line: {error}") from None
    if bool(words and words[0]) == bool(server.url):
        raise PlanError(f"{where(key)} needs either a command or a url")
    if server.url and not server.url.startswith(("http://", "https://")):
        raise PlanError(f"{where(key)}.url is {server.url!r}; it must begin with http:// or https://")
    if not (server.timeout > 0 and server.start > 0):
        raise PlanError(f"{where(key)}: timeout and start are seconds above 0")
    return attrs.evolve(server, folder=folder / server.folder if server.folder else folder)
