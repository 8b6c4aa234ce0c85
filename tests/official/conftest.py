"""The official clients, Python's and JavaScript's, as the checks use them: over TLS, of a service in a thread."""

import asyncio
import hashlib
import json
import os
import shutil
import ssl
import subprocess
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, AbstractContextManager
from functools import partial
from pathlib import Path
from typing import Any

import attrs
import pytest
from google import genai
from google.genai import types

from actors.audio.recording import read_mono
from actors.emulator.testing import LiveService, serve_in_thread

MODEL = "gemini-3.8-live"
JS = Path(__file__).with_name("js")
SPEECH = Path(__file__).parents[1] / "fixtures" / "weather-paris.flac"


@attrs.frozen
class Official:
    """The official client, as the checks use it."""

    served: LiveService
    context: ssl.SSLContext = attrs.field(
        init=False,
        default=attrs.Factory(lambda self: ssl.create_default_context(cafile=self.served.ca_file), takes_self=True),
    )

    def client(self, version: str = "v1beta", key: str = "any", **options: Any) -> genai.Client:
        asked = {
            "base_url": self.served.url,
            "api_version": version,
            "client_args": {"verify": self.context},
            "async_client_args": {"ssl": self.context},
        }
        return genai.Client(api_key=key, http_options=types.HttpOptions(**(asked | options)))

    def vertex(self) -> genai.Client:
        url = self.served.live_url + "/ws/google.cloud.aiplatform.v1beta1.LlmBidiService/BidiGenerateContent"
        options = types.HttpOptions(base_url=url, async_client_args={"ssl": self.context})
        return genai.Client(vertexai=True, http_options=options)

    def connect(
        self, client: genai.Client | None = None, model: str = MODEL, **fields: Any
    ) -> AbstractAsyncContextManager[Any]:
        """Opens a session; transcripts are asked for."""
        found: AbstractAsyncContextManager[Any] = (client or self.client()).aio.live.connect(
            model=model, config=self.config(**fields)
        )
        return found

    @staticmethod
    def config(**fields: Any) -> types.LiveConnectConfig:
        asked = {
            "response_modalities": [types.Modality.AUDIO],
            "output_audio_transcription": types.AudioTranscriptionConfig(),
            "input_audio_transcription": types.AudioTranscriptionConfig(),
        }
        return types.LiveConnectConfig(**(asked | fields))

    @staticmethod
    async def turn(session: Any) -> list[types.LiveServerMessage]:
        """Everything up to the end of the interaction."""
        return [message async for message in session.receive()]

    @staticmethod
    def said(messages: list[types.LiveServerMessage]) -> str:
        contents = [message.server_content for message in messages if message.server_content]
        return "".join(c.output_transcription.text or "" for c in contents if c.output_transcription)

    @staticmethod
    def heard(messages: list[types.LiveServerMessage]) -> str:
        contents = [message.server_content for message in messages if message.server_content]
        return "".join(c.input_transcription.text or "" for c in contents if c.input_transcription)

    @staticmethod
    def sound(messages: list[types.LiveServerMessage]) -> bytes:
        return b"".join(message.data for message in messages if message.data)

    async def handle(self, session: Any) -> str:
        """The next handle from which the session can go on."""
        while True:
            async for message in session.receive():
                update = message.session_resumption_update
                if update and update.resumable and update.new_handle:
                    return str(update.new_handle)

    async def token(self, **config: Any) -> str:
        """A token made by the official client."""
        asked = types.CreateAuthTokenConfig(**config) if config else None
        with self.client("v1alpha") as client:
            made = await asyncio.to_thread(client.auth_tokens.create, config=asked)
        assert made.name
        return str(made.name)


Outcomes = dict[str, BaseException | None]


@pytest.fixture(scope="session")
def together() -> Callable[..., Outcomes]:
    """Runs checks of services all at once, and gives what each raised."""

    def run(checks: Mapping[str, Callable[..., Awaitable[None]]], *served: LiveService) -> Outcomes:
        async def main() -> list[BaseException | None]:
            clients = [Official(one) for one in served]
            found = [asyncio.wait_for(check(*clients), 60) for check in checks.values()]
            return await asyncio.gather(*found, return_exceptions=True)

        return dict(zip(checks, asyncio.run(main()), strict=True))

    return run


@pytest.fixture(scope="session")
def serve() -> Callable[..., AbstractContextManager[LiveService]]:
    """Opens a service: `with serve(Settings(...)) as served`."""
    return partial(serve_in_thread, tls=True)


@pytest.fixture(scope="session")
def node(real_part: Callable[[str], str]) -> str:
    """Node, with the official client in place; it is installed once for each state of the lock file."""
    found = real_part("node")
    mark = JS / "node_modules" / ".installed"
    lock = hashlib.sha256((JS / "package-lock.json").read_bytes()).hexdigest()
    if mark.exists() and mark.read_text("utf-8") == lock:
        return found
    if (npm := shutil.which("npm")) is None:
        give_up("npm is missing: apt install npm")
    command = [str(npm), "ci", "--ignore-scripts", "--no-audit", "--no-fund", "--fetch-retries=1"]
    done = subprocess.run(command, cwd=JS, capture_output=True, text=True, timeout=300, check=False)
    if done.returncode:
        give_up(f"`npm ci` in {JS} did not install the official client: {done.stderr.strip()[-300:]}")
    mark.write_text(lock, "utf-8")
    return found


def give_up(reason: str) -> None:
    """Fails where real parts are required, skips elsewhere."""
    if os.environ.get("REAL_PARTS") == "required":
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture
def javascript(node: str) -> Callable[[Path, str], list[str]]:
    """`javascript(folder, program)` gives the command that runs a program with the official client at hand."""

    def command(folder: Path, program: str) -> list[str]:
        (folder / "program.mjs").write_text(program, "utf-8")
        (folder / "node_modules").symlink_to(JS / "node_modules", target_is_directory=True)
        return [node, "program.mjs"]

    return command


@pytest.fixture(scope="session")
def run(node: str, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, str | None]]:
    """Has node run a module of checks against services, and gives what each came to."""
    folder = tmp_path_factory.mktemp("js")
    (folder / "speech.pcm").write_bytes(read_mono(SPEECH, 24_000))

    def checked(module: str, *served: LiveService) -> dict[str, str | None]:
        authorities = folder / "authorities.pem"
        authorities.write_bytes(b"".join(one.ca_file.read_bytes() for one in served if one.ca_file))
        asked = {
            "checks": (JS / module).as_uri(),
            "services": [one.url for one in served],
            "speech": str(folder / "speech.pcm"),
        }
        done = subprocess.run(
            [node, str(JS / "run.mjs")],
            input=json.dumps(asked),
            env={"PATH": os.environ["PATH"], "HOME": str(folder), "NODE_EXTRA_CA_CERTS": str(authorities)},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found: dict[str, str | None] = json.loads(done.stdout)
        return found

    return checked
