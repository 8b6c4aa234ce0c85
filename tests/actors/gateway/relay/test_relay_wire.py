"""The relay's frames: what is understood, and what is refused."""

import msgspec
import pytest

from actors.gateway import relay_wire as wire
from actors.gateway.relay_ring import Flush, Level, Piece, Whole


def test_sound_has_its_position_ahead() -> None:
    assert wire.parse(wire.sound(Piece(77, b"\x01\x02"))) == wire.Sound(77, b"\x01\x02")


@pytest.mark.parametrize(
    ("frame", "message"),
    [
        ('{"type":"hello"}', wire.Hello()),
        ('{"type":"hello","session":"s","secret":"x","received":5,"heard":3,"seen":2,"voice":"Kore"}',
         wire.Hello("s", "x", 5, 3, 2, voice="Kore")),
        ('{"type":"heard","position":9,"underruns":1}', wire.Heard(9, 1)),
        ('{"type":"flushed","id":1,"position":2}', wire.Flushed(1, 2)),
        ('{"type":"say","text":"Hello","number":1}', wire.Typed("Hello", 1)),
        ('{"type":"interrupt"}', wire.Interrupt()),
        ('{"type":"ping","number":4}', wire.Ping(4)),
        ('{"type":"end"}', wire.End()),
    ],
)  # fmt: skip
def test_messages_of_a_page(frame: str, message: wire.Message) -> None:
    assert wire.parse(frame) == message


@pytest.mark.parametrize(
    "frame",
    [
        "", "no JSON", "[]", "null", '"hello"', "{}", '{"type":"brand new"}', '{"type":["hello"]}', '{"type":null}',
        '{"type":"heard"}', '{"type":"heard","position":"9"}', '{"type":"heard","position":-1}',
        '{"type":"heard","position":1.5}', '{"type":"heard","position":9007199254740992}',
        '{"type":"say","text":""}', '{"type":"say","text":"   "}', '{"type":"say","text":5}', "\ud800",
        msgspec.json.encode({"type": "say", "text": "x" * 4001}).decode(), "[" * 100_000,
        b"", b"12345678", b"123456781", b"\xff" * 10,
    ],
)  # fmt: skip
def test_anything_else_is_refused(frame: str | bytes) -> None:
    with pytest.raises(wire.Misspoken):
        wire.parse(frame)


def test_what_overtakes_sound() -> None:
    told = [msgspec.json.decode(wire.control(one)) for one in (Flush(3, 9, 5.0), Level(0.2, 20.0), Whole(7))]
    assert told == [
        {"type": "flush", "id": 3, "until": 9, "fade_ms": 5.0},
        {"type": "level", "gain": 0.2, "ms": 20.0},
        {"type": "whole", "position": 7},
    ]


def test_a_secret_is_in_no_representation() -> None:
    assert "hidden-thing" not in repr(wire.Hello("s", "hidden-thing"))
