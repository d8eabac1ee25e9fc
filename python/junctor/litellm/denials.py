"""junctor's refusals as the exceptions that users of LiteLLM's Router catch, and that LiteLLM itself acts upon.

Nobody free is a `RateLimitError` with the time to come back, in the header that LiteLLM's retries read and as
`cooldown_time`, which LiteLLM's own error for this has. What no waiting changes is a `BadRequestError`, which LiteLLM
does not retry but falls back from; a prompt that is too long for everybody a `ContextWindowExceededError`, for which
there are fallbacks of their own. junctor's error, with its receipt, is the cause.
"""

from __future__ import annotations

import math
from typing import Any, Final, cast

from junctor.exceptions import JunctorError, NoCapacity, Refused

PROVIDER: Final = "junctor"


def denial(error: JunctorError, model: str) -> Exception:
    """The exception that tells this refusal to LiteLLM and its caller; raise it from `error`."""
    from litellm import exceptions

    if isinstance(error, NoCapacity):
        return _nobody_free(error, model)
    refusals = error.refusals.values() if isinstance(error, Refused) else ()
    if refusals and all(why.startswith("context_length") for why in refusals):
        raised: Exception = exceptions.ContextWindowExceededError(str(error), model=model, llm_provider=PROVIDER)
    else:
        raised = exceptions.BadRequestError(str(error), model=model, llm_provider=PROVIDER)
    return raised


def _nobody_free(error: NoCapacity, model: str) -> Exception:
    import httpx
    from litellm import exceptions

    later_s = max(0.0, error.retry_after_s)
    headers = {"retry-after": str(math.ceil(later_s))}
    raised: Any = exceptions.RateLimitError(
        message=str(error),
        model=model,
        llm_provider=PROVIDER,
        response=httpx.Response(429, headers=headers, request=httpx.Request("POST", "http://junctor.invalid/")),
        category=exceptions.RateLimitErrorCategory.LITELLM_RATE_LIMIT,
        headers=headers,
    )
    raised.litellm_response_headers = httpx.Headers(headers)
    raised.cooldown_time = later_s
    return cast("Exception", raised)
