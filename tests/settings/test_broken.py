"""What a person is told about a configuration that cannot be used: file, line, key, advice."""

from dataclasses import dataclass
from pathlib import Path

import pytest

from bot.settings import ConfigError, load
from tests.settings.builders import books, changed, line_of, refused

SECRET = "sk-live-Gh7Q"  # what must never be repeated


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A change of the demo, the line and the key to be named, and words of the advice."""

    change: tuple[tuple[str, str], ...]
    line: str
    key: str
    says: tuple[str, ...]


def broken(
    old: str, new: str, *, key: str, says: tuple[str, ...], line: str | None = None
) -> Broken:
    return Broken(
        change=((old, new),), line=line or new.strip().splitlines()[-1], key=key, says=says
    )


SINGLE_KEYS = {
    "a misspelt key": broken(
        "band_high_coin: 0.25", "band_hgih_coin: 0.25",
        key="books[0].hedge.band_hgih_coin", says=("unknown key", "did you mean band_high_coin"),
    ),
    "a misspelt section": broken(
        "safety:", "safty:", key="safty", says=("did you mean safety?",),
    ),
    "a key in the wrong section": broken(
        "journal:", "journal:\n  lifetime_seconds: 77",
        key="journal.lifetime_seconds", says=("belongs at orders.lifetime_seconds",),
    ),
    "a key without its unit": broken(
        "ratio_percent: 100", "ratio: 1.0",
        key="books[0].hedge.ratio", says=("did you mean ratio_percent (percent",),
    ),
    "a key with another unit": broken(
        "interval_min_seconds: 10", "interval_min_ms: 10",
        key="books[0].hedge.interval_min_ms", says=("did you mean interval_min_seconds",),
    ),
    "a key given twice": broken(
        "  port: 0", "  port: 0\n  port: 8080",
        key="dashboard.port", says=("given twice", "first on line"),
    ),
    "a unit beside the number": broken(
        "band_low_coin: -0.25", 'band_low_coin: "-0.25 BTC"',
        key="books[0].hedge.band_low_coin",
        says=("expected a number", "(coins)", 'found "-0.25 BTC"', "bare number"),
    ),
    "a fraction where percent is meant": broken(
        "warn_percent: 50", "warn_percent: 0.5",
        key="margin.warn_percent", says=("at least 1", "50 % is written 50"),
    ),
    "a hedge ratio as a fraction": broken(
        "ratio_percent: 100", "ratio_percent: 1.0",
        key="books[0].hedge.ratio_percent", says=("100 % is written 100",),
    ),
    "a hedge ratio out of range": broken(
        "ratio_percent: 100", "ratio_percent: 151",
        key="books[0].hedge.ratio_percent", says=("at most 150", "found 151"),
    ),
    "a band on one side of the target": broken(
        "band_low_coin: -0.25", "band_low_coin: 0.25",
        key="books[0].hedge.band_low_coin", says=("below 0", "found 0.25"),
    ),
    "a band below one lot": broken(
        "band_high_coin: 0.25", "band_high_coin: 0.0001",
        key="books[0].hedge.band_high_coin",
        says=("at least one lot", "lot of 10 USD is 0.0005 coins", "found 0.0001 coins"),
    ),
    "a number that is none": broken(
        "divergence_max_percent: 2", "divergence_max_percent: .nan",
        key="safety.divergence_max_percent", says=("expected a number", "found nan"),
    ),
    "an infinite number": broken(
        "order_max_usd: 500000", "order_max_usd: .inf",
        key="safety.order_max_usd", says=("at most 1,000,000,000 (US dollars)", "found inf"),
    ),
    "an octal that is none": broken(
        "rejects_max: 5", "rejects_max: 0777",
        key="safety.rejects_max", says=("a whole number", 'found "0777"'),
    ),
    "a truth where a number belongs": broken(
        "rejects_max: 5", "rejects_max: true",
        key="safety.rejects_max", says=("a whole number", "found true"),
    ),
    "part of an order": broken(
        "orders_per_minute_max: 30", "orders_per_minute_max: 2.5",
        key="safety.orders_per_minute_max", says=("a whole number", "found 2.5"),
    ),
    "an unknown venue": broken(
        "name: deribit", "name: deribitt",
        key="venue.name", says=("deribit (the only choice)", "did you mean deribit?"),
    ),
    "an unknown convention": broken(
        "convention: coin", "convention: USD",
        key="books[0].convention", says=("one of coin, usd, book", "did you mean usd?"),
    ),
    "an unknown mode": broken(
        "mode: rehearsal", "mode: paper", key="mode", says=("rehearsal, testnet, live",),
    ),
    "one word where a list belongs": broken(
        "kinds: [option]", "kinds: option",
        key="books[0].select.kinds", says=("expected a list", 'found "option"'),
    ),
    "an unknown kind": broken(
        "kinds: [option]", "kinds: [option, options]",
        key="books[0].select.kinds[1]", says=("did you mean option?",),
    ),
    "an empty section": broken(
        "dashboard:\n  bind: 127.0.0.1\n  port: 0", "dashboard:",
        key="dashboard", says=("a mapping with the keys bind", "found nothing"),
    ),
    "a hedge with an option": broken(
        "instrument: BTC-PERPETUAL", "instrument: BTC-26DEC25-100000-C",
        key="books[0].hedge.instrument", says=("a perpetual or future, such as",),
    ),
    "a hedge with another coin": broken(
        "instrument: BTC-PERPETUAL", "instrument: ETH-PERPETUAL",
        key="books[0].hedge.instrument",
        says=("ETH-PERPETUAL settles in ETH", "account.currencies [BTC]"),
    ),
    "a book of another coin": broken(
        "underlying: BTC", "underlying: ETH",
        key="books[0].select.underlying", says=("a book holds positions on BTC", "found ETH"),
    ),
    "a book whose name is a sentence": broken(
        "name: main", "name: Main book", key="books[0].name", says=("a-z, 0-9 and -",),
    ),
    "a label that the venue would not take": broken(
        "label_prefix: db", "label_prefix: DB_1",
        key="account.label_prefix", says=("2 to 12 characters",),
    ),
    "no convention": broken(
        "    convention: coin\n", "", line="- name: main",
        key="books[0].convention", says=("required", "one of coin, usd, book"),
    ),
    "no mode": broken(
        "mode: rehearsal\n", "", line="# yaml-language-server", key="mode", says=("required",),
    ),
    "a limit below what the watch of the host tells of": broken(
        "loop_lag_max_seconds: 2 ", "loop_lag_max_seconds: 0.05 ",
        key="safety.loop_lag_max_seconds", says=("0.1",),
    ),
    "an anchor": broken(
        "port: 0", "port: &p 0", key="dashboard.port", says=("anchors",),
    ),
    "a tag": broken(
        "port: 0", "port: !secret 0", key="dashboard.port", says=("tags",),
    ),
}  # fmt: skip

ACROSS_KEYS = {
    "a password in an address": broken(
        "rest_url: http://127.0.0.1:8090", "rest_url: http://me:pw@127.0.0.1:8090",
        key="venue.rest_url", says=("without user, password",),
    ),
    "silence shorter than a lifetime": broken(
        "silence_max_seconds: 3", "silence_max_seconds: 1",
        key="orders.silence_max_seconds", says=("at least lifetime_seconds 2", "found 1"),
    ),
    "giving up before the proof": broken(
        "unprovable_seconds: 60", "unprovable_seconds: 6",
        key="orders.unprovable_seconds", says=("more than", "6 seconds", "found 6"),
    ),
    "a reversed range of expiries": broken(
        "include: []", "expiry_days_min: 30\n      expiry_days_max: 7\n      include: []",
        line="expiry_days_max: 7",
        key="books[0].select.expiry_days_max", says=("more than expiry_days_min 30", "found 7"),
    ),
    "an owner that is no book": broken(
        "external_changes_to: main", "external_changes_to: mian",
        key="external_changes_to", says=('no book is named "mian"', "main"),
    ),
    "live on loopback": broken(
        "mode: rehearsal", "mode: live", line="rest_url:",
        key="venue.rest_url", says=("mode live needs www.deribit.com", "this machine"),
    ),
    "a rehearsal on the live venue": broken(
        "rest_url: http://127.0.0.1:8090", "rest_url: https://www.deribit.com",
        key="venue.rest_url", says=("mode rehearsal", "real money"),
    ),
    "keys sent in the clear": broken(
        "rest_url: http://127.0.0.1:8090", "rest_url: http://test.deribit.com",
        key="venue.rest_url", says=("in the clear",),
    ),
    "an address without a protocol": broken(
        "ws_url: ws://127.0.0.1:8090/ws/api/v2", "ws_url: 127.0.0.1:8090",
        key="venue.ws_url", says=("begins with wss://",),
    ),
    "a port that is none": broken(
        "rest_url: http://127.0.0.1:8090", "rest_url: http://127.0.0.1:809000",
        key="venue.rest_url", says=("begins with https://",),
    ),
    "an open door": broken(
        "bind: 127.0.0.1", "bind: 0.0.0.0",
        key="dashboard.bind", says=("other machines", "allow_remote: true"),
    ),
    "half of the credentials": broken(
        "clock: venue", "clock: venue\n  key: {env: DEMO_KEY}", line="venue:",
        key="venue.secret", says=("required", "both key and secret"),
    ),
    "two sources of one secret": broken(
        "clock: venue", "clock: venue\n  secret: {env: A, file: b}\n  key: {env: K}",
        line="secret: {env", key="venue.secret", says=("exactly one",),
    ),
    "a directory where the ledger belongs": broken(
        "path: var/demo.sqlite3", "path: var/",
        key="journal.path", says=("the path of a file", "found var/, a directory"),
    ),
    "the root where the ledger belongs": broken(
        "path: var/demo.sqlite3", "path: /", key="journal.path", says=("a directory",),
    ),
    "a home that nobody writes out": broken(
        "path: var/demo.sqlite3", "path: ~/demo.sqlite3",
        key="journal.path", says=("~ is not expanded", "write the whole path"),
    ),
    "overlapping selectors": Broken(
        change=books(
            first="{underlying: BTC, expiry_days_max: 10}",
            second="{underlying: BTC, expiry_days_min: 7}",
        ),
        line="select: {underlying: BTC, expiry_days_min: 7}",
        key="books[1].select",
        says=("books near and far overlap", "7 to 10 days"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", [*SINGLE_KEYS.values(), *ACROSS_KEYS.values()],
                         ids=[*SINGLE_KEYS, *ACROSS_KEYS])  # fmt: skip
def test_a_broken_configuration_is_answered_with_its_line_its_key_and_what_was_expected(
    case: Broken, tmp_path: Path
):
    check(case, tmp_path)


def check(case: Broken, tmp_path: Path) -> None:
    """The complaint names the file, the line and the key, and says what was expected."""
    text = changed(*case.change)

    problems = refused(tmp_path, text)

    named = [problem for problem in problems if problem.key == case.key]
    assert named, f"{case.key} is not named in {[str(problem) for problem in problems]}"
    assert named[0].line == line_of(text, case.line)
    assert str(named[0]).startswith(f"{tmp_path / 'x.yaml'}:{named[0].line}: {case.key}: ")
    for words in case.says:
        assert words in named[0].message
    assert all("\n" not in str(problem) for problem in problems)


@pytest.mark.parametrize("case", SINGLE_KEYS.values(), ids=SINGLE_KEYS)
def test_one_mistake_is_one_complaint(case: Broken, tmp_path: Path):
    assert len(refused(tmp_path, changed(*case.change))) == 1


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("", 1, "is empty"),
        ("# only a comment\n", 1, "is empty"),
        ("- mode: live\n", 1, "found a list"),
        ("rehearsal\n", 1, "found a single value"),
        ("mode: rehearsal\nvenue:\n\tname: deribit\n", 3, "a tab"),
        ("mode: rehearsal\nvenue: [1,\n", 2, "found '<stream end>'"),
        ("mode: rehearsal\nvenue: a: b\n", 2, "a colon"),
        ("mode: rehearsal\n---\nmode: live\n", 2, "a second document"),
        ("mode: rehearsal\nvenue: 'x\n", 2, "not YAML"),
        ("mode: rehearsal\nvenue: \x07\n", 2, "a character"),
        ("mode: rehearsal\n<<: 1\n", 2, "merge keys"),
        ("mode: rehearsal\n? [a]\n: 1\n", 2, "a plain word"),
        ("mode: " + "[" * 40 + "]" * 40 + "\n", 1, "nested too deep"),
        ("a: &a [*a]\n", 1, "anchors"),
    ],
)  # fmt: skip
def test_what_is_not_a_mapping_in_yaml_is_refused_on_its_line(
    text: str, line: int, says: str, tmp_path: Path
):
    problems = refused(tmp_path, text)

    assert [problem.line for problem in problems if says in problem.message] == [line]


def test_every_mistake_of_a_file_is_told_at_once_and_in_its_order(tmp_path: Path):
    text = changed(
        ("band_low_coin: -0.25", "band_low_coin: 1"),
        ("warn_percent: 50", "warn_percnt: 50"),
        ("port: 0", "port: 0\n  port: 0"),
    )

    keys = [problem.key for problem in refused(tmp_path, text)]

    assert keys == ["books[0].hedge.band_low_coin", "margin.warn_percnt", "dashboard.port"]


@pytest.mark.parametrize("name", ["absent.yaml", "."])
def test_a_file_that_cannot_be_read_is_named(name: str, tmp_path: Path):
    with pytest.raises(ConfigError) as raised:
        load(tmp_path / name)

    assert str(raised.value).startswith(f"{tmp_path / name}: cannot be read: ")


def test_a_file_in_another_encoding_is_named_with_its_line(tmp_path: Path):
    path = tmp_path / "x.yaml"
    path.write_bytes(b"mode: rehearsal\n# caf\xe9\n")

    with pytest.raises(ConfigError) as raised:
        load(path)

    assert raised.value.problems[0].line == 2
    assert "UTF-8" in raised.value.problems[0].message


LEAKS = [
    f"secret: {SECRET}",
    f'secret: "{SECRET}"',
    f"secret: [{SECRET}]",
    f"secret: {{{SECRET}: }}",
    f"secret: {{env: {SECRET}}}",
    f"secret: {{file: [{SECRET}]}}",
    f"secret: {{value: {SECRET}}}",
    f"secret: *{SECRET}",
    f"secret: &{SECRET} x",
    f"secret: !{SECRET} x",
    f"secret: '{SECRET}",
    f"secret: {SECRET}: x",
    f"key: {{env: K}}\n  secret: {{env: A, env: {SECRET}}}",
    f"api_secret: {SECRET}",
    f"secrets: {SECRET}",
    f"rest_url: https://user:{SECRET}@test.deribit.com",
]


@pytest.mark.parametrize("line", LEAKS)
def test_a_secret_written_into_the_file_is_never_repeated(line: str, tmp_path: Path):
    text = changed(("clock: venue", f"clock: venue\n  {line}"))
    if line.startswith("rest_url"):
        text = changed(("  rest_url: http://127.0.0.1:8090\n", ""), text=text)

    problems = refused(tmp_path, text)

    assert SECRET not in str([str(problem) for problem in problems])
    assert any(problem.line is not None and problem.line > 10 for problem in problems)


def test_an_address_with_a_password_under_another_key_is_not_repeated(tmp_path: Path):
    text = changed(("clock: venue", f"clock: https://me:{SECRET}@deribit.com"))

    [problem] = refused(tmp_path, text)

    assert problem.message == "expected one of venue, system"
