"""Hunt the planted bugs: `python -m tests.mutants [WORDS...]`, those with any of WORDS in the name.

Exit code 1 if one survives, if a test could not look for it, or if the code as it is fails.
"""

import sys
import time

from tests.mutants.catalogue import CATALOGUE
from tests.mutants.hunt import GOOD, Verdict, hunted
from tests.mutants.mutant import ROOT, MisplacedError, Mutant


def chosen(words: list[str]) -> list[Mutant]:
    """Return the mutants that are named by any of `words`, all without any."""
    return [each for each in CATALOGUE if not words or any(word in each.name for word in words)]


def misplaced(mutants: list[Mutant]) -> list[str]:
    """Return what is wrong with mutants that no longer fit the code."""
    found: list[str] = []
    for mutant in mutants:
        try:
            mutant.planted_in((ROOT / mutant.file).read_text())
        except MisplacedError as error:
            found.append(str(error))
    return found


def row(verdict: Verdict) -> str:
    """Return a line of the table."""
    test = verdict.killed_by.rpartition("::")[2]
    took = f"{verdict.fate:9} {verdict.seconds:5.1f} s"
    return f"{took}  {verdict.name:52} {verdict.file:38} {test}"


def main() -> int:
    """Hunt, tell, and judge."""
    mutants = chosen(sys.argv[1:])
    wrong = misplaced(mutants)
    if wrong or not mutants:
        print("\n".join(wrong) or "no mutant has such a name", file=sys.stderr)
        return 2
    began = time.monotonic()
    verdicts = hunted(mutants)
    bad = [verdict for verdict in verdicts if verdict.fate not in GOOD]
    print(f"{'fate':9} {'time':>7}  {'planted bug':52} {'in':38} looked for by")
    print("\n".join(map(row, verdicts)))
    for verdict in bad:
        print(f"\n{verdict.fate}: {verdict.name} ({verdict.killed_by})\n  {verdict.said:.1500}")
    killed = len(verdicts) - 1 - sum(verdict in bad for verdict in verdicts[1:])
    print(f"\n{killed} of {len(mutants)} killed in {time.monotonic() - began:.0f} s")
    return 1 if bad else 0


if __name__ == "__main__":
    raise SystemExit(main())
