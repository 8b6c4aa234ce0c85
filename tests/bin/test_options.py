"""The command line: what it takes, what it fills in, what it refuses."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bin.options import DEMOS, parser


def parsed(*words: str) -> Any:
    return parser().parse_args(words)


@pytest.mark.parametrize("words", [(), ("talk",), ("--quiet",), ("--linger", "2")])
def test_without_a_command_it_talks(words: tuple[str, ...]) -> None:
    options = parsed(*words)
    assert options.command == "talk"
    assert options.backend is options.endpoint is options.input is options.output is None


def test_the_words_of_the_process_are_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["assistant", "--model", "m"])
    assert (parser().parse_args().command, parser().parse_args().model) == ("talk", "m")


def test_talk_takes_what_the_contract_names() -> None:
    words = "--config a --config b --set x=1 --set y=2 --backend local --endpoint ws://x --model m --input i --output o"
    options = parsed(*words.split(), *["--events", "e", "--turns", "local", "--linger", "0", "--resume", "--quiet"])
    assert (options.config, options.set) == (["a", "b"], ["x=1", "y=2"])
    assert (options.backend, options.endpoint, options.model, options.turns) == ("local", "ws://x", "m", "local")
    assert (options.input, options.output, options.events) == ("i", "o", "e")
    assert (options.linger, options.resume, options.quiet) == (0.0, True, True)
    fresh = parsed("talk")
    assert (fresh.config, fresh.set, fresh.linger, fresh.resume, fresh.quiet) == ([], [], 5.0, False, False)


def test_other_commands_have_their_own() -> None:
    assert (parsed("demo").name, parsed("demo", "tools").name, parsed("demo", "--list").list) == (
        DEMOS[0],
        "tools",
        True,
    )
    emulator = parsed("emulator", "--port", "0", "--tls", "--time-scale", "60")
    assert (emulator.host, emulator.port, emulator.tls, emulator.time_scale) == ("127.0.0.1", 0, True, 60.0)
    assert (parsed("emulator").port, parsed("emulator").key) == (8765, None)
    call = parsed("tools", "call", "get_time", '{"city": "Paris"}')
    assert (call.action, call.name, call.json) == ("call", "get_time", '{"city": "Paris"}')
    assert (parsed("tools").action, parsed("tools", "call", "x").json) == (None, "{}")
    assert (parsed("plan", "--dot").dot, parsed("plan", "--set", "a=1").set) == (True, ["a=1"])
    assert parsed("devices").command == "devices"
    assert parsed("doctor", "--config", "a").config == ["a"]


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        ("walk", "invalid choice: 'walk'"),
        ("talk --what", "unrecognized arguments: --what"),
        ("talk --backend azure", "invalid choice: 'azure'"),
        ("talk --turns mine", "invalid choice: 'mine'"),
        ("talk --linger -1", "-1 is no number of seconds; write one from 0 up"),
        ("talk --linger nan", "nan is no number of seconds"),
        ("talk --linger inf", "inf is no number of seconds"),
        ("talk --linger soon", "soon is no number of seconds"),
        ("talk --input", "expected one argument"),
        ("emulator --time-scale 0", "0 is no scale; write a number above 0"),
        ("emulator --time-scale fast", "fast is no scale"),
        ("emulator --port 65536", "65536 is no port; write a number from 0 to 65535"),
        ("emulator --port -1", "-1 is no port"),
        ("emulator --port http", "http is no port"),
        ("tools run", "invalid choice: 'run'"),
    ],
)
def test_bad_usage_is_said_and_ends_with_2(words: str, sentence: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parsed(*words.split())
    assert ended.value.code == 2
    assert sentence in capsys.readouterr().err


@pytest.mark.parametrize("words", [("--help",), ("-h",), ("talk", "--help"), ("demo", "-h"), ("plan", "--help")])
def test_help_is_there(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        parsed(*words)
    assert ended.value.code == 0
    assert "usage: assistant" in capsys.readouterr().out


def test_help_imports_nothing_heavy(root: Path) -> None:
    program = "import sys, bin.options; print([name for name in ('trio', 'attrs', 'numpy') if name in sys.modules])"
    shown = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, text=True, check=True)
    assert shown.stdout == "[]\n"
