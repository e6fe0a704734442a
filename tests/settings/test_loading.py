"""Loading: overrides, where values come from, fingerprints, secrets."""

import contextlib
import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from bot.settings import ConfigError, Place, Settings, check_report, effective, load
from bot.settings.document import parse, shown, value
from tests.settings.builders import CONFIG, DEMO, changed, line_of, loaded, refused, written

SECRET = "sk-live-Gh7Q"
SECRETS = ("clock: venue", "clock: venue\n  key: {env: K}\n  secret: {env: S}")


def sources(settings: Settings) -> dict[str, str]:
    return {one.key: one.source for one in effective(settings)}


def test_an_override_wins_over_the_file_and_says_that_it_did(tmp_path: Path):
    settings = loaded(
        tmp_path,
        sets=(
            "books.0.hedge.band_high_coin=0.4",
            "venue.rest_url=http://127.0.0.1:1",
            "log.level=debug",
        ),
    )

    assert settings.books[0].hedge.band_high_coin == 0.4
    assert settings.books[0].hedge.band_low_coin == -0.25
    assert settings.venue.rest_url == "http://127.0.0.1:1"
    assert (
        sources(settings)["books[0].hedge.band_high_coin"] == "--set books.0.hedge.band_high_coin"
    )
    assert settings.origin(("log", "level")) == Place(file="--set log.level")


def test_the_last_of_two_overrides_wins(tmp_path: Path):
    settings = loaded(tmp_path, sets=("dashboard.port=1", "dashboard.port=2"))

    assert settings.dashboard.port == 2


def test_an_override_may_open_a_section_that_the_file_leaves_out(tmp_path: Path):
    settings = loaded(tmp_path, ("log:\n", "#"), ("  level: info", "#"), ("  format: console", "#"),
                      sets=("log.format=json",))  # fmt: skip

    assert settings.log.format == "json"
    assert sources(settings)["log.level"] == "default"


def test_an_override_of_a_whole_section_replaces_it(tmp_path: Path):
    settings = loaded(tmp_path, sets=("dashboard={port: 81}",))

    assert (settings.dashboard.port, settings.dashboard.bind) == (81, "127.0.0.1")
    assert sources(settings)["dashboard.port"] == "--set dashboard"


def test_an_override_can_repair_what_the_file_has_wrong(tmp_path: Path):
    text = changed(("band_high_coin: 0.25", "band_high_coin: wide"))

    settings = load(written(tmp_path, text), ["books[0].hedge.band_high_coin=1"])

    assert settings.books[0].hedge.band_high_coin == 1


def test_every_value_in_force_is_reported_with_its_source(tmp_path: Path):
    settings = loaded(tmp_path, ("  clock: venue\n", ""), sets=("log.level=error",))
    path = tmp_path / "x.yaml"
    report = check_report(settings)

    line = line_of(path.read_text(), "rejects_max:")
    assert sources(settings)["safety.rejects_max"] == f"{path}:{line}"
    assert sources(settings)["venue.clock"] == "default"
    assert report[0] == f"{path}: mode rehearsal, digest {settings.digest()}"
    assert next(row for row in report if row.startswith("log.level")).split() == [
        "log.level", "error", "--set", "log.level",
    ]  # fmt: skip
    assert json.loads(json.dumps([asdict(one) for one in effective(settings)]))


def test_the_fingerprint_changes_with_every_value_but_not_with_the_place_of_a_secret(
    tmp_path: Path,
):
    digest = loaded(tmp_path).digest()

    assert loaded(tmp_path, SECRETS).digest() == digest
    assert loaded(tmp_path, ("rejects_max: 5", "rejects_max: 6")).digest() != digest
    assert loaded(tmp_path, ("# rehearsal", "# Rehearsal")).digest() == digest
    assert loaded(tmp_path, sets=("safety.rejects_max=6",)).digest() != digest


def test_secrets_come_from_the_environment_and_are_shown_nowhere(tmp_path: Path):
    settings = loaded(tmp_path, SECRETS)

    found = settings.credentials({"K": " abc ", "S": SECRET})

    assert (found.key, found.secret) == ("abc", SECRET)
    assert SECRET not in f"{found!r} {found} {settings!r} {settings.redacted()}"
    assert settings.redacted()["venue"]["secret"] == {"env": "S"}


@pytest.mark.parametrize(
    ("environ", "says"),
    [
        ({"K": "abc"}, "environment variable S is not set"),
        ({"K": "abc", "S": "  "}, "environment variable S is empty"),
        ({"K": "abc", "S": f"{SECRET} and more"}, "environment variable S holds spaces"),
        ({"K": "abc", "S": f"{SECRET}\n{SECRET}"}, "environment variable S holds spaces"),
    ],
)
def test_a_missing_secret_is_named_with_its_line_and_its_variable(
    environ: dict[str, str], says: str, tmp_path: Path
):
    settings = loaded(tmp_path, SECRETS)

    with pytest.raises(ConfigError) as raised:
        settings.credentials(environ)

    [problem] = raised.value.problems
    assert (problem.key, problem.line) == (
        "venue.secret", line_of((tmp_path / "x.yaml").read_text(), "secret: {env"),
    )  # fmt: skip
    assert says in problem.message
    assert SECRET not in str(raised.value)


def test_a_secret_file_must_be_closed_to_others(tmp_path: Path):
    secret = tmp_path / "secret"
    secret.write_text(f"{SECRET}\n")
    settings = loaded(
        tmp_path, (SECRETS[0], f"clock: venue\n  key: {{env: K}}\n  secret: {{file: {secret}}}")
    )

    secret.chmod(0o600)
    assert settings.credentials({"K": "abc"}).secret == SECRET
    for mode in (0o640, 0o604, 0o666):
        secret.chmod(mode)
        with pytest.raises(
            ConfigError, match=rf"secret is open to other users \(mode {mode:04o}\)"
        ):
            settings.credentials({"K": "abc"})


def test_a_credential_that_the_service_manager_hands_over_may_show_its_access_list(tmp_path: Path):
    handed, elsewhere = tmp_path / "credentials", tmp_path / "elsewhere"
    for directory in (handed, elsewhere):
        directory.mkdir()
        (directory / "secret").write_text(SECRET)
        (directory / "secret").chmod(0o440)

    def secret_of(directory: Path) -> str:
        source = f"clock: venue\n  key: {{env: K}}\n  secret: {{file: {directory / 'secret'}}}"
        settings = loaded(tmp_path, (SECRETS[0], source))
        environ = {"K": "abc", "CREDENTIALS_DIRECTORY": str(handed)}
        return settings.credentials(environ).secret

    assert secret_of(handed) == SECRET
    with pytest.raises(ConfigError, match="open to other users"):
        secret_of(elsewhere)
    (handed / "secret").chmod(0o444)
    with pytest.raises(ConfigError, match="open to other users"):
        secret_of(handed)


@pytest.mark.parametrize(
    ("content", "says"),
    [(None, "cannot be read"), ("\n", "is empty"), ("x" * 5_000, "larger than 4,096 bytes")],
)
def test_a_secret_file_that_holds_none_is_named(content: str | None, says: str, tmp_path: Path):
    secret = tmp_path / "secret"
    if content is not None:
        secret.write_text(content)
        secret.chmod(0o600)
    settings = loaded(
        tmp_path, (SECRETS[0], f"clock: venue\n  key: {{env: K}}\n  secret: {{file: {secret}}}")
    )

    with pytest.raises(ConfigError, match=says):
        settings.credentials({"K": "abc"})


def test_a_daemon_that_others_may_reach_has_a_token_of_its_own(tmp_path: Path):
    token = tmp_path / "token"
    token.write_text("t0ken")
    token.chmod(0o600)
    door = f"bind: 0.0.0.0\n  allow_remote: true\n  token: {{file: {token}}}"

    assert loaded(tmp_path).dashboard_token() is None
    assert loaded(tmp_path, ("bind: 127.0.0.1", door)).dashboard_token() == "t0ken"
    closed = changed(("bind: 127.0.0.1", "bind: 0.0.0.0\n  allow_remote: true"))
    assert [problem.key for problem in refused(tmp_path, closed)] == ["dashboard.token"]


@pytest.mark.parametrize("mode", ["testnet", "live"])
def test_a_key_never_reaches_the_other_network(mode: str, tmp_path: Path):
    other = {"testnet": "live", "live": "testnet"}[mode]
    text = (CONFIG / f"deribit-{mode}.yaml").read_text(encoding="utf-8")

    problems = refused(tmp_path, changed((f"mode: {mode}", f"mode: {other}"), text=text))

    assert [problem.key for problem in problems] == ["venue.rest_url", "venue.ws_url"]
    assert all(f"mode {other} needs" in problem.message for problem in problems)


@pytest.mark.parametrize(
    "host", ["www.derbit.com", "deribit.com.evil.example", "evilderibit.com", "203.0.113.7"]
)
def test_a_live_key_is_sent_to_the_venue_only(host: str, tmp_path: Path):
    text = (CONFIG / "deribit-live.yaml").read_text(encoding="utf-8")

    problems = refused(tmp_path, text.replace("https://www.deribit.com", f"https://{host}"))

    assert [problem.key for problem in problems] == ["venue.rest_url"]
    assert "not a host of this venue" in problems[0].message


@hypothesis_settings(max_examples=20)
@given(
    low=st.floats(-1_000, -0.001),
    high=st.floats(0.001, 1_000),
    ratio=st.floats(1.51, 150) | st.just(0.0) | st.integers(2, 150),
    usd=st.floats(10, 1e9),
    name=st.from_regex(r"\A[a-z0-9-]{1,32}\Z"),
)
def test_what_is_in_force_can_be_written_down_and_loaded_again(
    tmp_path_factory: pytest.TempPathFactory, low: Any, high: Any, ratio: Any, usd: Any, name: str
):
    folder = tmp_path_factory.mktemp("round", numbered=True)
    config: dict[str, Any] = YAML(typ="safe", pure=True).load(DEMO)
    config["books"][0]["name"] = config["external_changes_to"] = name
    config["books"][0]["hedge"] |= {
        "band_low_coin": low, "band_high_coin": high, "ratio_percent": ratio,
    }  # fmt: skip
    config["safety"] |= {
        "order_max_usd": usd, "turnover_per_hour_max_usd": 1e9,
        "hedge_over_options_max_percent": 50,
    }  # fmt: skip
    first = load(written(folder, json.dumps(config)))

    again = folder / "again.yaml"
    with again.open("w") as stream:
        YAML(typ="safe", pure=True).dump(first.redacted(), stream)
    second = load(again)

    assert second.digest() == first.digest()
    assert second.redacted() == first.redacted()
    assert second.policy() == first.policy()
    assert second.books[0].hedge.band_low_coin == low


@given(st.text(max_size=60))
def test_no_text_at_all_ends_in_a_traceback(text: str):
    for read in (value, lambda text: parse(f"mode: rehearsal\nvenue: {text}\n", "x.yaml")):
        with contextlib.suppress(ConfigError):
            read(text)


@pytest.mark.parametrize(
    ("text", "meant"),
    [
        ("1e5", 100_000.0), ("no", "no"), ("12:30", "12:30"), ("0x1F", 31), ("0777", "0777"),
        ("1_000", 1_000), ("true", True), ("~", None), ("", None), ("2026-01-01", "2026-01-01"),
        ("'5'", "5"), ("[a, 1]", ("a", 1)), ("{env: X}", {"env": "X"}), ("+3", 3),
    ],
)  # fmt: skip
def test_yaml_means_what_a_reader_of_yaml_1_2_expects(text: str, meant: Any):
    found = value(text)

    assert found == meant
    assert type(found) is type(meant)


def test_long_text_is_cut_in_messages():
    assert len(shown("x" * 1_000)) < 50
