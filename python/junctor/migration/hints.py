"""Why keys of LiteLLM have no counterpart, and what does their job. What is not listed here is merely unknown."""

from __future__ import annotations

from typing import Final

Hints = dict[str, tuple[str, str]]

_GUIDE: Final = "see docs/guides/from-litellm.md"
_BREAKER: Final = ("the breaker decides by itself when a deployment rests and for how long", "nothing to set")
_ELSEWHERE: Final = ("this is set up in the program, not in the fleet file", _GUIDE)
_AWS: Final = ("AWS credentials are not written into fleet files", "set AWS_ACCESS_KEY_ID and its kin, or AWS_PROFILE")
_GOOGLE: Final = ("Google credentials are not written into fleet files", "set GOOGLE_APPLICATION_CREDENTIALS")
_ENTRA: Final = ("junctor does not sign in at Entra ID", "keep a token in a file and write key: file:path")
_DEFAULT: Final = ("a fleet file has no default parameters of calls", "send it with the call, or cap it by a rule")
_CACHE: Final = ("junctor keeps no answers", "put a cache before it")
_DOOR: Final = ("doors and their keys are not routing", "see the gateway's guide")
_LOGS: Final = (
    "junctor calls back in the program",
    "use on_receipt of the client, or the exporters of junctor.observe",
)

ENTRY: Final[Hints] = {
    "model_group": ("the group's name is model_name", "nothing, if both are the same"),
}

PARAMS: Final[Hints] = {
    "max_retries": ("attempts are counted for the whole fleet", "set dispatch.attempts"),
    "mock_response": ("junctor sends every call", "use junctor.testing for tests"),
    "tags": ("deployments have no tags", "write a rule with when: {tags: …} and use: a group"),
    "tag_regex": ("deployments have no tags", "write a rule with when: {tags: …} and use: a group"),
    "daily_reset_time": ("days begin at midnight of a time zone", "write reset: {zone: Area/City} at the deployment"),
    "azure_ad_token": _ENTRA,
    "tenant_id": _ENTRA,
    "client_id": _ENTRA,
    "client_secret": _ENTRA,
    "azure_username": _ENTRA,
    "azure_password": _ENTRA,
    **dict.fromkeys(
        (
            *(
                "aws_access_key_id",
                "aws_secret_access_key",
                "aws_session_token",
                "aws_session_name",
                "aws_profile_name",
            ),
            *("aws_role_name", "aws_web_identity_token", "aws_sts_endpoint", "aws_bedrock_runtime_endpoint"),
        ),
        _AWS,
    ),
    "vertex_credentials": _GOOGLE,
    **dict.fromkeys(
        (
            *("temperature", "top_p", "top_k", "max_tokens", "max_completion_tokens", "stop", "seed", "n", "user"),
            *("frequency_penalty", "presence_penalty", "reasoning_effort", "thinking", "response_format", "tools"),
            *("extra_body", "service_tier", "metadata", "input_type", "dimensions", "encoding_format"),
        ),
        _DEFAULT,
    ),
    "litellm_credential_name": ("junctor has no list of credentials", "write key: env:NAME at the deployment"),
    "cooldown_time": _BREAKER,
    "use_in_pass_through": _DOOR,
}

INFO: Final[Hints] = {
    "max_tokens": ("LiteLLM uses it for either limit", "write context_tokens or max_output_tokens at the deployment"),
    "access_groups": _DOOR,
    "team_id": _DOOR,
    "tier": ("a group's members are equals", "write two groups and a rule"),
}

ROUTER: Final[Hints] = {
    "allowed_fails": _BREAKER,
    "cooldown_time": _BREAKER,
    "allowed_fails_policy": _BREAKER,
    "disable_cooldowns": _BREAKER,
    "retry_after": ("delays between attempts are computed, the provider's word first", "nothing to set"),
    "retry_policy": ("which failures are tried again is one table for all", "see junctor.failures"),
    "model_group_retry_policy": ("which failures are tried again is one table for all", "see junctor.failures"),
    "content_policy_fallbacks": ("what a content filter refused is not sent elsewhere", "catch ContentFiltered"),
    "max_fallbacks": ("all groups of a fallback chain are tried, within the attempts", "set dispatch.attempts"),
    "routing_strategy_args": ("balancing has its own settings", "see balance in docs/guides/config.md"),
    "enable_tag_filtering": ("deployments have no tags", "write rules with when: {tags: …}"),
    "tag_filtering_match_any": ("deployments have no tags", "write rules with when: {tags: …}"),
    "provider_budget_config": ("budgets stand at pools and deployments", "write usd_per_day at a pool"),
    "cache_responses": _CACHE,
    "cache_kwargs": _CACHE,
    "caching_groups": _CACHE,
    "optional_pre_call_checks": ("affinity stands at the group", "write affinity: prefix or session at groups"),
    "default_litellm_params": _DEFAULT,
    "set_verbose": _ELSEWHERE,
    "debug_level": _ELSEWHERE,
    "alerting_config": _LOGS,
}

SETTINGS: Final[Hints] = {
    "callbacks": _LOGS,
    "success_callback": _LOGS,
    "failure_callback": _LOGS,
    "service_callback": _LOGS,
    "cache": _CACHE,
    "cache_params": _CACHE,
    "set_verbose": _ELSEWHERE,
    "json_logs": _ELSEWHERE,
    "allowed_fails": _BREAKER,
    "cooldown_time": _BREAKER,
    "content_policy_fallbacks": ROUTER["content_policy_fallbacks"],
    "modify_params": ("adapters make requests valid by themselves", "nothing to set"),
    "max_budget": ("budgets stand at pools and deployments", "write usd_per_day at a pool"),
    "budget_duration": ("budgets stand at pools and deployments", "write usd_per_day at a pool"),
}

GENERAL: Final[Hints] = {
    "master_key": _DOOR,
    "database_url": ("junctor has no database", "nothing to set"),
    "alerting": _LOGS,
    "max_parallel_requests": ("limits stand at pools and deployments", "write concurrency there"),
    "global_max_parallel_requests": ("limits stand at pools and deployments", "write concurrency there"),
}

TOP: Final[Hints] = {
    "environment_variables": ("a fleet file sets no variables", "set them where the program is started"),
    "include": ("a fleet file is one file", "import each of them and put the parts together"),
    "guardrails": ("junctor looks at no content", "put them before it"),
    "mcp_servers": ("junctor serves no tools of others", "keep them where they are"),
    "credential_list": ("junctor has no list of credentials", "write key: env:NAME at deployments"),
    "callback_settings": _LOGS,
}
