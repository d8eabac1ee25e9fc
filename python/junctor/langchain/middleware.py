"""Middleware for LangChain's agents: each step goes where it should, and what it costs is kept with the conversation.

LangChain's own router asks a model once which model shall serve a run. Here nothing is asked and every step is routed:
the middleware says what the step is for (see `steps`), and the fleet's rules, or `models`, say who serves it. Steps of
one thread share a session, so that they stay where the conversation's beginning is cached, in groups with
`affinity: session`.

Money is counted in two numbers of the agent's state: `junctor_run_cost_usd_micros` since the run began, and
`junctor_thread_cost_usd_micros` since the thread did, if a checkpointer keeps it. They count the agent's own model
calls that ended well; what other middleware asks of models of its own, or what failed in the end, is in receipts only.
The receipt of each call stands in short on its message, `message.response_metadata["junctor"]`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Annotated, Any, Final, Literal, NotRequired

from langchain.agents.middleware.types import (
    AgentMiddleware,
    AgentState,
    ModelRequest,
    ModelResponse,
    OmitFromSchema,
    hook_config,
)
from langchain_core.messages import AIMessage
from langgraph.channels.untracked_value import UntrackedValue
from langgraph.runtime import Runtime

from junctor.exceptions import ConfigError, JunctorError
from junctor.langchain.answers import cost_usd_micros
from junctor.langchain.calls import known, merged
from junctor.langchain.chat_model import ChatJunctor
from junctor.langchain.steps import step_of

Options = Mapping[str, Any]

RUN: Final = "junctor_run_cost_usd_micros"
THREAD: Final = "junctor_thread_cost_usd_micros"

_Told = OmitFromSchema(input=True, output=False)


class JunctorState(AgentState[Any]):
    """An agent's state with what its model calls cost so far, in millionths of a dollar."""

    junctor_run_cost_usd_micros: NotRequired[Annotated[int, UntrackedValue, _Told]]
    junctor_thread_cost_usd_micros: NotRequired[Annotated[int, _Told]]


class BudgetSpent(JunctorError):
    """A run or thread of an agent has spent its budget; the step that would follow was not begun."""

    def __init__(self, message: str, *, spent_usd: float, budget_usd: float) -> None:
        super().__init__(message)
        self.spent_usd = spent_usd
        self.budget_usd = budget_usd


class JunctorMiddleware(AgentMiddleware[JunctorState, Any, Any]):
    """Routes each model call of an agent whose model is a `ChatJunctor`.

    - `models` names a group, model or deployment for steps, such as `{"plan": "strong", "act": "small"}`. Steps that it
      does not name keep the agent's model. With `auto` there, the fleet's rules decide: they see the step as a tag,
      `when: {tags: {step: act}}`, beside tools, tokens and whatever `options` say.
    - `step` names the step instead of `steps.step_of`: a function of the `ModelRequest`.
    - `options` are options of `Client.chat` for each call, or a function that makes them of the `ModelRequest`, for
      example a tenant from the run's context. `session` is the thread unless they say otherwise.
    - `run_budget_usd` and `thread_budget_usd` end the agent before a step that begins with so much spent; the last step
      may exceed it by its own cost. `exit_behavior` is `end` (with a message that says so) or `error` (`BudgetSpent`).
    """

    state_schema = JunctorState

    def __init__(
        self,
        *,
        models: Mapping[str, str] | None = None,
        step: Callable[[ModelRequest[Any]], str] | None = None,
        options: Options | Callable[[ModelRequest[Any]], Options] | None = None,
        run_budget_usd: float | None = None,
        thread_budget_usd: float | None = None,
        exit_behavior: Literal["end", "error"] = "end",
    ) -> None:
        """Raises `ConfigError` for a budget that is none, `InvalidRequest` for an option that does not exist."""
        super().__init__()
        self.tools = []
        if exit_behavior not in ("end", "error"):
            raise ConfigError(f"exit_behavior is {exit_behavior!r}; it must be end or error")
        self._budgets = {
            key: (name, _micros(name, budget))
            for key, name, budget in ((RUN, "run", run_budget_usd), (THREAD, "thread", thread_budget_usd))
            if budget is not None
        }
        self._models = dict(models or {})
        self._step = step or (lambda request: step_of(request.messages, request.tools))
        self._options = options if callable(options) else known(options or {})
        self._exit_behavior = exit_behavior

    @hook_config(can_jump_to=["end"])
    def before_model(self, state: JunctorState, runtime: Runtime[Any]) -> dict[str, Any] | None:  # noqa: ARG002 - the hook's signature
        """End the agent if a budget is spent."""
        for key, (name, budget) in self._budgets.items():
            spent = int(state.get(key, 0))  # type: ignore[call-overload]  # a key of the state, by its constant
            if spent >= budget:
                said = f"the {name} has spent {spent / 1e6:.6f} of its {budget / 1e6:.6f} USD"
                if self._exit_behavior == "error":
                    raise BudgetSpent(said, spent_usd=spent / 1e6, budget_usd=budget / 1e6)
                return {"jump_to": "end", "messages": [AIMessage(f"I had to stop: {said}.")]}
        return None

    @hook_config(can_jump_to=["end"])
    async def abefore_model(self, state: JunctorState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """As `before_model`."""
        return self.before_model(state, runtime)

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """Send the step where it should go."""
        return handler(self.routed(request))

    async def awrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]]
    ) -> ModelResponse[Any]:
        """As `wrap_model_call`."""
        return await handler(self.routed(request))

    def after_model(self, state: JunctorState, runtime: Runtime[Any]) -> dict[str, Any] | None:  # noqa: ARG002 - as above
        """Count what the step cost."""
        answer = next((each for each in reversed(state["messages"]) if isinstance(each, AIMessage)), None)
        cost = 0 if answer is None else cost_usd_micros(answer)
        return {RUN: state.get(RUN, 0) + cost, THREAD: state.get(THREAD, 0) + cost}

    async def aafter_model(self, state: JunctorState, runtime: Runtime[Any]) -> dict[str, Any] | None:
        """As `after_model`."""
        return self.after_model(state, runtime)

    def routed(self, request: ModelRequest[Any]) -> ModelRequest[Any]:
        """The request with the model and options of its step. Raises `ConfigError` if its model is no `ChatJunctor`."""
        model = request.model
        if not isinstance(model, ChatJunctor):
            raise ConfigError(
                f"JunctorMiddleware routes a ChatJunctor, and this agent's model is a {type(model).__name__}; "
                "give create_agent(ChatJunctor(...), ...)"
            )
        step = self._step(request)
        wanted = self._models.get(step, model.model)
        told: dict[str, Any] = {"tags": {"step": step}}
        if (session := _session(request)) is not None:
            told["session"] = session
        own = self._options(request) if callable(self._options) else self._options
        settings = request.model_settings
        return request.override(
            model=model if wanted == model.model else model.asking(wanted),
            model_settings={**settings, "options": merged(told, own, settings.get("options") or {})},
        )


def _session(request: ModelRequest[Any]) -> str | None:
    """The thread, or where none is kept the conversation's first message, whose id stays the same through a run."""
    about = getattr(request.runtime, "execution_info", None)
    thread = None if about is None else about.thread_id
    return str(thread) if thread else next((message.id for message in request.messages), None)


def _micros(name: str, budget_usd: float) -> int:
    if not 0.000_001 <= budget_usd < float("inf"):
        raise ConfigError(f"{name}_budget_usd is {budget_usd}; it must be at least 0.000001 dollars, or left out")
    return round(budget_usd * 1_000_000)
