"""junctor for LangChain and LangGraph: a chat model over a fleet, and middleware that routes each step of an agent.

```python
model = ChatJunctor(fleet="fleet.yaml", model="auto")
agent = create_agent(model, tools, middleware=[JunctorMiddleware(models={"plan": "strong", "act": "small"})])
```

The chat model needs `langchain-core` alone, the middleware `langchain`; `pip install 'junctor[langchain]'` brings both.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from junctor.langchain.chat_model import ChatJunctor as ChatJunctor
    from junctor.langchain.middleware import BudgetSpent as BudgetSpent
    from junctor.langchain.middleware import JunctorMiddleware as JunctorMiddleware
    from junctor.langchain.steps import Step as Step

__all__ = ["BudgetSpent", "ChatJunctor", "JunctorMiddleware", "Step"]

_HOMES: Final = {
    "BudgetSpent": "middleware",
    "ChatJunctor": "chat_model",
    "JunctorMiddleware": "middleware",
    "Step": "steps",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = globals()[name] = getattr(import_module(f"{__name__}.{home}"), name)
    return found
