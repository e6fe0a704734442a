"""The guard's judgement, one request at a time."""

from http import HTTPStatus

import pytest

from bot.dashboard.guard import Rules, bearer_matches, host_name, judge

TOKEN = "a-token-for-tests"
HERE = Rules(hosts=frozenset({"127.0.0.1", "::1"}), token=TOKEN, token_to_read=False)
ANYWHERE = Rules(hosts=None, token=TOKEN, token_to_read=True)
COMMAND = "/api/v1/commands"


def asked(rules: Rules, method: str = "POST", path: str = COMMAND, **headers: str) -> int | None:
    named = {"host": "127.0.0.1", "authorization": f"Bearer {TOKEN}", "content-length": "2"}
    named |= {name.replace("_", "-"): value for name, value in headers.items()}
    turned = judge(rules, method, path, named)
    return None if turned is None else turned.status.value


@pytest.mark.parametrize(
    ("header", "name"),
    [
        ("127.0.0.1", "127.0.0.1"),
        ("LOCALHOST:8000", "localhost"),
        ("[::1]:8000", "::1"),
        ("[::1]", "::1"),
        ("", ""),
    ],
)
def test_a_host_header_is_read_without_its_port(header: str, name: str) -> None:
    assert host_name(header) == name


def test_in_a_container_any_name_will_do_but_nothing_goes_without_the_token() -> None:
    assert asked(ANYWHERE, host="deltaband:8642") is None
    assert asked(ANYWHERE, "GET", "/metrics", host="deltaband:8642") is None
    assert asked(ANYWHERE, "GET", "/metrics", authorization="") == HTTPStatus.UNAUTHORIZED
    assert asked(ANYWHERE, "GET", "/healthz", authorization="") is None


def test_a_page_of_another_site_commands_nothing_even_with_the_token() -> None:
    for rules in (HERE, ANYWHERE):
        assert asked(rules, origin="http://evil.example") == HTTPStatus.FORBIDDEN
        assert asked(rules, origin="http://127.0.0.1:9") is None
        assert asked(rules, sec_fetch_site="same-site") == HTTPStatus.FORBIDDEN
        assert asked(rules, sec_fetch_site="same-origin") is None


@pytest.mark.parametrize(
    ("length", "status"), [("4097", 413), ("", 411), ("-1", 411), ("1e3", 411), ("4096", None)]
)
def test_a_body_of_unknown_or_great_length_is_not_read(length: str, status: int | None) -> None:
    assert asked(HERE, content_length=length) == status


@pytest.mark.parametrize("header", ["", "Bearer", f"Bearer {TOKEN}x", "Bearer ä", TOKEN])
def test_a_token_matches_whole_or_not_at_all(header: str) -> None:
    assert not bearer_matches(header, TOKEN)
    assert bearer_matches(f"bearer {TOKEN}", TOKEN)
