"""LangChain's standard tests for chat models: the unit tests, and the integration tests at each simulated dialect.

The integration tests are written for real models, so the simulated ones are told what a real one would say: the
arguments of the tools that are checked, and JSON wherever text is asked for. Their pictures and sounds come from the
public network; here the bytes are made up, as nobody looks into them.
"""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator, Iterator
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any, ClassVar, Literal

import httpx
import pytest
from langchain_core.language_models import BaseChatModel
from langchain_core.messages import AIMessage, HumanMessage
from langchain_tests.integration_tests import ChatModelIntegrationTests
from langchain_tests.unit_tests import ChatModelUnitTests

from junctor.langchain import ChatJunctor
from scripts.markdown import ROOT
from tests.langchain.desk import CANARY, MODELS, Desk, clients

FLEET = "examples/fleet.yaml"
KEYS = dict.fromkeys(("ANTHROPIC_KEY_A", "ANTHROPIC_KEY_B", "OPENAI_API_KEY"), CANARY)
TEXT = '{"setup": "Who rang?", "punchline": "The exchange."}'
ARGUMENTS = {
    "magic_function": {"input": 3},
    "unicode_customer": {"customer_name": "你好啊集团 こんにちは株式会社", "description": "a company"},
}


class TestUnit(ChatModelUnitTests):
    """The model alone, over the fleet of the examples."""

    @pytest.fixture(autouse=True)
    def at_home(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The fleet file is named as from the checkout, its keys are made up."""
        monkeypatch.chdir(ROOT)
        for name, value in KEYS.items():
            monkeypatch.setenv(name, value)

    @pytest.fixture
    def benchmark(self, benchmark: Any) -> Any:
        """Once is enough: the suite has no bound on the time, and a benchmark takes a second."""
        benchmark.disabled = True
        return benchmark

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatJunctor

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"fleet": FLEET}

    @property
    def standard_chat_model_params(self) -> dict[str, Any]:
        """All but the key: keys are references in the fleet file, and a model that took one would not use it."""
        return {name: value for name, value in super().standard_chat_model_params.items() if name != "api_key"}

    @property
    def init_from_env_params(self) -> tuple[dict[str, str], dict[str, Any], dict[str, Any]]:
        return KEYS, {"fleet": FLEET}, {"model": "auto", "fleet": FLEET}

    @pytest.mark.xfail(reason="LangChain reads back the classes of its own list alone; ours is in test_chat_model.py")
    def test_serdes(self, model: BaseChatModel, snapshot: Any) -> None:
        """Shown it is; `loads(..., allowed_objects=[ChatJunctor])` reads it back."""
        super().test_serdes(model, snapshot)


class _Pictures:
    """What a download gives."""

    content = base64.b64decode(
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
    )


class Integration(ChatModelIntegrationTests):
    """The model at one simulated dialect."""

    dialect: ClassVar[str]
    desk: ClassVar[Desk]
    images_in_results: ClassVar[bool] = True
    sounds: ClassVar[bool] = True
    method: ClassVar[str] = "json_schema"

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def at_the_desk(cls, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
        """One provider and one client for all tests of a dialect."""
        folder: Path = tmp_path_factory.mktemp("fleet")
        with clients(folder, cls.dialect, text=TEXT, arguments=ARGUMENTS) as desk:
            cls.desk = desk
            yield
            desk.assert_released()

    @pytest.fixture(autouse=True)
    def nothing_leaves_the_machine(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("LANGCHAIN_TESTS_USER_AGENT", "junctor")
        monkeypatch.setattr(httpx, "get", lambda *_args, **_options: _Pictures)

    @pytest.fixture
    async def model(self, request: pytest.FixtureRequest) -> AsyncIterator[BaseChatModel]:
        """As in the suite, and closed before the test's loop ends."""
        async with ChatJunctor(**self.chat_model_params, **(getattr(request, "param", None) or {})) as model:
            yield model

    @pytest.fixture
    def benchmark(self) -> None:
        """Not used, as the test of speed reads a recording of the network, which there is none of."""

    @property
    def chat_model_class(self) -> type[BaseChatModel]:
        return ChatJunctor

    @property
    def chat_model_params(self) -> dict[str, Any]:
        return {"client": self.desk.client, "model": "desk"}

    @property
    def model_override_value(self) -> str:
        return MODELS[self.dialect][1]

    @property
    def structured_output_kwargs(self) -> dict[str, Any]:
        return {"method": self.method}

    @property
    def supports_json_mode(self) -> bool:
        return True

    @property
    def supports_image_inputs(self) -> bool:
        return True

    @property
    def supports_image_urls(self) -> bool:
        return True

    @property
    def supports_pdf_inputs(self) -> bool:
        return True

    @property
    def supports_audio_inputs(self) -> bool:
        return self.sounds

    @property
    def supports_anthropic_inputs(self) -> bool:
        return True

    @property
    def supports_image_tool_message(self) -> bool:
        return self.images_in_results

    @property
    def supports_pdf_tool_message(self) -> bool:
        return self.images_in_results

    def invoke_with_cache_read_input(self, *, stream: bool = False) -> AIMessage:
        """The second of two equal prompts with a mark."""
        self.invoke_with_cache_creation_input(stream=stream)
        return self.invoke_with_cache_creation_input(stream=stream)

    def invoke_with_cache_creation_input(self, *, stream: bool = False) -> AIMessage:
        """A prompt long enough to be cached, with a mark."""
        text = {"type": "text", "text": "ring " * 9_000, "cache_control": {"type": "ephemeral"}}
        with ChatJunctor(**self.chat_model_params) as model:
            if not stream:
                return model.invoke([HumanMessage([text])])
            first, *more = model.stream([HumanMessage([text])])
            return reduce(add, more, first)


class TestAtOpenAI(Integration):
    """Chat completions take neither pictures nor files as results of tools."""

    dialect = "openai"
    images_in_results = False


class TestAtAnthropic(Integration):
    """Claude takes no sound, and has a prompt cache that it tells of."""

    dialect = "anthropic"
    sounds = False

    @property
    def supported_usage_metadata_details(
        self,
    ) -> dict[
        Literal["invoke", "stream"],
        list[Literal["audio_input", "audio_output", "reasoning_output", "cache_read_input", "cache_creation_input"]],
    ]:
        return {
            "invoke": ["cache_read_input", "cache_creation_input"],
            "stream": ["cache_read_input", "cache_creation_input"],
        }


class TestAtGemini(Integration):
    """By tools here, where the others are held to the schema by their provider's own means."""

    dialect = "gemini"
    method = "function_calling"
