"""The catalogue of faults, all 79, and where each of them is tried.

Struck: by a strike of the fault lab, counted when it took effect. Brought: by every world of the
lab, without a strike. Elsewhere: beyond a simulation of sockets and of one process; the test named
holds it. Nowhere: with the reason.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Final


class Held(StrEnum):
    """Where a fault is tried."""

    STRUCK = "struck"
    BROUGHT = "brought"
    ELSEWHERE = "elsewhere"
    NOWHERE = "nowhere"


@dataclass(frozen=True, slots=True)
class Fault:
    """One row: what goes wrong, where that is tried, and the test or the reason if not here."""

    what: str
    held: Held = Held.STRUCK
    where: str = ""


_B, _E, _N = Held.BROUGHT, Held.ELSEWHERE, Held.NOWHERE

CATALOGUE: Final[Mapping[str, Fault]] = MappingProxyType(
    {
        "N1": Fault("an order's request is lost on its way"),
        "N2": Fault("an order is accepted and the answer lost"),
        "N3": Fault(
            "the transport repeats a request",
            _E,
            "tests/end_to_end/test_answers_lost.py counts requests at the venue",
        ),
        "N4": Fault("an answer is cut short or garbled"),
        "N5": Fault("nonsense in place of an answer or a push"),
        "N6": Fault("too many requests"),
        "N7": Fault("the venue answers with an error of its own"),
        "N8": Fault("a connection ends, and the next ones are refused"),
        "N9": Fault("one kind of channel falls silent on an open socket"),
        "N10": Fault("quotes repeat themselves under an old time"),
        "N11": Fault("a book's sequence has a gap"),
        "N12": Fault("pushes come twice"),
        "N13": Fault("news come out of order"),
        "N14": Fault("the line is jammed one way"),
        "N15": Fault(
            "the venue cannot be reached; names and certificates are ccxt's and the host's"
        ),
        "O1": Fault("an order's answer comes twice"),
        "O2": Fault("an order is filled in part"),
        "O3": Fault("fills come late"),
        "O4": Fault("an order is not visible yet"),
        "O5": Fault("the venue has forgotten a label and remembers its trades"),
        "O6": Fault("labels of our kind that are not ours; the whole disk set back"),
        "O7": Fault("two orders at the venue carry one label"),
        "O8": Fault(
            "a post-only order is refused",
            _N,
            "no hedge is sent post-only; the edge's words: tests/venues/test_deribit_orders.py",
        ),
        "O9": Fault("the book takes no orders for a while"),
        "O10": Fault("an order is filled by several trades (one label is one order on Deribit)"),
        "O11": Fault("cancels fail while a halt falls on an order in doubt"),
        "O12": Fault("the venue amends a limit, or cancels what it does not fill"),
        "O13": Fault("an order meets one of its own account"),
        "V1": Fault("maintenance"),
        "V2": Fault("a pause for settlement"),
        "V3": Fault("a trade is taken back"),
        "V4": Fault("a state and a field that nobody knows"),
        "V5": Fault("lot and tick change for good"),
        "V6": Fault("the hedge is delisted while the daemon runs, and listed again"),
        "M1": Fault("quotes stop: of the hedge, of all, of one option"),
        "M2": Fault("nobody bids for options"),
        "M3": Fault("prices that are no prices"),
        "M4": Fault("the mark leaves the index"),
        "M5": Fault("volatilities that are none"),
        "M6": Fault("the price jumps"),
        "M7": Fault("the spread is wide"),
        "M8": Fault("the price swings to and fro"),
        "M9": Fault("old quotes come at once"),
        "A1": Fault("somebody trades on the account"),
        "A2": Fault("a part is liquidated"),
        "A3": Fault("the venue closes a part of the hedge, by a trade without a label"),
        "A4": Fault("free margin goes"),
        "A5": Fault("an order is under way while options settle", _B),
        "A6": Fault("options are delivered", _B),
        "A7": Fault("funding is dear"),
        "A8": Fault("a report of positions is cut short"),
        "A9": Fault("coins come in and go out"),
        "T1": Fault("the venue's clock is off"),
        "T2": Fault("the host's calendar is set, or the host suspended"),
        "T3": Fault("a leap day, the turn of a year, days when clocks are changed", _B),
        "P1": Fault("the process is killed; at every step: `chaos --crash-points`"),
        "P2": Fault("the process is killed while it recovers"),
        "P3": Fault("SIGTERM"),
        "P4": Fault("the host stands still"),
        "P5": Fault("a task fails or is cancelled"),
        "P6": Fault("tasks, queues, sockets and memories are measured once a second", _B),
        "P7": Fault("two daemons, on one ledger or on one account"),
        "P8": Fault("power goes: nobody says goodbye"),
        "P9": Fault("the ledger is of a newer version"),
        "D1": Fault("the disk is full"),
        "D2": Fault("the ledger is locked"),
        "D3": Fault("the disk errs"),
        "D4": Fault("a byte of the ledger changes"),
        "D5": Fault("an old backup of the ledger is put back"),
        "D6": Fault("the disk is slow"),
        "C1": Fault("the configuration is broken at a restart"),
        "C2": Fault("other limits at a restart; nothing is reloaded while it runs"),
        "C3": Fault("the login is taken back; keys and rights at a start: tests/venues, tests/cli"),
        "C4": Fault("a person halts or pauses at a bad moment, twice"),
        "U1": Fault(
            "a client of the page is slow or hangs",
            _E,
            "the lab runs no page; tests/dashboard/test_serve.py, without a thousand clients",
        ),
        "U2": Fault(
            "another site, a rebound name, a stranger commands",
            _E,
            "the lab runs no page; tests/dashboard/test_app.py and test_guard.py",
        ),
        "U3": Fault("the page shows a dead daemon", _N, "there is no page yet, only its data"),
        "X1": Fault("the service that carries pages is down"),
        "X2": Fault("an observer of the folds raises"),
    }
)


def held(how: Held) -> tuple[str, ...]:
    """Return the ids that are held in one way, in the order of the catalogue."""
    return tuple(fault_id for fault_id, fault in CATALOGUE.items() if fault.held is how)
