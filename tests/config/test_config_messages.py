"""Every message of a wrong fleet file, word for word: file, path, value, what is allowed, nearest name, hint."""

from __future__ import annotations

import pathlib
from collections.abc import Callable
from typing import Any

import pytest

from junctor import config
from junctor.exceptions import ConfigError

Lines = Callable[[dict[str, Any]], list[str]]
Spoil = Callable[[dict[str, Any]], Any]

KEYS = "accounting, adapter, base_url, first_content_timeout_s, headers, idle_timeout_s, key"


def _provider(name: str, **keys: Any) -> Spoil:
    return lambda f: f["providers"].update({name: keys})


_AWS = {"access_key_id": "env:A", "secret_access_key": "env:B"}
CLOUDS: list[tuple[str, Spoil, list[str]]] = [
    (
        "Bedrock without a region",
        _provider("bedrock"),
        [
            "providers.bedrock: region is missing; write the AWS region, such as region: us-east-1",
        ],
    ),
    (
        "Bedrock behind a gateway without a region",
        _provider("bedrock", base_url="https://gate.example"),
        [
            "providers.bedrock: region is missing; requests are signed for one: write it, such as region: us-east-1",
        ],
    ),
    (
        "a region that is none",
        _provider("bedrock", region="US East"),
        ["providers.bedrock.region: 'US East' is not a cloud region such as us-east-1, europe-west4 or global"],
    ),
    (
        "Vertex without a project",
        _provider("vertex", region="europe-west4"),
        [
            "providers.vertex: project is missing; write the Google Cloud project's id, such as project: acme-prod",
        ],
    ),
    (
        "a region where there are none",
        lambda f: f["providers"]["anthropic"].update(region="us"),
        ["providers.anthropic.region: binds nothing: only bedrock and vertex have it; a region is a deployment's"],
    ),
    (
        "credentials where there are none",
        lambda f: f["providers"]["anthropic"].update(credentials={"profile": "x"}, project="acme"),
        [
            "providers.anthropic.project: binds nothing: only bedrock and vertex have it; remove it",
            "providers.anthropic.credentials: binds nothing: only bedrock and vertex have it; remove it",
        ],
    ),
    (
        "a project of Bedrock",
        _provider("bedrock", region="us-east-1", project="acme"),
        ["providers.bedrock.project: binds nothing: only vertex has projects; remove it"],
    ),
    (
        "a key and credentials",
        _provider("bedrock", region="us-east-1", key="env:K", credentials=_AWS),
        ["providers.bedrock: has both key and credentials; use one of them"],
    ),
    (
        "half of a pair",
        _provider("bedrock", region="us-east-1", credentials={"access_key_id": "env:A"}),
        ["providers.bedrock.credentials: has half of a pair; give access_key_id and secret_access_key"],
    ),
    (
        "a pair and a profile",
        _provider("bedrock", region="us-east-1", credentials={**_AWS, "profile": "prod"}),
        ["providers.bedrock.credentials: has both profile and access_key_id; use one of them"],
    ),
    (
        "a secret in clear among credentials",
        _provider("bedrock", region="us-east-1", credentials={**_AWS, "access_key_id": "canary/secret"}),
        [
            "providers.bedrock.credentials.access_key_id: is written in clear; secrets are references: "
            "write env:NAME or file:path instead"
        ],
    ),
    (
        "Google's credentials at AWS",
        _provider("bedrock", region="us-east-1", credentials={"service_account": "file:sa.json"}),
        [
            "providers.bedrock.credentials.service_account: means nothing here; "
            "bedrock takes access_key_id, secret_access_key, profile"
        ],
    ),
    (
        "AWS's credentials at Google",
        _provider("vertex", project="acme", credentials={"profile": "prod"}),
        ["providers.vertex.credentials.profile: means nothing here; vertex takes service_account"],
    ),
]

SNAPSHOTS: list[tuple[str, Spoil, list[str]]] = [
    ("unknown section", lambda f: f.update(deployment={}), ["deployment: unknown key; did you mean 'deployments'?"]),
    (
        "unknown key",
        lambda f: f["deployments"]["opus"].update(rmp=5),
        ["deployments.opus.rmp: unknown key; did you mean 'rpm'?"],
    ),
    (
        "a key of another router",
        lambda f: f["deployments"]["opus"].update(api_key="x"),
        ["deployments.opus.api_key: unknown key; did you mean 'key'?"],
    ),
    (
        "unknown key with nothing near",
        lambda f: f["retry"].update(zzz=1),
        ["retry.zzz: unknown key; known keys: floor_per_s, ratio"],
    ),
    ("no version", lambda f: f.pop("version"), ["version is missing; it is 1; begin the file with version: 1"]),
    ("other version", lambda f: f.update(version=2), ["version: 2 is not 1"]),
    (
        "no deployments section",
        lambda f: f.pop("deployments"),
        ["deployments is missing; it is a mapping"],
    ),
    (
        "no model",
        lambda f: f["deployments"]["opus"].pop("model"),
        ["deployments.opus: model is missing; it is a provider and a model name, such as anthropic/claude-haiku-4-5"],
    ),
    (
        "model without provider",
        lambda f: f["deployments"]["opus"].update(model="gpt-4.1"),
        ["deployments.opus.model: 'gpt-4.1' is not a provider and a model name, such as anthropic/claude-haiku-4-5"],
    ),
    (
        "half a character in a value",
        lambda f: f["deployments"]["opus"].update(region="\ud800"),
        ["deployments.opus.region: holds half a character (a lone surrogate); write whole text"],
    ),
    (
        "half a character in a key",
        lambda f: f["groups"].update({"\udfff": {"members": ["opus"]}}),
        ["groups: a key here is half a character; keys are texts"],
    ),
    (
        "limit of zero",
        lambda f: f["deployments"]["llama"].update(rpm=0),
        [
            "deployments.llama.rpm: 0 is not a whole number from 1 to 1,000,000,000; "
            "to stop traffic set weight: 0, to lift the limit remove it"
        ],
    ),
    (
        "limit as text",
        lambda f: f["pools"]["acme"].update(tpm="400k"),
        ["pools.acme.tpm: '400k' is not a whole number from 1 to 1,000,000,000"],
    ),
    (
        "limit beyond counting",
        lambda f: f["pools"]["acme"].update(rpd=10**400),
        ["pools.acme.rpd: a number of more than 60 digits is not a whole number from 1 to 1,000,000,000,000"],
    ),
    (
        "negative weight",
        lambda f: f["deployments"]["opus"].update(weight=-1),
        ["deployments.opus.weight: -1 is not a number from 0 to 1,000,000; 0 drains the deployment"],
    ),
    (
        "price below nothing",
        lambda f: f["deployments"]["opus"]["price"].update(input=-0.5),
        ["deployments.opus.price.input: -0.5 is not a number from 0 to 10,000"],
    ),
    (
        "half a price",
        lambda f: f["deployments"]["opus"]["price"].pop("output"),
        ["deployments.opus.price: output is missing; it is a number from 0 to 10,000"],
    ),
    (
        "empty value",
        lambda f: f["deployments"]["opus"].update(region=None),
        ["deployments.opus.region: is empty; give it a value, or remove it (an empty section is {})"],
    ),
    (
        "a word that is no boolean",
        lambda f: f["deployments"]["opus"].update(baa="yes"),
        ["deployments.opus.baa: 'yes' is not true or false; only true and false are booleans here"],
    ),
    (
        "unknown capability",
        lambda f: f["deployments"]["opus"].update(capabilities=["tool"]),
        [
            "deployments.opus.capabilities[0]: 'tool' is not one of tools, parallel_tools, images, files, audio, "
            "structured_output, reasoning, streaming, logprobs, embeddings; did you mean 'tools'?"
        ],
    ),
    (
        "unknown objective",
        lambda f: f["groups"]["small"].update(objective="cheap"),
        [
            "groups.small.objective: 'cheap' is not one of balanced, cheapest, fastest, best or a mapping with the "
            "keys cost, floor, gap, latency, quality, tolerance; did you mean 'cheapest'?"
        ],
    ),
    (
        "unknown state",
        lambda f: f.update(state="hosts"),
        ["state: 'hosts' is not one of process, host or a mapping with the keys hosts, redis; did you mean 'host'?"],
    ),
    (
        "a name with a slash",
        lambda f: f["groups"].update({"a/b": {"members": ["opus"]}}),
        ["groups.a/b: this name is not a name of up to 100 letters, digits, dots, dashes and underscores"],
    ),
    (
        "one text for a list",
        lambda f: f["groups"]["small"].update(members="haiku"),
        [
            "groups.small.members: 'haiku' is not a non-empty list, each a name of up to 100 letters, digits, dots, "
            "dashes and underscores"
        ],
    ),
    (
        "unknown provider of a deployment",
        lambda f: f["deployments"]["opus"].update(model="antropic/claude-opus-4-8", pools=[]) or f.pop("pools"),
        ["deployments.opus.model: there is no provider 'antropic'; did you mean 'anthropic'?"],
    ),
    (
        "own host without dialect",
        lambda f: f["providers"]["vllm"].pop("adapter"),
        [
            "providers.vllm: is no known provider, so its adapter is needed; known providers: openai, anthropic, "
            "gemini, azure, groq, deepseek, xai, bedrock, …"
        ],
    ),
    *CLOUDS,
    (
        "own host without address",
        lambda f: f["providers"]["vllm"].pop("base_url"),
        ["providers.vllm: base_url is missing; write the host's address, such as http://10.0.0.7:8000/v1"],
    ),
    (
        "no address",
        lambda f: f["providers"]["vllm"].update(base_url="localhost:80"),
        [
            "providers.vllm.base_url: 'localhost:80' is no http or https address; write it like https://api.example.com/v1"
        ],
    ),
    (
        "no header name",
        lambda f: f["providers"]["vllm"]["headers"].update({"a b": "c"}),
        ["providers.vllm.headers.a b: this is no name of an HTTP header"],
    ),
    (
        "header of two lines",
        lambda f: f["providers"]["vllm"]["headers"].update({"x-a": "b\r\nc: d"}),
        ["providers.vllm.headers.x-a: holds characters that no HTTP header may carry; use one line of ASCII"],
    ),
    (
        "unknown pool",
        lambda f: f["deployments"]["llama"].update(pools=["acne"]),
        ["deployments.llama.pools[0]: there is no pool 'acne'; did you mean 'acme'?"],
    ),
    (
        "pool of another provider",
        lambda f: f["deployments"]["llama"].update(pools=["acme"]),
        [
            "deployments.llama.pools[0]: the pool 'acme' belongs to anthropic, the deployment to vllm; "
            "quotas are a provider's own"
        ],
    ),
    (
        "pool named twice",
        lambda f: f["deployments"]["opus"].update(pools=["acme", "acme"]),
        ["deployments.opus.pools[1]: the pool 'acme' is named already; name it once"],
    ),
    (
        "pool that nobody draws from",
        lambda f: f["pools"].update(spare={"rpm": 5}),
        ["pools.spare: binds nothing: no deployment draws from it; name it under pools of a deployment or remove it"],
    ),
    (
        "pool without limits",
        lambda f: f["pools"].update(acme={}),
        [
            "pools.acme: binds nothing: it has no limit; give it one of rpm, tpm, input_tpm, output_tpm, rpd, tpd, "
            "concurrency, usd_per_day"
        ],
    ),
    (
        "pool of nobody",
        lambda f: f["pools"]["acme"].update(provider="openal"),
        ["pools.acme.provider: there is no provider 'openal'; did you mean 'openai'?"],
    ),
    (
        "pool of a provider that no deployment uses",
        lambda f: f["pools"].update(spare={"provider": "gemini", "rpm": 5}),
        [
            "pools.spare.provider: no deployment is of gemini; name the provider of those that draw from the pool",
            "pools.spare: binds nothing: no deployment draws from it; name it under pools of a deployment or remove it",
        ],
    ),
    (
        "reset without a daily limit",
        lambda f: f["deployments"]["llama"].update(reset={"zone": "UTC"}),
        ["deployments.llama.reset: binds nothing: there is no daily limit; give rpd, tpd or usd_per_day"],
    ),
    (
        "burst without a limit per minute",
        lambda f: f["deployments"]["opus"].update(burst_s=5),
        ["deployments.opus.burst_s: binds nothing: the deployment has no limit per minute of its own"],
    ),
    (
        "unknown zone",
        lambda f: f["pools"]["acme"]["reset"].update(zone="America/Los_Angels"),
        ["pools.acme.reset.zone: 'America/Los_Angels' is no time zone; did you mean 'America/Los_Angeles'?"],
    ),
    (
        "more limits than a reservation holds",
        lambda f: f["deployments"]["opus"].update(rpm=1, tpm=1, input_tpm=1, output_tpm=1, rpd=1, tpd=1),
        [
            "deployments.opus: 9 limits are more than the 8 that one reservation may hold, those of its pools "
            "included; drop the ones that never bind"
        ],
    ),
    (
        "key and keys",
        lambda f: f["deployments"]["haiku"].update(key="env:C"),
        ["deployments.haiku: has both key and keys; use one of them"],
    ),
    (
        "one key twice",
        lambda f: f["deployments"]["haiku"].update(keys=["env:A", "env:A"]),
        ["deployments.haiku.keys[1]: env:A is listed already; name each key once"],
    ),
    (
        "no keys",
        lambda f: f["deployments"]["haiku"].update(keys=[]),
        [
            "deployments.haiku.keys: an empty list is not a non-empty list, each a reference: env:NAME or file:path; "
            "write env:NAME or file:path instead"
        ],
    ),
    (
        "unknown member",
        lambda f: f["groups"]["small"].update(members=["haiku", "lama"]),
        ["groups.small.members[1]: there is no deployment 'lama'; did you mean 'llama'?"],
    ),
    (
        "member twice, once by its key",
        lambda f: f["groups"]["small"].update(members=["haiku", "haiku.2"]),
        ["groups.small.members[1]: 'haiku.2' is a member already; name it once and give it a higher weight instead"],
    ),
    (
        "unknown fallback",
        lambda f: f["groups"]["strong"].update(fallback=["smal"]),
        ["groups.strong.fallback[0]: there is no group, model or deployment 'smal'; did you mean 'small'?"],
    ),
    (
        "fallback to itself",
        lambda f: f["groups"]["small"].update(fallback=["small"]),
        ["groups.small.fallback[0]: a group cannot fall back to itself; name another group"],
    ),
    (
        "unknown use",
        lambda f: f["rules"][3].update(use="stong"),
        ["rules[3].use: there is no group, model or deployment 'stong'; did you mean 'strong'?"],
    ),
    (
        "rule without action",
        lambda f: f["rules"][3].pop("use"),
        ["rules[3]: does nothing; give it use, cascade, classify, refuse, max_tokens, effort, max_cost_usd or prune"],
    ),
    (
        "refusal with more",
        lambda f: f["rules"][3].update(refuse="no"),
        ["rules[3].refuse: a rule that refuses does nothing else; remove the other actions"],
    ),
    (
        "unknown effort",
        lambda f: f["rules"][0].update(effort="hihg"),
        ["rules[0].effort: 'hihg' is not one of none, minimal, low, medium, high, xhigh, max; did you mean 'high'?"],
    ),
    (
        "unknown condition",
        lambda f: f["rules"][0]["when"].update(user_teir="x"),
        ["rules[0].when.user_teir: unknown key; did you mean 'user_tier'?"],
    ),
    (
        "no range",
        lambda f: f["rules"][0]["when"].update(input_tokens="few"),
        [
            "rules[0].when.input_tokens: 'few' is not a range of whole numbers from 0 to 1,000,000,000; "
            'write "<500", ">=1000", "500..2000" or {min: 500, max: 2000}'
        ],
    ),
    (
        "range upside down",
        lambda f: f["rules"][0]["when"].update(input_tokens="9..3"),
        [
            "rules[0].when.input_tokens: no number is at least 9 and at most 3; "
            'write "<500", ">=1000", "500..2000" or {min: 500, max: 2000}'
        ],
    ),
    (
        "range that holds for nothing",
        lambda f: f["rules"][0]["when"].update(input_tokens="<0"),
        [
            "rules[0].when.input_tokens: '<0' holds for no number; "
            'write "<500", ">=1000", "500..2000" or {min: 500, max: 2000}'
        ],
    ),
    (
        "range without bounds",
        lambda f: f["rules"][0]["when"].update(input_tokens={}),
        [
            "rules[0].when.input_tokens: the range has neither min nor max; "
            'write "<500", ">=1000", "500..2000" or {min: 500, max: 2000}'
        ],
    ),
    (
        "two tests of a tag",
        lambda f: f["rules"][1]["when"].update(tags={"env": {"prefix": "a", "present": True}}),
        [
            "rules[1].when.tags.env: a tag is tested by exactly one of prefix and present; "
            "for equality write the value alone"
        ],
    ),
    (
        "negation of nothing",
        lambda f: f["rules"][3].update(when={"not": {}}),
        ["rules[3].when.not: the negation of an empty condition never holds; name what must not be"],
    ),
    (
        "law that asks nothing",
        lambda f: f["compliance"][0].update(require={}),
        ["compliance[0].require: requires nothing; name region, provider, not_provider, agreements, baa or data"],
    ),
    (
        "group called auto",
        lambda f: f["groups"].update(auto={"members": ["opus"]}),
        ["groups.auto: auto is the word for requests that the rules place; choose another name"],
    ),
    (
        "group and deployment of one name",
        lambda f: f["groups"].update(opus={"members": ["llama"]}),
        ["groups.opus: is the name of a deployment too; rename one of them"],
    ),
    (
        "pool and deployment of one name",
        lambda f: f["pools"].update(llama={"rpm": 5}) or f["deployments"]["opus"]["pools"].append("llama"),
        ["pools.llama: is the name of a deployment or group too; rename one of them"],
    ),
    (
        "a counted-out name that is taken",
        lambda f: f["deployments"].update({"haiku.2": {"model": "anthropic/claude-haiku-4-5"}}),
        ["deployments.haiku.keys: makes haiku.2, a name that is taken; rename that one"],
    ),
    (
        "redis without a scheme",
        lambda f: f.update(state={"redis": "localhost"}),
        ["state.redis: is no address; write redis://host:6379, env:NAME or file:path"],
    ),
    (
        "attempts beyond three",
        lambda f: f["dispatch"].update(attempts=4),
        ["dispatch.attempts: 4 is not a whole number from 1 to 3"],
    ),
]


@pytest.mark.parametrize(("spoil", "expected"), [row[1:] for row in SNAPSHOTS], ids=[row[0] for row in SNAPSHOTS])
def test_each_mistake_has_its_message(
    small: dict[str, Any], problems_of: Lines, spoil: Spoil, expected: list[str]
) -> None:
    spoil(small)
    assert problems_of(small) == [f"fleet.yaml: {line}" for line in expected]


def test_all_problems_of_a_file_are_told_at_once_each_with_its_line(
    tmp_path: pathlib.Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    file = tmp_path / "fleet.yaml"
    file.write_text(
        "version: 1\n"
        "deployments:\n"
        "  a:\n"
        "    model: openai/gpt-4.1\n"
        "    rpm: many\n"
        "  b: {model: openai/gpt-4.1, wieght: 2}\n"
        "groups:\n"
        "  g:\n"
        "    members: [a, 3]\n"
    )
    with pytest.raises(ConfigError) as caught:
        config.load(file.name)
    assert str(caught.value).splitlines() == [
        "fleet.yaml: 3 problems",
        "  fleet.yaml:5: deployments.a.rpm: 'many' is not a whole number from 1 to 1,000,000,000",
        "  fleet.yaml:6: deployments.b.wieght: unknown key; did you mean 'weight'?",
        "  fleet.yaml:9: groups.g.members[1]: 3 is not a name of up to 100 letters, digits, dots, "
        "dashes and underscores",
    ]


def test_a_single_problem_is_the_message_itself() -> None:
    with pytest.raises(ConfigError) as caught:
        config.from_mapping({"version": 1, "deployments": {}})
    assert str(caught.value) == "config: deployments: is empty; a fleet needs at least one deployment"
    assert caught.value.problems == (str(caught.value),)


def test_a_flood_of_problems_is_cut_off() -> None:
    wrong = {f"d{n}": {"model": 1} for n in range(5000)}
    with pytest.raises(ConfigError) as caught:
        config.from_mapping({"version": 1, "deployments": wrong})
    assert len(caught.value.problems) == 100
    assert str(caught.value).startswith("config: 100 or more problems\n")
