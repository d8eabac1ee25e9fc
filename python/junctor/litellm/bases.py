"""What of LiteLLM is used, typed here: its two base classes, and its Router as far as it is asked.

The package must type-check where LiteLLM is not installed, and LiteLLM's own signatures are mostly untyped.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:

    class CustomLogger:
        """LiteLLM's callbacks as a class."""

    class CustomRoutingStrategyBase:
        """LiteLLM's strategies."""
else:
    from litellm.integrations.custom_logger import CustomLogger
    from litellm.types.router import CustomRoutingStrategyBase

__all__ = ["CustomLogger", "CustomRoutingStrategyBase", "LiteLLMRegistry", "LiteLLMRouter", "callbacks"]


class LiteLLMRegistry(Protocol):
    """`litellm.Router.registry()`: its deployments, and a number that changes with them."""

    @property
    def version(self) -> int:
        """Another one after each change."""

    def all(self) -> Sequence[Mapping[str, Any]]:
        """The entries of `model_list`, each with `model_info.id`."""

    def deployment_dict(self, id: str) -> Mapping[str, Any] | None:
        """The entry with this id."""

    def aliases(self) -> Mapping[str, Any]:
        """`model_group_alias`."""


class LiteLLMRouter(Protocol):
    """`litellm.Router`."""

    def registry(self) -> LiteLLMRegistry:
        """Its deployments."""

    def register_plugin(self, plugin: Any) -> None:
        """Route by this strategy."""


class LiteLLMCallbacks(Protocol):
    """`litellm.logging_callback_manager`: what every call of the process is told to."""

    def add_litellm_callback(self, callback: CustomLogger) -> None:
        """Tell this one, unless it takes it for one that it has, or has too many."""

    def get_all_callbacks(self) -> Sequence[object]:
        """Who is told."""

    def remove_callback_from_all_lists(self, obj: object) -> None:
        """Tell this one no more."""


def callbacks() -> LiteLLMCallbacks:
    """LiteLLM's own list of callbacks."""
    import litellm

    found: LiteLLMCallbacks = litellm.logging_callback_manager
    return found
