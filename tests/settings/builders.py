"""Configurations for tests: the shipped demo, changed line by line."""

from pathlib import Path

from bot.settings import ConfigError, Problem, Settings, load

CONFIG = Path(__file__).parents[2] / "config"
DEMO = (CONFIG / "demo.yaml").read_text(encoding="utf-8")


def changed(*changes: tuple[str, str], text: str = DEMO) -> str:
    """Return the demo's text with each first occurrence replaced, of which there must be one."""
    for old, new in changes:
        assert old in text, f"the demo no longer holds {old!r}"
        text = text.replace(old, new, 1)
    return text


def written(folder: Path, text: str) -> Path:
    path = folder / "x.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def loaded(folder: Path, *changes: tuple[str, str], sets: tuple[str, ...] = ()) -> Settings:
    return load(written(folder, changed(*changes)), sets)


def refused(folder: Path, text: str, *sets: str) -> tuple[Problem, ...]:
    """Return the problems of a text that must not load."""
    try:
        load(written(folder, text), sets)
    except ConfigError as error:
        return error.problems
    raise AssertionError("a broken configuration was accepted")


def line_of(text: str, needle: str) -> int:
    """Return the number of the first line that holds `needle`."""
    return next(n for n, line in enumerate(text.splitlines(), start=1) if needle in line)


def books(*, first: str, second: str) -> tuple[tuple[str, str], ...]:
    """Return the change that gives the demo a second book; arguments are flow-style selections."""
    start = DEMO.index("  - name: main")
    end = DEMO.index("# Which book owns a hedge position")
    hedge = "hedge: {band_low_coin: -0.1, band_high_coin: 0.1}"
    two = "".join(
        f"  - name: {name}\n    convention: coin\n    select: {select}\n    {hedge}\n"
        for name, select in (("near", first), ("far", second))
    )
    return (
        (DEMO[start:end], f"{two}\n"),
        ("external_changes_to: main", "external_changes_to: near"),
    )
