"""Requests of AWS's own client, captured and signed again by us: the same headers, to the letter."""

from __future__ import annotations

import calendar
import time
from typing import Any
from urllib.parse import quote, urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junctor.request import HttpRequest
from junctor.signing import sigv4
from junctor.signing.sigv4 import Keys

boto3 = pytest.importorskip("boto3", reason="boto3 is not installed")
auth = pytest.importorskip("botocore.auth", reason="botocore is not installed")
awsrequest = pytest.importorskip("botocore.awsrequest", reason="botocore is not installed")
credentials = pytest.importorskip("botocore.credentials", reason="botocore is not installed")

LASTING = Keys("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
TEMPORARY = Keys("ASIAEXAMPLE", "secret+of/a=session", "IQoJb3JpZ2luX2Vj/token+with==")
MODELS = [
    "us.anthropic.claude-sonnet-4-5-20250929-v1:0",
    "amazon.nova-micro-v1:0",
    "arn:aws:bedrock:us-east-1:123456789012:application-inference-profile/mi1dadi0g15f",
]


class Captured(Exception):
    """Carries what boto3 was about to send."""

    def __init__(self, request: Any) -> None:
        self.request = request


def captured(operation: str, model: str, keys: Keys, region: str) -> Any:
    """The signed request that boto3 would send for one Converse call."""
    client = boto3.client(
        "bedrock-runtime",
        region_name=region,
        aws_access_key_id=keys.access_key_id,
        aws_secret_access_key=keys.secret_access_key,
        aws_session_token=keys.session_token,
    )

    def stop(request: Any, **_: Any) -> None:
        raise Captured(request)

    client.meta.events.register("before-send.bedrock-runtime.*", stop)
    with pytest.raises(Captured) as caught:
        getattr(client, operation)(modelId=model, messages=[{"role": "user", "content": [{"text": "Grüße 😀"}]}])
    return caught.value.request


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("operation", ["converse", "converse_stream"])
@pytest.mark.parametrize("keys", [LASTING, TEMPORARY], ids=["lasting", "temporary"])
def test_a_request_of_boto3_gets_the_headers_that_boto3_gave_it(model: str, operation: str, keys: Keys) -> None:
    theirs = captured(operation, model, keys, "eu-central-1")
    headers = {name.lower(): v.decode() if isinstance(v, bytes) else v for name, v in theirs.headers.items()}
    made = {name: headers.pop(name, None) for name in ("authorization", "x-amz-date", "x-amz-security-token")}
    signed = made["authorization"].partition("SignedHeaders=")[2].partition(",")[0].split(";")
    sent = {name: value for name, value in headers.items() if name in signed}
    now_s = calendar.timegm(time.strptime(made["x-amz-date"], "%Y%m%dT%H%M%SZ"))
    ours = sigv4.sign(
        HttpRequest("POST", theirs.url, sent, theirs.body), keys, now_s=now_s, region="eu-central-1", service="bedrock"
    )
    assert {name: ours.headers.get(name) for name in made} == made
    assert ours.headers.items() >= sent.items()
    assert (ours.url, ours.body) == (theirs.url, theirs.body)


TEXT = st.text(st.characters(codec="ascii", exclude_characters="#?\\", min_codepoint=33), max_size=8)


@given(
    st.sampled_from(["GET", "POST"]),
    st.lists(TEXT.map(lambda part: part.replace("%", "%25")), max_size=3),
    st.lists(st.tuples(st.sampled_from(["a", "b", "A-1"]), st.sampled_from(["", "x y", "1/2", "ü"])), max_size=3),
    st.dictionaries(st.sampled_from(["content-type", "x-team", "accept"]), st.sampled_from(["a", " b  c ", "*/*"])),
    st.binary(max_size=40),
    st.sampled_from([LASTING, TEMPORARY]),
)
def test_any_request_is_signed_as_botocore_signs_it(
    method: str, path: list[str], query: list[tuple[str, str]], headers: dict[str, str], body: bytes, keys: Keys
) -> None:
    """Paths with dot segments and signs of all kinds, queries, headers with blanks; by botocore's own clock."""
    url = "https://host.example:8443/" + "/".join(path) + (f"?{urlencode(query, quote_via=quote)}" if query else "")
    theirs = awsrequest.AWSRequest(method=method, url=url, headers=dict(headers), data=body)
    given_keys = credentials.Credentials(keys.access_key_id, keys.secret_access_key, keys.session_token)
    auth.SigV4Auth(given_keys, "bedrock", "us-east-1").add_auth(theirs)
    now_s = calendar.timegm(time.strptime(theirs.headers["X-Amz-Date"], "%Y%m%dT%H%M%SZ"))
    ours = sigv4.sign(HttpRequest(method, url, headers, body), keys, now_s=now_s, region="us-east-1", service="bedrock")
    assert ours.headers["authorization"] == theirs.headers["Authorization"]


def test_what_signs_shows_no_secret() -> None:
    assert "EXAMPLE" not in repr(LASTING) + repr(TEMPORARY)
    assert "secret" not in f"{TEMPORARY}"


def test_headers_of_an_earlier_attempt_are_replaced() -> None:
    request = HttpRequest("POST", "https://h.example/x", {"content-type": "application/json"}, b"{}")
    once = sigv4.sign(request, TEMPORARY, now_s=1_700_000_000, region="r", service="s")
    later = sigv4.sign(once, TEMPORARY, now_s=1_700_000_060, region="r", service="s")
    assert later == sigv4.sign(request, TEMPORARY, now_s=1_700_000_060, region="r", service="s")
    assert once.headers["x-amz-date"] == "20231114T221320Z"
