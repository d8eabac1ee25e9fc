"""What headers say about limits and about when to come back, and what is made of headers that lie."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junctor import adapters
from junctor.adapters.http_date import http_date_s, rfc3339_s
from junctor.adapters.rate_limits import duration_s, read_limits
from junctor.adapters.retry_after import hint_s
from junctor.reply import RateLimit

DATE = "Wed, 19 Aug 2026 14:34:22 GMT"


def openai(**values: str) -> dict[str, str]:
    return {f"x-ratelimit-{name.replace('_', '-')}": value for name, value in values.items()}


def anthropic(what: str, limit: str, remaining: str, reset: str) -> dict[str, str]:
    prefix = f"anthropic-ratelimit-{what}"
    return {f"{prefix}-limit": limit, f"{prefix}-remaining": remaining, f"{prefix}-reset": reset}


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("6m0s", 360),
        ("12ms", 0.012),
        ("1s", 1),
        ("1h2m3.5s", 3723.5),
        ("2d", 172800),
        ("0", 0),
        ("1.5", 1.5),
        ("1m30s500ms", 90.5),
        ("", None),
        ("soon", None),
        ("-1s", None),
        ("NaN", None),
        ("1e308", None),
        ("9" * 400, None),
        ("5s3m", None),
    ],
)
def test_durations_are_read_as_providers_write_them(text: str, seconds: float | None) -> None:
    assert duration_s(text) == (None if seconds is None else pytest.approx(seconds))


def test_openai_and_its_kin() -> None:
    headers = openai(
        limit_requests="5000",
        remaining_requests="4999",
        reset_requests="12ms",
        limit_tokens="2000000",
        remaining_tokens="1999700",
        reset_tokens="9ms",
    )
    assert read_limits(headers) == ((RateLimit("rpm", 5000, 4999, 0.012), RateLimit("tpm", 2000000, 1999700, 0.009)), 0)
    without_reset = openai(limit_tokens="10000000", remaining_tokens="9982512")
    assert read_limits(without_reset) == ((RateLimit("tpm", 10000000, 9982512, None),), 0)


def test_requests_per_day_are_known_by_their_refill() -> None:
    """Low OpenAI tiers and all of Groq report the day under the minute's name."""
    low_tier = openai(limit_requests="200", remaining_requests="199", reset_requests="7m12s")
    assert read_limits(low_tier)[0] == (RateLimit("rpd", 200, 199, 432.0),)
    groq = openai(limit_requests="14400", remaining_requests="14370", reset_requests="2m59.56s")
    assert read_limits(groq)[0][0].dimension == "rpd"
    azure = openai(limit_requests="50", remaining_requests="49", reset_requests="1")
    assert read_limits(azure)[0][0].dimension == "rpm"


def test_anthropic_times_are_read_against_the_answers_own_date() -> None:
    headers = {
        "date": DATE,
        **anthropic("requests", "4000", "3999", "2026-08-19T14:34:23Z"),
        **anthropic("input-tokens", "450000", "449123", "2026-08-19T14:34:52Z"),
        **anthropic("output-tokens", "90000", "90000", "2026-08-19T14:34:20Z"),
    }
    limits, bad = read_limits(headers)
    assert bad == 0
    assert limits == (
        RateLimit("rpm", 4000, 3999, 1.0),
        RateLimit("input_tpm", 450000, 449123, 30.0),
        RateLimit("output_tpm", 90000, 89500, 0.0),
    )
    del headers["date"]
    assert [limit.reset_s for limit in read_limits(headers)[0]] == [None, None, None]


def test_a_rounded_remaining_is_read_as_its_lower_bound() -> None:
    """B37: remaining tokens rounded to the nearest thousand are treated as lower; requests are exact."""
    headers = {**anthropic("tokens", "12000000", "1000", "x"), **anthropic("requests", "5000", "1000", "x")}
    found = {limit.dimension: limit.remaining for limit in read_limits(headers)[0]}
    assert found == {"tpm": 500, "rpm": 1000}
    headers = {**anthropic("input-tokens", "450000", "0", DATE), **anthropic("requests", "1", "1", "x")}
    assert {limit.dimension: limit.remaining for limit in read_limits(headers)[0]}["input_tpm"] == 0


def test_mistral() -> None:
    headers = {
        "x-ratelimit-limit-req-minute": "360",
        "x-ratelimit-remaining-req-minute": "359",
        "x-ratelimit-limit-tokens-minute": "1500000",
        "x-ratelimit-remaining-tokens-minute": "1499000",
    }
    assert read_limits(headers)[0] == (RateLimit("rpm", 360, 359), RateLimit("tpm", 1500000, 1499000))


LIES = ["-5", "NaN", "inf", "1e308", "", " ", "9007199254740993", "9" * 400, "4, 5", "0x10", "soon", "3.5", "٣", "+7"]


@pytest.mark.parametrize("lie", LIES)
def test_a_header_that_lies_is_left_out_and_counted(lie: str) -> None:
    """B35: malformed, negative, NaN, beyond 2^53, empty, duplicated: ignored, counted, never a larger limit."""
    limits, bad = read_limits(openai(limit_requests="100", remaining_requests=lie, reset_requests="1s"))
    assert limits == (RateLimit("rpm", 100, None, 1.0),)
    assert bad == 1
    limits, bad = read_limits({**anthropic("requests", lie, "5", lie), "date": DATE})
    assert limits == (RateLimit("rpm", None, 5, None),)
    assert bad == 2


def test_more_remaining_than_the_limit_is_left_out_and_counted() -> None:
    """B35: a huge remaining never lifts the limit, and does not pass for "nothing used" either."""
    assert read_limits(openai(limit_tokens="100", remaining_tokens="1000")) == ((RateLimit("tpm", 100, None, None),), 1)


@given(
    st.dictionaries(
        st.sampled_from(
            sorted(
                {
                    **openai(limit_requests="", remaining_requests="", reset_requests=""),
                    **anthropic("requests", "", "", ""),
                    "date": "",
                    "retry-after": "",
                    "retry-after-ms": "",
                }
            )
        ),
        st.text(max_size=30),
    )
)
def test_no_header_raises(headers: dict[str, str]) -> None:
    limits, bad = read_limits(headers)
    assert bad >= 0
    assert all(limit.remaining is None or 0 <= limit.remaining <= 2**53 for limit in limits)
    assert all(limit.reset_s is None or limit.reset_s >= 0 for limit in limits)
    hint = hint_s(headers)
    assert hint is None or 0 <= hint <= 3600


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "2"}, 2.0),
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "1e18"}, 3600.0),
        ({"retry-after": "1e999"}, 3600.0),
        ({"retry-after": "86400"}, 3600.0),
        ({"retry-after": "NaN"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": ""}, None),
        ({"retry-after": "Wed, 19 Aug 2026 14:35:22 GMT", "date": DATE}, 60.0),
        ({"retry-after": "Wednesday, 19-Aug-26 14:35:22 GMT", "date": DATE}, 60.0),
        ({"retry-after": "Wed, 19 Aug 2026 14:33:22 GMT", "date": DATE}, 0.0),
        ({"retry-after": "Thu, 20 Aug 2026 14:34:22 GMT", "date": DATE}, 3600.0),
        ({"retry-after": "Wed, 19 Aug 2026 14:35:22 GMT"}, None),
        ({"retry-after": "Wed, 19 Aug 2026 14:35:22 GMT", "date": "yesterday"}, None),
        ({"retry-after-ms": "250", "x-ms-retry-after-ms": "900", "retry-after": "9"}, 0.25),
        ({"x-ms-retry-after-ms": "900", "retry-after": "9"}, 0.9),
        ({"retry-after-ms": "soon", "retry-after": "9"}, 9.0),
        ({"retry-after-ms": "0", "retry-after": "1"}, 1.0),
        ({}, None),
    ],
)
def test_a_hint_is_clamped_or_ignored_never_believed_blindly(headers: dict[str, str], seconds: float | None) -> None:
    """B38: −1, 0, 1e18, NaN, words, dates in the past or skewed, 24 h: within [0, 1 h], in the order of sources."""
    assert hint_s(headers) == seconds


def test_the_bodys_hint_comes_last() -> None:
    body = {"error": {"details": [{"@type": "x"}, {"retryDelay": "34.4s"}]}}
    assert hint_s({}, body) == 34.4
    assert hint_s({"retry-after": "2"}, body) == 2.0
    assert hint_s({}, {"error": {"details": [{"retryDelay": "soon"}]}}) is None
    assert hint_s({}, {"error": {"details": "none"}}) is None


def test_dates_of_every_form_are_read_and_others_are_none() -> None:
    assert http_date_s("Sun, 06 Nov 1994 08:49:37 GMT") == http_date_s("Sunday, 06-Nov-94 08:49:37 GMT") == 784111777
    assert http_date_s("Sun, 06 Nov 1994 08:49:37 +0000") == http_date_s("Sun Nov  6 08:49:37 1994") == 784111777
    assert http_date_s("Sun, 99 Nov 1994 08:49:37 GMT") is None
    assert rfc3339_s("1994-11-06T08:49:37Z") == rfc3339_s("1994-11-06T09:49:37.000+01:00") == 784111777
    assert rfc3339_s("1994-11-06") is None


def test_an_adapter_tells_limits_of_errors_too() -> None:
    headers = openai(limit_requests="50", remaining_requests="0", reset_requests="60")
    assert adapters.get("openai").rate_limits(headers) == (RateLimit("rpm", 50, 0, 60.0),)
