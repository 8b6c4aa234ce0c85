"""Hearing in a process of its own, and the listener that everything else is behind; real sockets, no virtual clock."""

import io
import json
import struct
from collections.abc import Callable
from typing import Any

import trio
import trio.testing

from actors.audio.resample import resample
from actors.emulator import phrasebook
from actors.emulator.annex import Annex, work
from actors.emulator.faculties import Faculties
from actors.emulator.service import Service, running
from actors.emulator.settings import Settings
from actors.emulator.thoughts import Declared
from actors.emulator.voice import Voice


def hello() -> bytes:
    return resample(Voice().speak("Hello.", voice="Charon"), 24_000, 16_000)


def test_the_worker_answers_until_its_input_ends() -> None:
    answers = io.BytesIO()
    work(io.BytesIO(2 * (struct.pack("<II", 2, 4) + b"[]" + bytes(4)) + b"\1"), answers)
    assert [json.loads(line) for line in answers.getvalue().splitlines()] == ["", ""]


def test_the_annex_hears_what_functions_are_asked_for() -> None:
    declared = Declared("play_music", "Plays music", {"properties": {"genre": {"enum": ["jazz", "rock"]}}})
    sound = resample(Voice().speak("Play jazz music.", voice="Kore"), 24_000, 16_000)
    annex = Annex()
    try:
        assert annex.understand(sound, phrasebook.of([declared])) == "play jazz music"
    finally:
        annex.close()


def test_the_annex_hears_and_starts_again_after_a_death() -> None:
    annex = Annex()
    try:
        assert annex.understand(hello()) == "hello"
        assert annex._process is not None
        annex._process.kill()
        annex._process.wait()
        assert annex.understand(hello()) == "hello"
    finally:
        annex.close()
    assert annex._process is None
    assert annex.understand(hello()) == ""
    annex.close()


async def test_waiting_for_a_dying_annex_is_over_at_once() -> None:
    faculties = Faculties()
    await faculties.understand(bytes(2))
    with trio.fail_after(5):
        async with trio.open_nursery() as nursery:
            nursery.start_soon(faculties.understand, hello() * 50)
            await trio.sleep(0.05)
            await trio.to_thread.run_sync(faculties.close)
    assert faculties.hearing is None


async def test_a_conversation_over_tcp(build: Any, client_of: Callable[..., Any], spoken: Any) -> None:
    async with build(threads=True, first_audio=0.0) as world:
        async with running(world.service) as address:
            assert address.url == f"http://127.0.0.1:{address.port}"
            assert address.live_url == f"ws://127.0.0.1:{address.port}"
            with trio.fail_after(10):
                client = await client_of(await trio.open_tcp_stream(address.host, address.port))
                await client.setup(outputAudioTranscription={})
                await client.text("hi")
                assert spoken(await client.until("generationComplete")) == "You said hi."
            idle = await trio.open_tcp_stream(address.host, address.port)
            left: list[Any] = []

            async def wait_for_the_end() -> None:
                left.append(await client.closed())
                left.append(await idle.receive_some())

            world.nursery.start_soon(wait_for_the_end)
        await trio.testing.wait_all_tasks_blocked()
        assert [left[0].code, left[1]] == [1001, b""]
        await client.stream.aclose()
        await idle.aclose()


async def test_leaving_does_not_wait_for_silent_clients() -> None:
    service = Service(Settings(threads=False))
    with trio.fail_after(2):
        async with running(service, port=0) as address:
            stream = await trio.open_tcp_stream(address.host, address.port)
            await stream.send_all(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert (await stream.receive_some()).startswith(b"HTTP/1.1 404 ")
        await stream.aclose()
