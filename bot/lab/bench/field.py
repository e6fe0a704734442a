"""The peers that take part in a run, what they answer, and how far they are behind."""

import statistics
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final

from bot.lab.bench.chain import Chain
from bot.lab.bench.measures import Absent, Measured
from bot.lab.bench.peers import PEERS, Asked, Peer
from bot.quant.black76 import FloatArray

SLOPPY: Final = "INACCURATE"

Adapter = Callable[[Any, Chain], Asked]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entrant:
    """A peer that answered, and the largest error of its answer."""

    peer: Peer
    asked: Asked
    error: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What peers are asked, and how an answer is judged: exact if its error is under `exact`.

    `name` says what is asked for, `unit` of what the error is.
    """

    name: str
    adapter: Callable[[Peer], Adapter | None]
    options: Chain
    error: Callable[[FloatArray], float]
    exact: float
    unit: str


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what other libraries warn of from the screen."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def entrants(question: Question) -> tuple[list[Entrant], list[Absent]]:
    """Return who answers the question, and who does not and why."""
    found: list[Entrant] = []
    absent: list[Absent] = []
    for peer in PEERS:
        adapter = question.adapter(peer)
        if adapter is None:
            continue
        try:
            with quiet():
                asked = adapter(peer.load(), question.options)
                answer = asked.read(asked.call())
        except ModuleNotFoundError:
            absent.append(Absent(name=peer.distribution, reason="not installed"))
        except Exception as error:  # noqa: BLE001 (whatever another's library raises)
            reason = f"{type(error).__name__}: {str(error).splitlines()[0][:80]}"
            absent.append(Absent(name=peer.name, reason=reason))
        else:
            found.append(Entrant(peer=peer, asked=asked, error=question.error(answer)))
    return found, absent


def compared(
    question: Question,
    entered: Sequence[Entrant],
    took_ns: Mapping[str, tuple[float, ...]],
    ours_ns: tuple[float, ...],
    lead_target: float,
) -> list[Measured]:
    """Return each peer's time an option, quickest first, and how far the first one is behind."""
    count = len(question.options)
    rows = [
        Measured(
            name=f"- {one.peer.name}",
            unit="ns an option",
            rounds=tuple(took / count for took in took_ns[one.peer.name]),
            more_is_better=False,
            note="; ".join(filter(None, (_worth(question, one), one.asked.note))),
        )
        for one in entered
    ]
    rows.sort(key=lambda row: row.median)
    exact = [one.peer.name for one in entered if one.error <= question.exact]
    if not exact:
        return rows
    name = min(exact, key=lambda name: statistics.median(took_ns[name]))
    # Round by round, so that a busy moment is in both; the slow took part in fewer rounds.
    times = (theirs / mine for theirs, mine in zip(took_ns[name], ours_ns, strict=False))
    lead = Measured(
        name=f"{question.name}: ahead of the next",
        unit="times faster",
        rounds=tuple(times),
        more_is_better=True,
        target=lead_target,
        note=f"than {name}, the fastest peer that is accurate",
    )
    return [*rows, lead]


def _worth(question: Question, one: Entrant) -> str:
    said = f"off by {one.error:.0e} {question.unit}"
    return said if one.error <= question.exact else f"{SLOPPY}: {said}"
