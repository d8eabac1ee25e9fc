"""The chat model: a fleet behind LangChain's interface.

Everything that a `Client` does for its callers it does here too: rules, limits, other deployments first, fallbacks,
streams with a contract, receipts. LangChain's own retries and fallbacks are not needed for what the fleet can mend.

Async methods run on the caller's loop; synchronous ones on the loop of a thread that all copies of a model share (see
`junctor.bridge`), because connections live in a loop. Several models over one fleet should share a `Client`:
limits of a fleet in `state: process` hold for one.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Iterator, Sequence
from operator import itemgetter
from os import PathLike
from typing import Any, Final, Self

from langchain_core.callbacks import AsyncCallbackManagerForLLMRun, CallbackManagerForLLMRun
from langchain_core.language_models import BaseChatModel, LanguageModelInput
from langchain_core.messages import AIMessage, BaseMessage
from langchain_core.outputs import ChatGeneration, ChatGenerationChunk, ChatResult
from langchain_core.runnables import Runnable, RunnableMap, RunnablePassthrough
from langchain_core.tools import BaseTool
from pydantic import ConfigDict, Field, PrivateAttr, field_validator

from junctor.client import Client
from junctor.estimate import measure
from junctor.exceptions import ConfigError
from junctor.langchain.answers import chunk_of, message_of
from junctor.langchain.calls import choice_of, known, merged, spoken, tools_of
from junctor.langchain.errors import known_to_langchain
from junctor.langchain.messages import canonical
from junctor.langchain.profile import profile_of
from junctor.langchain.structured import Method, format_of, parser_of
from junctor.langchain.sync import Sync
from junctor.request import ChatRequest

_SETTINGS: Final = ("temperature", "max_tokens", "top_p", "effort", "timeout", "max_retries")


class ChatJunctor(BaseChatModel):
    """A chat model over a fleet file, or over a `Client` that you share with other models.

    `model` is a group, a model, a deployment, or `auto` for the fleet's rules; a call may name another one. `timeout`
    is the deadline of a call in seconds, all attempts and waits included; `max_retries` allows one attempt more than
    it says, at most as many as the fleet does. `options` are any others of `Client.chat` (`task`, `tags`, `session`,
    `tenant`, `prompt` ...); a call may add to them: `model.invoke("Hi", options={"task": "extraction"})`.

    There are no keys here: they are references in the fleet file, and what is serialised or printed holds neither keys
    nor the client.

    Answers carry `usage_metadata`, and under `response_metadata["junctor"]` the receipt in short: deployment, group,
    rule, attempts, cost. Errors are junctor's (`Refused`, `NoCapacity`, `StreamInterrupted` ...), with their receipt,
    and what LangChain calls them as well.
    """

    model_config = ConfigDict(arbitrary_types_allowed=True, extra="forbid")

    model: str = "auto"
    fleet: str | None = None
    client: Client | None = Field(default=None, exclude=True, repr=False)
    temperature: float | None = None
    max_tokens: int | None = None
    top_p: float | None = None
    stop: list[str] | None = None
    effort: str | None = None
    timeout: float | None = None
    max_retries: int | None = None
    streaming: bool = False
    options: dict[str, Any] = Field(default_factory=dict)
    sync: Sync | None = Field(default=None, exclude=True, repr=False)

    _owns_client: bool = PrivateAttr(default=False)

    def __init__(self, **fields: Any) -> None:
        """Raises `ConfigError` for a fleet file with faults, or if neither fleet nor client is given."""
        super().__init__(**fields)
        if self.client is None:
            if self.fleet is None:
                raise ConfigError(
                    "a ChatJunctor without a fleet; give fleet='fleet.yaml' or client=junctor.Client(...)"
                )
            self.client = Client.open(self.fleet)
            self._owns_client = True
            self.profile = self.profile or self._resolve_model_profile()
        self.sync = self.sync or Sync(self.client.leave_loop)

    @field_validator("fleet", mode="before")
    @classmethod
    def _as_path(cls, fleet: object) -> object:
        return str(fleet) if isinstance(fleet, PathLike) else fleet

    @field_validator("options")
    @classmethod
    def _as_options(cls, options: dict[str, Any]) -> dict[str, Any]:
        return dict(known(options))

    def asking(self, model: str) -> Self:
        """This model, asking for another group, model or deployment of the same fleet, over the same connections."""
        fields = {name: getattr(self, name) for name in self.model_fields_set - {"profile"}}
        return type(self)(**fields | {"model": model, "client": self.client, "sync": self.sync})

    def close(self) -> None:
        """End the thread of synchronous calls, and the client if this model opened it. Twice is harmless."""
        if self._owns_client:
            self._sync.run(self._client.aclose())
        self._sync.end()

    async def aclose(self) -> None:
        """As `close`, for those who have a loop."""
        if self._owns_client:
            await self._client.aclose()
        else:
            await self._client.leave_loop()
        self._sync.end()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *error: object) -> None:
        await self.aclose()

    # ---- what LangChain asks ----

    @classmethod
    def is_lc_serializable(cls) -> bool:
        """By its fleet file; a model over a client of yours can be shown and not be read back."""
        return True

    @property
    def _llm_type(self) -> str:
        return "junctor"

    @property
    def _identifying_params(self) -> dict[str, Any]:
        shown = ("model", "fleet", *_SETTINGS, "stop", "options")
        return {name: value for name in shown if (value := getattr(self, name)) not in (None, {})}

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        """What LangChain's cache tells models apart by: answers of another fleet are not ours."""
        return f"{self._client.router.config_hash} {super()._get_llm_string(stop=stop, **kwargs)}"

    def _resolve_model_profile(self) -> Any:
        return None if self.client is None else profile_of(self.client.router.config, self.model)

    def get_num_tokens(self, text: str) -> int:
        """An estimate, on the high side: who answers, and by which tokenizer, is decided when it is asked."""
        return measure(ChatRequest(messages=[{"role": "user", "content": text}]))[0]

    def get_num_tokens_from_messages(self, messages: Sequence[BaseMessage], tools: Sequence[Any] | None = None) -> int:
        """As `get_num_tokens`, for a conversation with its tools."""
        return measure(ChatRequest(messages=canonical(messages), tools=tools_of(tools or (), None)))[0]

    def _generate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 - LangChain's signature; it calls back itself
        **kwargs: Any,
    ) -> ChatResult:
        return self._sync.run(self._answer(messages, stop, kwargs))

    async def _agenerate(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 - as above
        **kwargs: Any,
    ) -> ChatResult:
        return await self._answer(messages, stop, kwargs)

    def _stream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: CallbackManagerForLLMRun | None = None,  # noqa: ARG002 - as above
        **kwargs: Any,
    ) -> Iterator[ChatGenerationChunk]:
        return self._sync.iterate(self._chunks(messages, stop, kwargs))

    def _astream(
        self,
        messages: list[BaseMessage],
        stop: list[str] | None = None,
        run_manager: AsyncCallbackManagerForLLMRun | None = None,  # noqa: ARG002 - as above
        **kwargs: Any,
    ) -> AsyncGenerator[ChatGenerationChunk, None]:
        return self._chunks(messages, stop, kwargs)

    # ---- tools and structured answers ----

    def bind_tools(
        self,
        tools: Sequence[dict[str, Any] | type | Callable[..., Any] | BaseTool],
        *,
        tool_choice: dict[str, Any] | str | bool | None = None,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, AIMessage]:
        """This model with tools. `tool_choice` is `auto`, `none`, `any` (or True, `required`), or a tool's name.

        `strict` holds the model to the tools' schemas where it can be held.
        """
        bound = tools_of(tools, strict)
        if (choice := choice_of(tool_choice, bound)) is not None:
            kwargs["tool_choice"] = choice
        return self.bind(tools=bound, **kwargs) if bound else self.bind(**kwargs)

    def with_structured_output(
        self,
        schema: dict[str, Any] | type | None = None,
        *,
        method: Method = "json_schema",
        include_raw: bool = False,
        strict: bool | None = None,
        **kwargs: Any,
    ) -> Runnable[LanguageModelInput, Any]:
        """This model, answering in the form of `schema`: an instance of it for a Pydantic class, else a dict.

        `json_schema` holds the model to the schema by its provider's own means, or by a forced tool where it has none;
        `function_calling` always by a tool; `json_mode` asks for any JSON object, and the prompt has to say which.
        With `include_raw` the answer is `{"raw": message, "parsed": ..., "parsing_error": ...}`. A model that refuses
        raises LangChain's `ModelRefusalError`.
        """
        told = {"kwargs": {"method": method, "strict": strict}, "schema": schema}
        bound: Runnable[LanguageModelInput, AIMessage]
        if method == "function_calling":
            bound = self.bind_tools(
                [_given(schema, method)], tool_choice="any", strict=strict, ls_structured_output_format=told, **kwargs
            )
        else:
            if schema is not None:
                kwargs["ls_structured_output_format"] = told
            bound = self.bind(response_format=format_of(schema, method, strict), **kwargs)
        parser = parser_of(schema, method)
        if not include_raw:
            return bound | parser
        parsed = RunnablePassthrough.assign(parsed=itemgetter("raw") | parser, parsing_error=lambda _: None)
        unparsed = RunnablePassthrough.assign(parsed=lambda _: None)
        return RunnableMap(raw=bound) | parsed.with_fallbacks([unparsed], exception_key="parsing_error")

    # ---- the calls ----

    @property
    def _client(self) -> Client:
        assert self.client is not None, "set in __init__"
        return self.client

    @property
    def _sync(self) -> Sync:
        assert self.sync is not None, "set in __init__"
        return self.sync

    def _asked(
        self, messages: list[BaseMessage], stop: list[str] | None, given: dict[str, Any]
    ) -> tuple[str, list[dict[str, Any]], Any]:
        """(model, messages, options) for `Client.chat`: the model's own settings, then what this call says."""
        given = dict(given)
        if "tools" in given:
            given["tools"] = tools_of(given["tools"], None)
            given["tool_choice"] = choice_of(given.get("tool_choice"), given["tools"])
        model, more = given.pop("model", self.model), given.pop("options", None) or {}
        settings = {name: value for name in _SETTINGS if (value := getattr(self, name)) is not None}
        options = merged(spoken(settings), self.options, spoken(given), more)
        options["stop"] = (options.get("stop", self.stop) if stop is None else stop) or None
        return model, canonical(messages), options

    async def _answer(self, messages: list[BaseMessage], stop: list[str] | None, given: dict[str, Any]) -> ChatResult:
        with known_to_langchain():
            model, talk, options = self._asked(messages, stop, given)
            reply = await self._client.chat(model, talk, **options)
        return ChatResult(generations=[ChatGeneration(message=message_of(reply))])

    async def _chunks(
        self, messages: list[BaseMessage], stop: list[str] | None, given: dict[str, Any]
    ) -> AsyncGenerator[ChatGenerationChunk, None]:
        with known_to_langchain():
            model, talk, options = self._asked(messages, stop, given)
            async with self._client.stream(model, talk, **options) as events:
                async for event in events:
                    if (chunk := chunk_of(event)) is not None:
                        yield ChatGenerationChunk(message=chunk)


def _given(schema: Any, method: Method) -> Any:
    if schema is None:
        raise ValueError(f"with_structured_output(method={method!r}) without a schema; only json_mode goes without")
    return schema
