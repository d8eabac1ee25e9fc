"""The response parser: one meaning for any cut of the bytes, and no guess where framing is doubtful."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from junctor.transport.http1 import MAX_HEAD_BYTES, MAX_LINE_BYTES, BadHttp, ResponseParser

LENGTH = b"HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = (
    b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3;name=x\r\nhel\r\n2\r\nlo\r\n0\r\nTrailer: ignored\r\n\r\n"
)
INTERIM = b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + LENGTH


def parsed(wire: bytes, cuts: list[int]) -> ResponseParser:
    """The parser after these bytes, cut at these places."""
    parser = ResponseParser()
    places = sorted({0, len(wire), *(cut % (len(wire) + 1) for cut in cuts)})
    for start, end in pairwise(places):
        parser.feed(wire[start:end])
    return parser


@pytest.mark.parametrize("wire", [LENGTH, CHUNKED, INTERIM])
@given(cuts=st.lists(st.integers(0, 500), max_size=30))
def test_any_cut_of_the_bytes_gives_the_same_response(wire: bytes, cuts: list[int]) -> None:
    """Pieces of a socket have nothing to do with the message."""
    parser = parsed(wire, cuts)
    assert (parser.status, b"".join(parser.pieces), parser.done, parser.reusable) == (200, b"hello", True, True)


@pytest.mark.parametrize("wire", [LENGTH, CHUNKED, INTERIM])
def test_byte_by_byte_gives_the_same_response(wire: bytes) -> None:
    """The extreme of the guarantee above, always run."""
    parser = parsed(wire, list(range(len(wire))))
    assert (parser.status, b"".join(parser.pieces), parser.done) == (200, b"hello", True)


@given(garbage=st.binary(max_size=400), cut=st.integers(0, 400))
def test_garbage_is_an_error_or_a_response_but_never_something_else(garbage: bytes, cut: int) -> None:
    """No bytes make the parser raise anything but `BadHttp`, or accept a response it cannot frame."""
    parser = ResponseParser()
    for piece in (garbage[:cut], garbage[cut:]):
        try:
            parser.feed(piece)
        except BadHttp:
            return
    if parser.done:
        assert parser.status >= 200


@given(
    st.lists(st.binary(max_size=3_000), max_size=60), st.sampled_from([b"", LENGTH[:60], CHUNKED[:50], CHUNKED[:60]])
)
def test_whatever_comes_no_more_is_kept_than_a_head_or_a_line(pieces: list[bytes], begun: bytes) -> None:
    """B45: what is not yet understood is bounded; what is goes to the reader piece by piece."""
    parser = ResponseParser()
    for piece in (begun, *pieces):
        try:
            parser.feed(piece)
        except BadHttp:
            return
        parser.pieces.clear()
        bound = MAX_LINE_BYTES if parser.status else MAX_HEAD_BYTES
        assert len(parser._buffer) <= bound + len(piece)


def test_a_truncated_body_is_an_error_at_the_end_of_the_connection() -> None:
    """Never a clean end of a cut answer."""
    for wire in (LENGTH[:-1], CHUNKED[:-2], LENGTH[:20]):
        parser = ResponseParser()
        parser.feed(wire)
        with pytest.raises(BadHttp, match=r"ended inside|no response"):
            parser.end()


def test_a_body_without_length_ends_with_the_connection_which_is_not_reused() -> None:
    """HTTP/1.0 style framing is still understood."""
    parser = ResponseParser()
    parser.feed(b"HTTP/1.0 200 OK\r\n\r\nhel")
    parser.feed(b"lo")
    parser.end()
    assert (b"".join(parser.pieces), parser.done, parser.reusable) == (b"hello", True, False)


@pytest.mark.parametrize(
    ("head", "complaint"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", "content-length"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n", "two different"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 0x5\r\n\r\n", "content-length"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", "transfer-encoding"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x5\r\n", "chunk's size"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nab\r\n", "longer than its size"),
        (b"HTTP/1.1 200 OK\r\n folded: x\r\n\r\n", "no name"),
        (b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", "no name"),
        (b"HTTP/2 200\r\n\r\n", "status line"),
        (b"SSH-2.0-OpenSSH\r\n\r\n", "status line"),
    ],
)
def test_doubtful_framing_is_refused(head: bytes, complaint: str) -> None:
    """A guess here would hand one caller's bytes to another."""
    with pytest.raises(BadHttp, match=complaint):
        ResponseParser().feed(head)


def test_heads_and_lines_are_bounded() -> None:
    """A server cannot fill the memory with something that never ends."""
    with pytest.raises(BadHttp, match="head is longer"):
        ResponseParser().feed(b"HTTP/1.1 200 OK\r\nx: " + b"y" * MAX_HEAD_BYTES)
    parser = ResponseParser()
    parser.feed(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    with pytest.raises(BadHttp, match="between chunks"):
        parser.feed(b"1;" + b"x" * (MAX_LINE_BYTES + 1))


def test_bytes_after_the_response_spoil_the_connection() -> None:
    """What nobody asked for must not become the next caller's answer."""
    parser = ResponseParser()
    parser.feed(LENGTH + b"HTTP/1.1 200 OK\r\n\r\n")
    assert (parser.done, parser.reusable) == (True, False)
    with pytest.raises(BadHttp, match="after the end"):
        parser.feed(b"x")


def test_connection_close_and_no_content() -> None:
    """`connection: close` is obeyed; 204 has no body whatever its headers say."""
    parser = ResponseParser()
    parser.feed(LENGTH.replace(b"\r\n\r\n", b"\r\nConnection: Close\r\n\r\n"))
    assert (parser.done, parser.reusable) == (True, False)
    parser = ResponseParser()
    parser.feed(b"HTTP/1.1 204 No Content\r\n\r\n")
    assert (parser.status, parser.done, parser.pieces) == (204, True, [])
