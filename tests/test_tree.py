"""The tree keeps its shape: small documented modules, plain names, no traces of a machine, documents that work."""

import ast
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

MOST_LINES = 400
FOLDERS = {"pipeline", "actors", "tools", "telemetry", "tests", "bin", "docs", ".ci"}
DOCUMENTS = {"README.md", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE"}
SETTINGS = {
    "pyproject.toml",
    "requirements.lock",
    ".editorconfig",
    ".env.example",
    ".gitattributes",
    ".gitignore",
    ".python-version",
}
# What .gitignore keeps out of the repository, and git itself.
IGNORED = re.compile(r"\.git|\.venv.*|\.env|__pycache__|\..*_cache|\.hypothesis|.*\.egg-info|node_modules|artefacts")
BINARY = frozenset({".flac", ".wav", ".ogg", ".png", ".ico"})

# Every pattern is put together from pieces, or this file would be the first to break its rule.
HOSTS = "|".join(
    re.escape("".join(pieces))
    for pieces in (
        ("py", "pi.org"),
        ("python", "hosted.org"),
        ("npm", "js.org"),
        ("npm", "js.com"),
        ("yarn", "pkg.com"),
        ("crates", ".io"),
        ("proxy.go", "lang.org"),
        ("deb.", "debian.org"),
        ("archive.", "ubuntu.com"),
        ("conda.ana", "conda.org"),
    )
)
PLACES = "|".join(
    (
        "/ro" + "ot/",
        "/ho" + r"me/\w",
        "/Us" + r"ers/\w",
        "/wo" + r"rk/\w",
        "/op" + r"t/(wheels|pypi)",
        "/tm" + r"p/\w/",
    )
)
LEFTOVERS = r"\b(" + "|".join(("TO" + "DO", "FIX" + "ME", "XX" + "X", "HA" + "CK")) + r")\b"
VAGUE = re.compile("Manager|Handler|Utils?")


@cache
def files(root: Path) -> tuple[Path, ...]:
    """Returns every file of the tree that belongs to the repository."""
    found = []
    for folder, folders, names in os.walk(root):
        folders[:] = [name for name in folders if not IGNORED.fullmatch(name)]
        found += [Path(folder, name) for name in names if not IGNORED.fullmatch(name)]
    return tuple(sorted(found))


def texts(root: Path) -> Iterator[tuple[str, str]]:
    """Yields the name and the content of every text file."""
    for path in files(root):
        if path.suffix not in BINARY:
            yield str(path.relative_to(root)), path.read_text(encoding="utf-8")


def modules(root: Path) -> Iterator[tuple[str, ast.Module, str]]:
    """Yields the name, the syntax tree and the text of every Python module."""
    for path in files(root):
        if path.suffix == ".py":
            text = path.read_text(encoding="utf-8")
            yield str(path.relative_to(root)), ast.parse(text), text


def lines_with(root: Path, pattern: str) -> list[str]:
    """Returns every line, with its place, in which the pattern is found."""
    search = re.compile(pattern).search
    return [
        f"{name}:{number}: {line.strip()[:100]}"
        for name, text in texts(root)
        for number, line in enumerate(text.splitlines(), 1)
        if search(line)
    ]


def test_the_top_level_is_the_users(root: Path) -> None:
    entries = {entry.name for entry in root.iterdir() if not IGNORED.fullmatch(entry.name)}
    assert entries - FOLDERS - DOCUMENTS - SETTINGS == set()


def test_no_module_is_long(root: Path) -> None:
    long = {name: count for name, _, text in modules(root) if (count := len(text.splitlines())) > MOST_LINES}
    assert long == {}


def test_every_module_says_what_it_is(root: Path) -> None:
    silent = [
        name
        for name, tree, text in modules(root)
        if not name.startswith("tests/") and text.strip() and not ast.get_docstring(tree)
    ]
    assert silent == []


def test_no_name_is_vague(root: Path) -> None:
    named = [
        f"{name}: {node.name}"
        for name, tree, _ in modules(root)
        for node in ast.walk(tree)
        if isinstance(node, ast.ClassDef) and VAGUE.search(node.name)
    ]
    paths = [name for name, _, _ in modules(root) if VAGUE.search(Path(name).stem.title().replace("_", ""))]
    assert named + paths == []


@pytest.mark.parametrize("pattern", [HOSTS, PLACES, LEFTOVERS], ids=["package hosts", "places", "leftovers"])
def test_nothing_of_it_is_in_the_tree(root: Path, pattern: str) -> None:
    assert lines_with(root, pattern) == []


def test_the_patterns_find_what_they_are_for(tmp_path: Path) -> None:
    planted = {
        "host": "https://files.python" + "hosted.org/x",
        "place": "cache = '/ho" + "me/someone/cache'",
        "leftover": "# TO" + "DO: later",
    }
    for name, line in planted.items():
        (tmp_path / f"{name}.md").write_text(f"fine\n{line}\n")
    for pattern, name in ((HOSTS, "host"), (PLACES, "place"), (LEFTOVERS, "leftover")):
        assert lines_with(tmp_path, pattern) == [f"{name}.md:2: {planted[name]}"]
        files.cache_clear()


def test_launchers_can_be_started(root: Path) -> None:
    launchers = [root / "bin" / "assistant", root / "bin" / "test", root / ".ci" / "run"]
    assert [str(path) for path in launchers if not os.access(path, os.X_OK)] == []


def plain(requirement: str) -> str:
    """Returns the name in a requirement, as package indexes compare names."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement, maxsplit=1)[0]).lower()


def test_the_lock_is_of_these_dependencies(root: Path) -> None:
    project = tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = {plain(line) for line in [*project["dependencies"], *project["optional-dependencies"]["test"]]}
    locked, name = set(), ""
    for line in (root / "requirements.lock").read_text(encoding="utf-8").splitlines():
        name = plain(line) if "==" in line else name
        if line.endswith(f"{project['name']} (pyproject.toml)"):
            locked.add(name)
    assert wanted == locked, "remake requirements.lock with the command in its first lines"


FENCE = re.compile(r"^```(?:sh|shell|bash|console)?\n(.*?)^```", re.MULTILINE | re.DOTALL)
COMMAND = re.compile(r"bin/assistant\b([^`\n|#;&>]*)")
PATH_IN_TEXT = re.compile(
    r"`((?:pipeline|actors|tools|telemetry|tests|bin|docs|\.ci)/[\w./-]*\w)`"  # `docs/CONCEPTS.md`
    r"|\]\(([\w./-]+?)(?:#[\w-]*)?\)"  # [Concepts](docs/CONCEPTS.md#actors)
)


def documents(root: Path) -> Iterator[tuple[Path, str]]:
    """Yields README.md and everything in docs/."""
    for path in files(root):
        if path.suffix == ".md" and (path.parent == root or root / "docs" in path.parents):
            yield path, path.read_text(encoding="utf-8")


def test_paths_in_the_documents_exist(root: Path) -> None:
    missing = [
        f"{path.name}: {found}"
        for path, text in documents(root)
        for inline, link in PATH_IN_TEXT.findall(text)
        if (found := inline or link) and not (root / found).exists() and not (path.parent / found).exists()
    ]
    assert missing == []


def commands_in(text: str) -> Iterator[list[str]]:
    """Yields the words after every `bin/assistant` in shell blocks and inline code, up to what the shell would take."""
    spans = [*FENCE.findall(text), *re.findall(r"`(bin/assistant[^`\n]*)`", FENCE.sub("", text))]
    for span in spans:
        for words in COMMAND.findall(span):
            yield words.replace("[", " ").replace("]", " ").split()


@cache
def help_of(root: Path, *command: str) -> str:
    """Returns what a command says of itself; every option and every command under it is in there."""
    line = [sys.executable, "-P", "-m", "bin", *command, "--help"]
    wide = os.environ | {"PYTHONPATH": str(root), "COLUMNS": "200", "NO_COLOR": "1", "TERM": "dumb"}
    return subprocess.run(line, env=wide, capture_output=True, text=True, check=True).stdout


def unknown_in(root: Path, words: list[str]) -> Iterator[str]:
    """Yields the words of a documented command line that the program does not know."""
    command = words[0] if words and re.fullmatch(r"[a-z]+", words[0]) else None
    if command and not re.search(rf"\b{command}\b", help_of(root)):
        yield command
        return
    known = help_of(root, command or "talk")
    yield from (
        option
        for word in words
        if (option := word.partition("=")[0]).startswith("--") and not re.search(rf"(?<![\w-]){option}(?![\w-])", known)
    )


def test_commands_in_the_documents_work(root: Path) -> None:
    if not (root / "bin" / "__main__.py").exists():
        pytest.skip("there are no commands yet")
    unknown = [
        f"{path.name}: bin/assistant {' '.join(words)}: {word}"
        for path, text in documents(root)
        for words in commands_in(text)
        for word in unknown_in(root, words)
    ]
    assert unknown == []


def test_commands_are_found_in_a_document() -> None:
    text = (
        "Run `bin/assistant demo [NAME]`:\n```sh\nbin/assistant talk --quiet  # softly\nA=b bin/assistant | cat\n```\n"
    )
    assert list(commands_in(text)) == [["talk", "--quiet"], [], ["demo", "NAME"]]
