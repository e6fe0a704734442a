"""Count what is under contract, and say what is wrong; `--write` commits today's shapes."""

import sys

from bot.exchange.methods.table import METHODS
from tests.exchange.contract import described, shapes
from tests.exchange.contract.channels import (
    answers_by_method,
    faults_of_pushes,
    pushes_by_family,
)

FAULTS_SHOWN = 12


def todays_shapes() -> dict[str, shapes.Shape]:
    """The shapes of everything that the scenes heard."""
    found: dict[str, shapes.Shape] = {
        method: shapes.merged(shapes.shape_of(each.result) for each in answers)
        for method, answers in answers_by_method().items()
    }
    for family, pushes in pushes_by_family().items():
        found[family] = shapes.merged(shapes.shape_of(each.datum) for each in pushes)
    return found


def _faults(method: str) -> list[str]:
    answers = answers_by_method()[method]
    if not described.is_described(method):
        return ["is not described"]
    return [f for each in answers for f in described.faults_of_answer(method, each.result)]


def main() -> None:
    """Print the tally, with the faults of what was heard."""
    answers, pushes = answers_by_method(), pushes_by_family()
    found = {name: _faults(name) for name in answers} | {
        name: faults_of_pushes(name) for name in pushes
    }
    lines = [
        f"{name}: {line}"
        for name, faults in sorted(found.items())
        for line in sorted(set(faults))[:FAULTS_SHOWN]
    ]
    missing = sorted(set(METHODS) - set(answers))
    total = sum(len(each) for each in answers.values())
    told = sum(len(each) for each in pushes.values())
    lines += [
        f"{len(answers)} of {len(METHODS)} methods, {total} answers; not played: {missing}",
        f"{len(pushes)} families of channels, {told} pushes: {', '.join(sorted(pushes))}",
    ]
    sys.stdout.write("\n".join(lines) + "\n")
    if "--write" in sys.argv:
        shapes.write(todays_shapes())


if __name__ == "__main__":
    main()
