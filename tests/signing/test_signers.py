"""Signers of the two clouds: whose credentials they use, and what a call does that cannot have any."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from junctor import config
from junctor.client import Client
from junctor.exceptions import AuthError, ConfigError
from junctor.request import Endpoint, HttpRequest, Secret
from junctor.router import Router
from junctor.signing import SigningError
from junctor.signing.aws import AwsSigner
from junctor.signing.google import GoogleSigner
from junctor.signing.renewal import Held
from junctor.signing.sigv4 import Keys
from junctor.testing import Key, Server, SimulatedProvider
from junctor.testing.app import Answer, Request
from junctor.testing.scripted import ok
from tests.client.stage import Stage, outcomes, read

REQUEST = HttpRequest("POST", "https://h.example/model/m/converse", {"content-type": "application/json"}, b"{}")
KEYS = Keys("AKIDEXAMPLE", "canary-secret")


@pytest.fixture(autouse=True)
def _no_cloud_around(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Neither variables nor files of this machine, and no metadata server."""
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("AWS_BEARER_TOKEN_BEDROCK", raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("NO_GCE_CHECK", "true")
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    monkeypatch.delenv("GOOGLE_APPLICATION_CREDENTIALS", raising=False)


def credential(request: HttpRequest) -> str:
    return request.headers["authorization"].partition("Credential=")[2].partition("/")[0]


def renewed(signer: AwsSigner | GoogleSigner) -> HttpRequest:
    assert not signer.ready
    with pytest.raises(SigningError, match="run out"):
        signer.sign(REQUEST)
    asyncio.run(signer.renew())
    assert signer.ready
    return signer.sign(REQUEST)


def test_given_keys_need_no_fetch_and_carry_the_time() -> None:
    signer = AwsSigner("eu-west-1", keys=KEYS, clock=lambda: 1_700_000_000.0)
    assert signer.ready
    signed = signer.sign(REQUEST)
    assert signed.headers["x-amz-date"] == "20231114T221320Z"
    assert "/20231114/eu-west-1/bedrock/aws4_request" in signed.headers["authorization"]
    assert "canary" not in repr(signer) + repr(signed)


def test_the_default_chain_is_botocores(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pytest.importorskip("botocore", reason="botocore is not installed")
    (tmp_path / "credentials").write_text("[eu]\naws_access_key_id = AKIDPROFILE\naws_secret_access_key = s\n")
    assert credential(renewed(AwsSigner("eu-west-1", profile="eu"))) == "AKIDPROFILE"
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDENV")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "s")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "t")
    signed = renewed(AwsSigner("eu-west-1"))
    assert (credential(signed), signed.headers["x-amz-security-token"]) == ("AKIDENV", "t")


def test_no_credentials_anywhere_say_what_was_looked_for() -> None:
    pytest.importorskip("botocore", reason="botocore is not installed")
    with pytest.raises(SigningError, match="no AWS credentials were found; set AWS_ACCESS_KEY_ID"):
        asyncio.run(AwsSigner("eu-west-1").renew())
    with pytest.raises(SigningError, match=r"could not be fetched \(ProfileNotFound\)"):
        asyncio.run(AwsSigner("eu-west-1", profile="nowhere").renew())


def service_account(token_uri: str) -> dict[str, str]:
    serialization = pytest.importorskip("cryptography.hazmat.primitives.serialization", reason="no cryptography")
    rsa = pytest.importorskip("cryptography.hazmat.primitives.asymmetric.rsa", reason="no cryptography")
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    pem = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return {
        "type": "service_account",
        "client_email": "robot@acme.example",
        "private_key": pem,
        "private_key_id": "1",
        "token_uri": token_uri,
    }


def token_server(answers: list[tuple[int, Any]]) -> Server:
    """Google's token service on loopback: one answer after the other, the last one again and again."""

    def serve(request: Request, answer: Answer) -> None:
        assert request.path == "/token"
        status, body = answers.pop(0) if len(answers) > 1 else answers[0]
        answer.send(status, [("content-type", "application/json")], json.dumps(body).encode())

    return Server(serve)


def test_a_service_accounts_token_is_fetched_renewed_and_put_on_requests() -> None:
    pytest.importorskip("google.auth", reason="google-auth is not installed")
    token = {"access_token": "ya29.canary", "expires_in": 3600, "token_type": "Bearer"}
    ahead_s = 0.0
    with token_server([(200, token), (400, {"error": "invalid_grant"})]).in_thread() as server:
        account = Secret(json.dumps(service_account(f"{server.url}/token")), "file:sa.json")
        signer = GoogleSigner(account=account, clock=lambda: time.time() + ahead_s)
        assert renewed(signer).headers["authorization"] == "Bearer ya29.canary"
        ahead_s = 3590.0
        assert not signer.ready, "a token at its end is not used"
        with pytest.raises(SigningError, match=r"could not be fetched \(RefreshError\)"):
            asyncio.run(signer.renew())
        assert "canary" not in repr(signer)


def test_what_is_no_service_account_is_told_by_its_reference() -> None:
    pytest.importorskip("google.auth", reason="google-auth is not installed")
    for text in ("no json canary", '{"type": "service_account"}'):
        with pytest.raises(SigningError, match=r"file:sa\.json holds no service account key") as caught:
            asyncio.run(GoogleSigner(account=Secret(text, "file:sa.json")).renew())
        assert "canary" not in str(caught.value)
    with pytest.raises(SigningError, match=r"could not be fetched \(DefaultCredentialsError\)"):
        asyncio.run(GoogleSigner().renew())


class Failing:
    """A signer that finds nothing, or waits for it forever."""

    ready = False

    def __init__(self, *, forever: bool = False) -> None:
        self.forever = forever

    async def renew(self) -> None:
        if self.forever:
            await asyncio.Event().wait()
        raise SigningError("no credentials here")

    def sign(self, _request: HttpRequest) -> HttpRequest:
        raise AssertionError("it was not ready")


def staged(signer: Any, *, others: tuple[str, ...] = ("b",)) -> Stage:
    """Two deployments, the first of which signs."""
    stage = Stage({name: [ok("fine")] for name in ("a", *others)})
    endpoints = [stage.provider.endpoint(name) for name in ("a", *others)]
    endpoints[0] = msgspec.structs.replace(endpoints[0], key=None, signer=signer)
    stage.router.reload(_fleet_of(stage), endpoints)
    return stage


def _fleet_of(stage: Stage) -> bytes:
    names = list(stage.router.snapshot()["deployments"])
    weights = (1000.0, 1.0)
    deployments = [
        {"name": name, "provider": "openai", "model": "openai/m", "weight": weight, "capabilities": ["streaming"]}
        for name, weight in zip(names, weights, strict=False)
    ]
    return msgspec.json.encode(
        {"config_hash": "t", "deployments": deployments, "groups": [{"name": "g", "members": names}]}
    )


Run = Callable[[Stage], Any]
WAYS: list[Run] = [lambda stage: stage.chat(), lambda stage: stage.stream().reply]


@pytest.mark.parametrize("way", WAYS, ids=["chat", "stream"])
def test_what_is_sent_is_signed(way: Run) -> None:
    stage = staged(AwsSigner("eu-west-1", keys=KEYS))
    assert way(stage).text == "fine"
    assert credential(stage.provider.sent[0].request) == "AKIDEXAMPLE"
    stage.assert_released()


@pytest.mark.parametrize("way", WAYS, ids=["chat", "stream"])
def test_without_credentials_another_deployment_answers_and_nothing_was_sent(way: Run) -> None:
    stage = staged(Failing())
    reply = way(stage)
    assert outcomes(reply.receipt) == [("a", "auth"), ("b", "ok")]
    assert [sent.request.url.partition("//")[2][0] for sent in stage.provider.sent] == ["b"]
    stage.assert_released()


def test_without_any_other_deployment_the_caller_is_told() -> None:
    stage = staged(Failing(), others=())
    with pytest.raises(AuthError, match="no credentials here"):
        stage.chat()
    stage.assert_released()


@pytest.mark.parametrize("way", WAYS, ids=["chat", "stream"])
def test_a_wait_for_credentials_counts_against_the_attempt(way: Run) -> None:
    stage = staged(Failing(forever=True))
    reply = way(stage)
    assert outcomes(reply.receipt) == [("a", "timeout"), ("b", "ok")]
    stage.assert_released()


def test_a_call_cancelled_while_it_waits_for_credentials_releases_all() -> None:
    stage = staged(Failing(forever=True))

    async def scenario() -> None:
        task = asyncio.ensure_future(stage.client.chat("g", [{"role": "user", "content": "Hi"}]))
        for _ in range(5):
            await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    stage.run(scenario())
    stage.assert_released()


def test_a_signed_call_reaches_a_provider_over_the_network() -> None:
    """Over real sockets, whole and streamed: the provider knows whoever asks by the signature's key id."""

    async def scenario() -> None:
        async with SimulatedProvider([Key("AKIDEXAMPLE", dialect="bedrock")]) as provider:
            endpoint = Endpoint(
                deployment="d", provider="bedrock", adapter="bedrock", model="us.amazon.nova-lite-v1:0",
                base_url=provider.base_url("bedrock"), signer=AwsSigner("us-east-1", keys=KEYS),
            )  # fmt: skip
            deployment = {"name": "d", "provider": "bedrock", "model": "bedrock/m", "capabilities": ["streaming"]}
            router = Router(msgspec.json.encode({"config_hash": "t", "deployments": [deployment]}), [endpoint], seed=1)
            client = Client(router, seed=1)
            reply = await client.chat("bedrock/m", [{"role": "user", "content": "Hi"}])
            streamed = await read(client, "bedrock/m")
            assert reply.text
            assert streamed.reply.text == streamed.text != ""
            assert reply.model == "us.amazon.nova-lite-v1:0", "Bedrock does not say who answered"
            await client.aclose()

    asyncio.run(scenario())


def endpoints_of(providers: dict[str, Any], model: str, environ: dict[str, str], **deployment: Any) -> Endpoint:
    fleet = {"version": 1, "providers": providers, "deployments": {"d": {"model": model, **deployment}}}
    return config.compile(config.from_mapping(fleet), environ=environ).endpoints[0]


BEDROCK = "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0"


def test_who_asks_bedrock_is_decided_in_order() -> None:
    pytest.importorskip("botocore", reason="botocore is not installed")
    here = {"region": "us-east-1"}
    pair = {"access_key_id": "env:A", "secret_access_key": "env:B", "session_token": "env:C"}
    environ = {"TOKEN": "t1", "AWS_BEARER_TOKEN_BEDROCK": "t2", "A": "AKIDA", "B": "b", "C": "c"}

    own = endpoints_of({"bedrock": here}, BEDROCK, environ, key="env:TOKEN")
    assert (own.key, own.signer) == (Secret("t1", "env:TOKEN"), None)
    told = endpoints_of({"bedrock": {**here, "key": "env:TOKEN"}}, BEDROCK, environ)
    assert (told.key, told.signer) == (Secret("t1", "env:TOKEN"), None)
    found = endpoints_of({"bedrock": here}, BEDROCK, environ)
    assert (found.key, found.signer) == (Secret("t2", "env:AWS_BEARER_TOKEN_BEDROCK"), None)
    assert found.base_url == "https://bedrock-runtime.us-east-1.amazonaws.com"
    paired = endpoints_of({"bedrock": {**here, "credentials": pair}}, BEDROCK, environ)
    assert paired.key is None
    assert isinstance(paired.signer, AwsSigner)
    signed = paired.signer.sign(REQUEST)
    assert (credential(signed), signed.headers["x-amz-security-token"]) == ("AKIDA", "c")
    chain = endpoints_of({"bedrock": here}, BEDROCK, {})
    assert chain.key is None
    assert isinstance(chain.signer, AwsSigner)
    assert not chain.signer.ready, "nothing is looked for before the first call"
    assert "AKIDA" not in repr(paired)


def test_clients_have_credentials_fetched_when_a_fleet_is_adopted_and_routers_do_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """At the opening and after a reload alike, so that the first signed call need not wait."""
    looked: list[str | None] = []
    found = threading.Semaphore(0)

    def chain(profile: str | None) -> Held[Keys]:
        looked.append(profile)
        found.release()
        return Held(KEYS, lambda _: True)

    def write(profile: str) -> Path:
        provider = {"adapter": "bedrock", "region": "eu-west-1", "credentials": {"profile": profile}}
        deployments = {name: {"model": f"aws/{name}"} for name in ("one", "two")}
        fleet = {"version": 1, "state": "process", "providers": {"aws": provider}, "deployments": deployments}
        file = tmp_path / "fleet.yaml"
        file.write_bytes(msgspec.json.encode(fleet))
        return file

    monkeypatch.setattr("junctor.signing.aws._from_chain", chain)
    monkeypatch.setattr("junctor.config.signers.find_spec", lambda _: object())
    file = write("first")
    router = Router.open(file)
    router.reload_from(file)
    assert looked == []
    Client(router)
    assert found.acquire(timeout=10)
    assert looked == ["first"], "the deployments of one provider share what signs"
    router.reload_from(write("second"))
    assert found.acquire(timeout=10)
    assert looked == ["first", "second"]


def test_deployments_of_one_provider_share_a_signer() -> None:
    fleet = {
        "version": 1,
        "providers": {"vertex": {"project": "acme", "region": "europe-west4"}},
        "deployments": {
            "flash": {"model": "vertex/gemini-2.5-flash"},
            "sonnet": {"model": "vertex/claude-sonnet-4-5@20250929"},
            "own": {"model": "vertex/gemini-2.5-pro", "key": "env:T"},
        },
    }
    flash, sonnet, own = config.compile(config.from_mapping(fleet), environ={"T": "token"}).endpoints
    base = "https://europe-west4-aiplatform.googleapis.com/v1beta1/projects/acme/locations/europe-west4"
    assert {flash.base_url, sonnet.base_url, own.base_url} == {base}
    assert (flash.adapter, sonnet.adapter, own.adapter) == ("gemini", "anthropic", "gemini")
    assert flash.signer is sonnet.signer is not None
    assert (own.signer, own.key) == (None, Secret("token", "env:T"))


@pytest.mark.parametrize(
    ("region", "host"),
    [
        (None, "aiplatform.googleapis.com/v1beta1/projects/acme/locations/global"),
        ("eu", "aiplatform.eu.rep.googleapis.com/v1beta1/projects/acme/locations/eu"),
        ("us-east5", "us-east5-aiplatform.googleapis.com/v1beta1/projects/acme/locations/us-east5"),
    ],
)
def test_vertex_addresses(region: str | None, host: str) -> None:
    told = {"project": "acme", **({"region": region} if region else {}), "key": "env:T"}
    assert endpoints_of({"vertex": told}, "vertex/gemini-2.5-flash", {"T": "t"}).base_url == f"https://{host}"


def test_a_region_of_china_has_its_own_domain_and_a_second_account_needs_its_adapter_only() -> None:
    told = {"b2": {"adapter": "bedrock", "region": "cn-north-1", "key": "env:T"}}
    endpoint = endpoints_of(told, "b2/amazon.nova-lite-v1:0", {"T": "t"})
    assert (endpoint.base_url, endpoint.adapter) == (
        "https://bedrock-runtime.cn-north-1.amazonaws.com.cn",
        "bedrock",
    )


def test_the_region_is_read_off_bedrocks_own_address() -> None:
    told = {"bedrock": {"base_url": "https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com"}}
    fleet = {"version": 1, "providers": told, "deployments": {"d": {"model": BEDROCK}}}
    identity = config.from_mapping(fleet).providers["bedrock"].identity
    assert identity is not None
    assert identity.region == "us-gov-west-1"


@pytest.mark.parametrize("extra", ["bedrock", "vertex"])
def test_a_missing_library_is_told_when_the_fleet_is_loaded(extra: str, monkeypatch: pytest.MonkeyPatch) -> None:
    providers = {"bedrock": {"region": "us-east-1"}, "vertex": {"project": "acme"}}
    fleet = {"version": 1, "providers": providers, "deployments": {"d": {"model": f"{extra}/m"}}}
    monkeypatch.setattr("junctor.config.signers.find_spec", lambda _: None)
    with pytest.raises(ConfigError, match=rf'providers.{extra}: .* not installed; pip install "junctor\[{extra}\]"'):
        config.compile(config.from_mapping(fleet), environ={})
    config.compile(config.from_mapping(fleet), environ={}, secrets=False)


def test_an_unset_reference_among_credentials_is_named() -> None:
    told = {"region": "us-east-1", "credentials": {"access_key_id": "env:NOPE", "secret_access_key": "env:B"}}
    with pytest.raises(ConfigError, match=r"credentials.access_key_id: the environment variable NOPE is not set"):
        endpoints_of({"bedrock": told}, BEDROCK, {"B": "b"})
