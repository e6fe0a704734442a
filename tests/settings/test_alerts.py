"""The section `alerts`: what must fit together, and secrets that stay secrets."""

import re
from pathlib import Path

import pytest

from bot.settings import ConfigError, load
from tests.settings.builders import CONFIG, DEMO, loaded, refused

SECRET = "https://hooks.example/services/T0/B0/c0ffee"
ALERTS = "\nalerts:\n"
PHONE = 'name: phone, kind: telegram, token: {env: TG_TOKEN}, chat: "-100123"'
DESK = "name: desk, kind: slack, url: {env: SLACK_URL}"


def with_channels(*rows: str, heartbeat: str = "") -> tuple[tuple[str, str], ...]:
    """Return the change that gives the demo these channels, each a row in flow style."""
    listed = "  channels:\n" + "".join(f"    - {{{row}}}\n" for row in rows)
    beat = f"  heartbeat: {{{heartbeat}}}\n" if heartbeat else ""
    return ((ALERTS, f"{ALERTS}{listed}{beat}"),)


def problems(folder: Path, *rows: str, heartbeat: str = "") -> list[str]:
    ((old, new),) = with_channels(*rows, heartbeat=heartbeat)
    return [str(problem) for problem in refused(folder, DEMO.replace(old, new, 1))]


BROKEN = {
    "a telegram without its chat": (
        ("name: a, kind: telegram, token: {env: T}",),
        ("channels[0].chat", "kind telegram needs it"),
    ),
    "a slack with a chat": (
        ('name: a, kind: slack, url: {env: U}, chat: "1"',),
        ("channels[0].chat", "kind slack has none; it needs url"),
    ),
    "a telegram with an address": (
        (f"{PHONE}, url: {{env: U}}",),
        ("channels[0].url", "kind telegram has none"),
    ),
    "two channels of one name": (
        (DESK, DESK),
        ("channels[1].name", "already that of channels[0]"),
    ),
    "a stand-in that is not there": (
        (f"{DESK}, fallback: phone",),
        ("channels[0].fallback", 'no channel is named "phone"'),
    ),
    "a stand-in for itself": (
        (f"{DESK}, fallback: desk",),
        ("channels[0].fallback", "cannot stand in for itself"),
    ),
    "a chat that is none": (
        ('name: a, kind: telegram, token: {env: T}, chat: "my group"',),
        ("channels[0].chat", "a chat in quotes"),
    ),
    "a chat without quotes": (
        ("name: a, kind: telegram, token: {env: T}, chat: -100123",),
        ("channels[0].chat", "a chat in quotes"),
    ),
    "a kind that nobody knows": (
        ("name: a, kind: slak, url: {env: U}",),
        ("channels[0].kind", "did you mean slack?"),
    ),
    "a secret with two sources": (
        ("name: a, kind: slack, url: {env: U, file: /x}",),
        ("channels[0].url", "exactly one of"),
    ),
}


@pytest.mark.parametrize("mistake", BROKEN)
def test_a_mistake_is_told_where_it_is(mistake: str, tmp_path: Path) -> None:
    rows, says = BROKEN[mistake]
    told = problems(tmp_path, *rows)

    assert len(told) == 1
    assert all(words in told[0] for words in says), told


@pytest.mark.parametrize(
    "rows",
    [
        (f"name: a, kind: slack, url: {SECRET}",),
        (f"name: a, kind: slack, url: {{{SECRET}: x}}",),
        (f"name: a, kind: slack, url: {{env: {SECRET}}}",),
        (f"name: a, kind: telegram, chat: '1', token: [{SECRET}]",),
    ],
)
def test_a_secret_in_the_wrong_place_is_refused_and_not_repeated(
    rows: tuple[str, ...], tmp_path: Path
) -> None:
    told = problems(tmp_path, *rows)

    assert told
    assert not any("c0ffee" in line or "hooks.example" in line for line in told)


def test_the_address_of_a_heartbeat_is_a_secret_too(tmp_path: Path) -> None:
    told = problems(tmp_path, DESK, heartbeat=f"url: {SECRET}")

    assert len(told) == 1
    assert "alerts.heartbeat.url: expected {env: NAME} or {file: PATH}" in told[0]
    assert "c0ffee" not in told[0]


def test_every_secret_that_is_missing_is_named_at_once(tmp_path: Path) -> None:
    settings = loaded(tmp_path, *with_channels(PHONE, DESK, heartbeat="url: {env: BEAT_URL}"))
    with pytest.raises(ConfigError) as raised:
        settings.alert_secrets({"SLACK_URL": SECRET})

    told = [str(problem) for problem in raised.value.problems]
    assert len(told) == 2
    assert "alerts.channels[0].token: environment variable TG_TOKEN is not set" in told[0]
    assert "alerts.heartbeat.url: environment variable BEAT_URL is not set" in told[1]


@pytest.mark.parametrize(
    ("address", "says"),
    [
        ("http://hooks.example/c0ffee", "http://, which anybody on the way can read"),
        ("hooks.example/c0ffee", "no URL"),
        ("https://", "no URL"),
        ("https://h:c0ffee/", "no URL"),
        ("ftp://hooks.example/c0ffee", "no URL"),
    ],
)
def test_an_address_that_gives_secrets_away_is_refused_and_not_repeated(
    address: str, says: str, tmp_path: Path
) -> None:
    settings = loaded(tmp_path, *with_channels(DESK))
    with pytest.raises(ConfigError, match="SLACK_URL") as raised:
        settings.alert_secrets({"SLACK_URL": address})

    assert says in str(raised.value)
    assert "c0ffee" not in str(raised.value)


def test_secrets_are_found_by_the_name_of_their_channel_and_not_shown(tmp_path: Path) -> None:
    settings = loaded(tmp_path, *with_channels(DESK, PHONE, heartbeat="url: {env: BEAT_URL}"))
    beat = "http://127.0.0.1:8000/ping"
    found = settings.alert_secrets({"SLACK_URL": SECRET, "TG_TOKEN": "1:AB", "BEAT_URL": beat})

    assert (found.urls, found.tokens) == ({"desk": SECRET}, {"phone": "1:AB"})
    assert found.heartbeat_url == beat
    assert "c0ffee" not in repr(found)
    assert "1:AB" not in repr(found)


def test_where_secrets_lie_is_no_part_of_the_fingerprint(tmp_path: Path) -> None:
    one = loaded(tmp_path, *with_channels(DESK, heartbeat="url: {env: A}")).digest()
    other = loaded(
        tmp_path, *with_channels(DESK.replace("SLACK_URL", "OTHER"), heartbeat="url: {file: /b}")
    ).digest()
    louder = loaded(
        tmp_path, *with_channels(f"{DESK}, severity: info", heartbeat="url: {env: A}")
    ).digest()

    assert one == other
    assert one != louder


@pytest.mark.parametrize("name", ["demo", "deribit-live", "deribit-testnet"])
def test_the_example_in_a_shipped_file_works_when_it_is_uncommented(
    name: str, tmp_path: Path
) -> None:
    text = (CONFIG / f"{name}.yaml").read_text()
    head, _, tail = text.partition(ALERTS)
    opened = re.sub(r"(?m)^  # ", "  ", tail)
    path = tmp_path / "x.yaml"
    path.write_text(f"{head}{ALERTS}{opened}\n")

    alerts = load(path).alerts

    assert [(one.name, one.kind, one.fallback is not None) for one in alerts.channels][:1] == [
        ("phone", "telegram", True)
    ]
    assert [one.name for one in alerts.channels] == ["phone", "desk"]
    assert alerts.heartbeat is not None


def test_an_order_is_told_of_before_it_stops_all_trading(tmp_path: Path) -> None:
    text = DEMO.replace("unknown_alert_seconds: 10 ", "unknown_alert_seconds: 60 ", 1)
    (problem,) = refused(tmp_path, text)

    assert problem.key == "orders.unknown_alert_seconds"
    assert "less than unprovable_seconds 60, found 60" in problem.message
