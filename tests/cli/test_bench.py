"""`bench`: what it tells, and how it ends."""

import pytest

from bot.cli.bench import Part
from bot.lab.bench import decision, pricing
from bot.lab.bench.measures import Absent, Measured
from tests.cli.desk import told, verb


def figure(value: float, target: float | None) -> Measured:
    return Measured(
        name="a figure", unit="per second", rounds=(value,), more_is_better=True, target=target
    )


@pytest.mark.parametrize(
    ("value", "target", "code", "ok"),
    [(2.0, 1.0, 0, True), (2.0, None, 0, True), (1.0, 2.0, 1, False)],
)
def test_a_missed_target_is_told_by_the_exit_code(
    value: float, target: float | None, code: int, ok: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(decision, "decision", lambda _rounds, _now: [figure(value, target)])

    done = verb("bench", "--only", "decision", "--rounds", "1", "--json")

    answer = told(done)
    assert (done.exit_code, answer["ok"]) == (code, ok)
    assert answer["results"][0]["value"] == value
    assert answer["machine"]["cores"]
    screen = verb("bench", "--only", "decision").stdout
    assert ("MISSED" in screen) is not ok


def test_a_part_that_does_not_exist_is_named_with_those_that_do() -> None:
    done = verb("bench", "--only", "exchange,disk")

    assert done.exit_code == 2
    assert "no part disk" in done.stderr
    assert all(part in done.stderr for part in Part)


def test_who_was_not_measured_is_told_with_the_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    found = [figure(1.0, None), Absent(name="a library", reason="not installed")]
    monkeypatch.setattr(pricing, "pricing", lambda _rounds, _now: found)

    done = verb("bench", "--only", "pricing", "--json")

    answer = told(done)
    assert (done.exit_code, len(answer["results"])) == (0, 1)
    assert answer["absent"] == [{"name": "a library", "reason": "not installed"}]
    screen = verb("bench", "--only", "pricing").stdout
    assert "not measured: a library: not installed" in screen
    assert f"{answer['machine']['vector_bits'] or 'unknown'}" in screen
