"""What becomes a turn of the user's: several utterances at once, sound in client content, and how speech is found."""

import base64
from collections.abc import Callable
from typing import Any

import pytest

Pcm = Callable[..., bytes]


async def test_each_utterance_is_understood_for_itself(
    build: Any, autojump_clock: Any, speech: Pcm, silence: Pcm, spoken: Any
) -> None:
    async with build("hello", "what time is it", "in tokyo", first_audio=2.0) as world:
        client = await world.ready()
        for seconds in (0.5, 0.7, 0.9):
            await client.say(speech(seconds) + silence(0.9))
        seen = await client.until("turnComplete")
        assert spoken(seen, "inputTranscription") == "hello what time is it in tokyo"
        assert world.mind.asked[-1] == ("hello\nwhat time is it\nin tokyo", ())
        heard = [len(pcm) / 32_000 for pcm in world.ears.heard]
        assert heard == pytest.approx([0.8, 1.2, 1.4], abs=0.35)
        await client.text("and now")
        await client.until("turnComplete")
        assert world.mind.asked[-1][1][:3] == ("user: hello", "user: what time is it", "user: in tokyo")


async def test_a_turn_that_is_taken_up_again_understands_nothing_twice(
    build: Any, autojump_clock: Any, speech: Pcm, silence: Pcm, spoken: Any
) -> None:
    async with build("one", "two", first_audio=1.0) as world:
        client = await world.ready()
        await client.say(speech(0.5) + silence(0.9))
        assert spoken(await client.until("inputTranscription"), "inputTranscription") == "one"
        await client.say(speech(0.5) + silence(0.9))
        seen = await client.until("turnComplete")
        assert spoken(seen, "inputTranscription") == " two"
        assert spoken(seen) == "You said one two."
        assert len(world.ears.heard) == 2


async def test_sound_in_client_content_waits_for_the_end_of_the_turn(
    build: Any, autojump_clock: Any, speech: Pcm, spoken: Any
) -> None:
    async with build("from a file", "and another") as world:
        client = await world.ready()
        data = base64.b64encode(speech(0.5)).decode()
        turn = {"role": "user", "parts": [{"inlineData": {"mimeType": "audio/pcm", "data": data}}]}
        await client.send({"clientContent": {"turns": [turn], "turnComplete": False}})
        assert await client.quiet(3.0) == []
        await client.send({"clientContent": {"turns": [turn], "turnComplete": True}})
        seen = await client.until("turnComplete")
        assert spoken(seen) == "You said from a file and another."
        assert seen[-1]["usageMetadata"]["promptTokenCount"] == 26


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("endOfSpeechSensitivity", "END_SENSITIVITY_HIGH", 2),
        ("endOfSpeechSensitivity", "END_SENSITIVITY_LOW", 1),
        ("startOfSpeechSensitivity", "START_SENSITIVITY_HIGH", 3),
        ("startOfSpeechSensitivity", "START_SENSITIVITY_LOW", 2),
    ],
)
async def test_sensitivities_are_kept(
    build: Any, autojump_clock: Any, speech: Pcm, silence: Pcm, option: str, value: str, said: int
) -> None:
    """Two utterances with a second between them, and behind them a word of a tenth of a second where one is asked for.

    For a low sensitivity of the end a second is a pause; for one of the start so short a word is none.
    """
    async with build(*["heard"] * 3, first_audio=5.0) as world:
        client = await world.ready(realtimeInputConfig={"automaticActivityDetection": {option: value}})
        await client.say(silence(0.5) + speech(0.8) + silence(1.0) + speech(0.8) + silence(1.6))
        if option.startswith("start"):
            await client.say(speech(0.2)[: 2 * int(0.16 * 16_000)] + silence(1.6))
        await client.until("turnComplete")
        assert len(world.ears.heard) == said
