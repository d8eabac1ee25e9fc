"""Structured answers: what is asked of the model, and what is made of its answer."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final, Literal, get_args

from langchain_core.exceptions import ModelRefusalError
from langchain_core.messages import AIMessage
from langchain_core.output_parsers import JsonOutputParser, PydanticOutputParser
from langchain_core.output_parsers.openai_tools import JsonOutputKeyToolsParser, PydanticToolsParser
from langchain_core.runnables import Runnable, RunnableGenerator
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_core.utils.pydantic import is_basemodel_subclass

Method = Literal["json_schema", "function_calling", "json_mode"]

JSON_OBJECT: Final[Mapping[str, Any]] = {"type": "json_object"}


def format_of(schema: Any, method: Method, strict: bool | None) -> Mapping[str, Any]:
    """The request's `response_format`. Raises `ValueError` for a method that does not exist, or lacks its schema."""
    if method == "json_mode":
        return JSON_OBJECT
    if method != "json_schema":
        raise ValueError(f"method is {method!r}; it must be one of {', '.join(get_args(Method))}")
    if schema is None:
        raise ValueError("with_structured_output() without a schema; only method='json_mode' goes without one")
    if isinstance(schema, Mapping) and "json_schema" in schema:
        return schema
    function = convert_to_openai_tool(schema, strict=strict)["function"]
    named = {"name": function["name"], "schema": function.get("parameters") or {"type": "object", "properties": {}}}
    if description := function.get("description"):
        named["description"] = description
    if strict is not None:
        named["strict"] = strict
    return {"type": "json_schema", "json_schema": named}


def parser_of(schema: Any, method: Method) -> Runnable[AIMessage, Any]:
    """What makes the answer: an instance of a Pydantic class, else a dict."""
    parser: Runnable[Any, Any]
    classy = isinstance(schema, type) and is_basemodel_subclass(schema)
    if method != "function_calling":
        parser = PydanticOutputParser(pydantic_object=schema) if classy else JsonOutputParser()
    elif classy:
        parser = PydanticToolsParser(tools=[schema], first_tool_only=True)
    else:
        name = convert_to_openai_tool(schema)["function"]["name"]
        parser = JsonOutputKeyToolsParser(key_name=name, first_tool_only=True)
    return RunnableGenerator(_unrefused, _aunrefused) | parser


def _unrefused(messages: Iterator[AIMessage]) -> Iterator[AIMessage]:
    """The messages, or chunks of one, as they come, unless the model refused."""
    for message in messages:
        yield _checked(message)


async def _aunrefused(messages: AsyncIterator[AIMessage]) -> AsyncIterator[AIMessage]:
    async for message in messages:
        yield _checked(message)


def _checked(message: AIMessage) -> AIMessage:
    if refusal := message.additional_kwargs.get("refusal"):
        raise ModelRefusalError(f"the model refused to answer in this form: {refusal}", raw_message=message)
    return message
