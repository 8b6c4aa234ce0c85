"""The command line: every command with its options. Imports nothing but argparse, so that --help is quick."""

import argparse
import sys
from collections.abc import Sequence
from typing import Any

DESCRIPTION = "A real-time voice assistant on the Gemini Live API. Without a command it talks."
HIGHEST_PORT = 65535
DEMOS = ("conversation", "tools", "interruption", "resumption")


class _Parser(argparse.ArgumentParser):
    """Without a command, talks."""

    def parse_args(self, args: Sequence[str] | None = None, namespace: Any = None) -> Any:  # type: ignore[override] # noqa: ANN401 - argparse's own
        """Parses; a line that begins with no command is one for `talk`."""
        given = list(sys.argv[1:] if args is None else args)
        if not given or (given[0].startswith("-") and given[0] not in ("-h", "--help")):
            given.insert(0, "talk")
        return super().parse_args(given, namespace)


def parser() -> argparse.ArgumentParser:
    """Builds the parser; the chosen command's module name is in `command`."""
    top = _Parser(prog="assistant", description=DESCRIPTION)
    commands = top.add_subparsers(
        dest="command", metavar="COMMAND", required=True, parser_class=argparse.ArgumentParser
    )
    for name, (help_text, build) in _COMMANDS.items():
        one = commands.add_parser(name, help=help_text, description=help_text[0].upper() + help_text[1:] + ".")
        build(one)
    return top


def _plan(one: argparse.ArgumentParser) -> None:
    one.add_argument("--config", metavar="FILE", action="append", default=[], help="TOML over the default plan")
    one.add_argument(
        "--set", metavar="KEY=VALUE", action="append", default=[], help="one setting, as in actors.vad.threshold=0.6"
    )


def _voices(one: argparse.ArgumentParser) -> None:
    one.add_argument("--model", metavar="NAME", help="the Live model to talk to")
    one.add_argument("--turns", choices=("server", "local"), help="who finds the ends of your turns")
    one.add_argument("--output", metavar="FILE.wav", help="stands in for the speaker: 24 kHz mono")


def _session(one: argparse.ArgumentParser) -> None:
    _voices(one)
    one.add_argument("--events", metavar="FILE.jsonl", help="writes the event log")
    one.add_argument("--trace", metavar="FILE.jsonl", help="writes the trace: session, turns and tools as spans")
    one.add_argument("--metrics", metavar="FILE", help="writes all counts at the end, in Prometheus' text format")
    one.add_argument("--record", metavar="DIR", help="keeps the conversation in a new or empty folder, sound and all")
    one.add_argument("--plain", action="store_true", help="prints lines, also where a live screen could be drawn")
    one.add_argument("--quiet", action="store_true", help="prints nothing but errors")


def _far_end(one: argparse.ArgumentParser) -> None:
    one.add_argument(
        "--backend",
        choices=("gemini", "local"),
        help="local is the embedded service; the default is gemini when an API key is set, else local",
    )
    one.add_argument("--endpoint", metavar="URL", help="base URL of a Live service (ws, wss, http or https)")
    one.add_argument("--input", metavar="FILE", help="a recording that stands in for the microphone")
    one.add_argument("--resume", action="store_true", help="continues the last conversation, also after a crash")


def _talk(one: argparse.ArgumentParser) -> None:
    _plan(one)
    _session(one)
    _far_end(one)
    one.add_argument(
        "--linger", metavar="SECONDS", type=_seconds, default=5.0, help="with --input: patience at the end"
    )


def _demo(one: argparse.ArgumentParser) -> None:
    one.add_argument("name", metavar="NAME", nargs="?", default=DEMOS[0], help=f"one of {', '.join(DEMOS)}")
    one.add_argument("--list", action="store_true", help="says what each demo shows")
    _plan(one)
    _session(one)


def _server(one: argparse.ArgumentParser, port: int) -> None:
    one.add_argument("--host", default="127.0.0.1", help="the address to listen on (default %(default)s)")
    one.add_argument("--port", type=_port, default=port, help="the port to listen on, 0 for any (default %(default)s)")


def _emulator(one: argparse.ArgumentParser) -> None:
    _server(one, 8765)
    one.add_argument("--tls", action="store_true", help="TLS with a certificate made for this run")
    one.add_argument("--time-scale", type=_scale, default=1.0, help="how much faster the service's own clocks run")
    one.add_argument("--key", help="the only API key to accept; without it any will do")
    one.add_argument("--scenario", metavar="NAME|FILE", help="what the service is to do: a shipped script, or your own")
    one.add_argument("--list-scenarios", action="store_true", help="says what each shipped scenario shows")


def _serve(one: argparse.ArgumentParser) -> None:
    _server(one, 8000)
    _plan(one)
    one.add_argument("--model", metavar="NAME", help="the Live model to talk to")
    one.add_argument(
        "--backend",
        choices=("gemini", "local"),
        help="local is the embedded service; the default is gemini when an API key is set, else local",
    )
    one.add_argument("--endpoint", metavar="URL", help="base URL of a Live service (ws, wss, http or https)")
    one.add_argument("--mode", choices=("direct", "relay"), help="how browsers talk: to the service, or through here")


def _tools(one: argparse.ArgumentParser) -> None:
    _plan(one)
    one.add_argument("action", nargs="?", choices=("call",), help="call runs one tool")
    one.add_argument("name", nargs="?", metavar="NAME", help="the tool to run")
    one.add_argument("json", nargs="?", metavar="JSON", default="{}", help='its arguments, as in {"city": "Paris"}')


def _show_plan(one: argparse.ArgumentParser) -> None:
    _plan(one)
    _voices(one)
    _far_end(one)
    one.add_argument("--dot", action="store_true", help="prints the graph for Graphviz and nothing else")


def _report(one: argparse.ArgumentParser) -> None:
    one.add_argument("folder", metavar="DIR", help="a folder that talk --record DIR has made")
    one.add_argument("--output", metavar="FILE.html", help="where the page goes (default: report.html in the folder)")


def _replay(one: argparse.ArgumentParser) -> None:
    one.add_argument("folder", metavar="DIR", help="a folder that talk --record DIR has made")
    one.add_argument(
        "--tolerance", metavar="MS", type=_milliseconds, default=250.0, help="how far times may differ (default 250)"
    )


def _soak(one: argparse.ArgumentParser) -> None:
    one.add_argument("--hours", metavar="H", type=_hours, default=1.0, help="how long, in hours (default %(default)s)")
    one.add_argument(
        "--seed", metavar="S", type=int, default=1, help="the same seed soaks the same (default %(default)s)"
    )
    one.add_argument(
        "--faults", choices=("none", "network", "all"), default="network", help="what goes wrong on purpose"
    )
    one.add_argument(
        "--every", metavar="S", type=_seconds, default=45.0, help="seconds between two faults, on average (default 45)"
    )
    one.add_argument("--clock", choices=("virtual", "real"), default="virtual", help="real takes sockets and real time")
    one.add_argument(
        "--fixtures", metavar="DIR", help="your own recordings to speak; labels.toml beside them is optional"
    )
    one.add_argument(
        "--devices", metavar="NAME", default="", help="real clock: speak into this output, which your microphone hears"
    )
    one.add_argument("--report", metavar="DIR", help="where report.html and summary.json go (default: a new folder)")
    one.add_argument("--figures", metavar="FILE.md", help="a document with two marks, between which the figures go")
    one.add_argument(
        "--processes", metavar="N", type=int, choices=range(9), default=0, help="0: as many as are worth it"
    )
    _plan(one)


def _nothing(_one: argparse.ArgumentParser) -> None:
    """A command without options."""


def _seconds(text: str) -> float:
    value = _number(text)
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no number of seconds; write one from 0 up")
    return value


def _milliseconds(text: str) -> float:
    value = _number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no number of milliseconds; write one above 0")
    return value


def _hours(text: str) -> float:
    value = _number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no number of hours; write one above 0")
    return value


def _scale(text: str) -> float:
    value = _number(text)
    if not 0 < value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text} is no scale; write a number above 0")
    return value


def _port(text: str) -> int:
    if not (text.isdecimal() and int(text) <= HIGHEST_PORT):
        raise argparse.ArgumentTypeError(f"{text} is no port; write a number from 0 to {HIGHEST_PORT}")
    return int(text)


def _number(text: str) -> float:
    """Gives a number; nan, which is in no range, where the text is none."""
    try:
        return float(text)
    except ValueError:
        return float("nan")


_COMMANDS = {
    "talk": ("microphone to model to speaker, until Ctrl-C", _talk),
    "demo": ("a recorded conversation through the whole pipeline: no key, no sound card, no network", _demo),
    "emulator": ("the embedded Live service on its own, for any client", _emulator),
    "serve": ("the token server and the web client", _serve),
    "soak": ("recorded conversations for hours, with faults, and a verdict on every promise", _soak),
    "tools": ("the tools with their schemas; call runs one", _tools),
    "report": ("a recorded conversation as one HTML page", _report),
    "replay": ("a recorded conversation through the pipeline again, and what comes out differently", _replay),
    "devices": ("what sound devices there are", _nothing),
    "doctor": ("what is wrong, and how to mend it", _plan),
    "plan": ("the merged plan, and its graph", _show_plan),
}
