"""What the runbook tells of the limits is what the configuration has and the daemon says."""

import re
from pathlib import Path

from bot.settings.safety_models import Safety

ROOT = Path(__file__).parents[2]
RUNBOOK = (ROOT / "deploy" / "RUNBOOK.md").read_text()
SAID = "\n".join(path.read_text() for path in sorted((ROOT / "bot" / "core").glob("*.py")))
CELLS = 5


def limits() -> list[list[str]]:
    """Return the rows of the table of limits, without its head."""
    section = RUNBOOK.partition("### A limit of `safety` stops it")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_every_limit_of_safety_is_explained_once() -> None:
    rows = limits()
    assert {len(row) for row in rows} == {CELLS}
    keys = [key for row in rows for key in re.findall(r"`([a-z_]+)`", row[0])]
    assert sorted(keys) == sorted(Safety.model_fields)


def test_the_words_by_which_a_person_finds_a_limit_are_the_daemon_s_own() -> None:
    pieces = [
        piece.strip(" ,")
        for row in limits()
        for quoted in re.findall(r"`([^`]+)`", row[1])
        for piece in quoted.split("...")
        if piece.strip(" ,")
    ]
    # What is written over two lines of the source is one sentence when it is said.
    said = re.sub(r'"\s*\n\s*f?"', "", SAID)
    assert [piece for piece in pieces if piece not in said] == []
