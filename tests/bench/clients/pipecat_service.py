"""Pipecat's Gemini Live service in a pipeline: source, service, output transport, tail. No device and no room.

The output transport is Pipecat's own with a stub for a device: its write takes as long as the sound lasts, but where
the bench wants sound taken as fast as it comes. It writes 20 ms at a time; 40 ms, the default, would hold back every
other piece.
"""

# mypy: disable-error-code="import-not-found, misc"
import argparse
import asyncio
import sys
import time
from typing import Any

from google.genai.types import HttpOptions
from loguru import logger
from pipecat.frames.frames import InputAudioRawFrame, InterruptionFrame, LLMContextFrame, TTSAudioRawFrame
from pipecat.pipeline.pipeline import Pipeline
from pipecat.pipeline.worker import PipelineParams, PipelineWorker
from pipecat.processors.aggregators.llm_context import LLMContext
from pipecat.services.google.gemini_live.llm import GeminiLiveLLMService
from pipecat.transports.base_output import BaseOutputTransport
from pipecat.transports.base_transport import TransportParams
from pipecat.workers.runner import WorkerRunner

from tests.bench.clients.genai import client_for
from tests.bench.near import Near

BYTES_A_SECOND = 48_000


class Service(GeminiLiveLLMService):
    """The service, pointed at the far end."""

    far = ""

    def create_client(self) -> None:
        super().create_client()
        client_for(self.far, self._client)


class Output(BaseOutputTransport):
    """The output transport with a device that plays in real time, and notes what came and when it was reset."""

    def __init__(self, near: Near) -> None:
        super().__init__(TransportParams(audio_out_enabled=True, audio_out_sample_rate=24000, audio_out_10ms_chunks=2))
        self.near = near
        self.plays_until = 0.0

    async def start(self, frame: Any) -> None:
        await super().start(frame)
        await self.set_transport_ready(frame)

    async def process_frame(self, frame: Any, direction: Any) -> None:
        await super().process_frame(frame, direction)
        if isinstance(frame, TTSAudioRawFrame):
            self.near.heard(frame.audio)
        elif isinstance(frame, InterruptionFrame):
            self.near.silent()

    async def write_audio_frame(self, frame: Any) -> bool:
        if not self.near.unpaced:
            now = time.monotonic()
            self.plays_until = max(self.plays_until, now) + len(frame.audio) / BYTES_A_SECOND
            await asyncio.sleep(self.plays_until - now)
        return True


def conversation(near: Near, url: str) -> PipelineWorker:
    """Makes one conversation's pipeline."""
    service = Service(
        api_key="bench",
        inference_on_context_initialization=False,
        http_options=HttpOptions(base_url=url.replace("ws", "http", 1)),
    )
    return PipelineWorker(
        Pipeline([service, Output(near)]), params=PipelineParams(), idle_timeout_secs=None, cancel_on_idle_timeout=False
    )


async def talk(near: Near, worker: PipelineWorker, lag: float) -> None:
    """Speaks into one conversation."""
    await worker.queue_frame(LLMContextFrame(context=LLMContext(messages=[])))

    async def say(pcm: bytes) -> None:
        await worker.queue_frame(InputAudioRawFrame(audio=pcm, sample_rate=16000, num_channels=1))

    await near.talk(say, asyncio.sleep, lag)


async def main(url: str, sessions: int) -> None:
    """Holds so many conversations, as workers of one runner."""
    logger.remove()
    logger.add(sys.stderr, level="ERROR")
    near = Near()
    near.obey()
    Service.far = url
    workers = [conversation(near, url) for _ in range(sessions)]
    runner = WorkerRunner(handle_sigint=False)
    await runner.add_workers(*workers)
    talks = [asyncio.create_task(talk(near, worker, 0.02 * n / sessions)) for n, worker in enumerate(workers)]
    await runner.run()
    for each in talks:
        each.cancel()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("url")
    parser.add_argument("--sessions", type=int, default=1)
    given = parser.parse_args()
    asyncio.run(main(given.url, given.sessions))
