"""A busy daemon is killed again and again at random moments, and started again each time."""

import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bot.lab.books import ORDER_METHODS, differences, submitted
from bot.lab.wire.processes import (
    WIRE,
    Daemon,
    Exchange,
    Shaker,
    WireLabError,
    daemon,
    exchange,
    pause,
    supervised,
    until,
)
from bot.lab.wire.rig import HEAL_SECONDS, SPEED, Rig, standing
from bot.runtime import ledger_volumes
from bot.runtime.clock import wire_seconds

KILL_AFTER_SECONDS_MAX: Final = 1.0  # of being busy
EARLY_SHARE: Final = 0.2  # of the kills strike while the daemon still starts
EARLY_SECONDS_MAX: Final = 4.0
SHAKE_SECONDS: Final = 0.2
LOOK_SECONDS: Final = 0.02
RUN_SECONDS_MAX: Final = 60.0
DIGITS: Final = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """How long a daemon took until it hedged, and whether it found an order of unknown fate first.

    With one in doubt it waits for the venue's proof.
    """

    seconds: float
    in_doubt: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Killed:
    """What came of it all. `starts` are counted from exec."""

    kills: int
    kills_while_starting: int
    orders: int
    fills: int
    starts: Sequence[Start]
    violations: Sequence[str]
    journal: Path


def killed_often(
    kills: int,
    seed: int,
    folder: Path,
    tell: Callable[[str], None] = lambda _: None,
    *,
    heal_seconds: float = HEAL_SECONDS,
) -> Killed:
    """Kill a busy daemon so often, at moments drawn from `seed`, and judge by the venue's ledger.

    Raises:
        WireLabError: a daemon did not start, or nothing happened that it could be killed in.
    """
    chance, journal = random.Random(seed), folder / "ledger.sqlite3"
    starts: list[Start] = []
    early, violations = 0, list[str]()
    with exchange("--seed", "11", "--speed", SPEED) as venue:
        urls = (venue.rest_url, venue.ws_url)
        shaker = Shaker(venue, every_seconds=SHAKE_SECONDS)
        for number in range(kills):
            is_early = number > 0 and chance.random() < EARLY_SHARE
            wait_seconds = chance.uniform(0.0, EARLY_SECONDS_MAX if is_early else 1.0)
            with (daemon if is_early else supervised)(urls, journal) as running:
                if is_early:
                    early += 1
                    pause(wait_seconds)
                else:
                    starts.append(to_run(running))
                    _busy_until_order(venue, shaker, running)
                    violations += _kept_busy(venue, shaker, wait_seconds * KILL_AFTER_SECONDS_MAX)
                running.kill()
            if (number + 1) % 10 == 0:
                tell(f"{number + 1} kills, {len(venue.order_requests())} orders")
        with supervised(urls, journal) as running:
            starts.append(to_run(running))
            _busy_until_order(venue, shaker, running)
            pair = Rig(venue, running, journal, shaker, heal_seconds)
            pair.gets_well("all is well at the end")
            if running.leave() != 0:
                violations.append(f"the last daemon did not leave in peace: {running.said()}")
        seen = venue.ledger()
    return Killed(
        kills=kills,
        kills_while_starting=early,
        orders=sum(row["method"] in ORDER_METHODS for row in seen["requests"]),
        fills=sum(fill["cause"] == "trade" for fill in seen["fills"]),
        starts=starts,
        violations=[*violations, *violated(seen, journal)],
        journal=journal,
    )


def to_run(running: Daemon) -> Start:
    """Wait until a daemon that has just been started hedges; return how long that took from exec.

    Raises:
        WireLabError: it ended, or does not hedge in time.
    """
    while not _runs(running):
        seconds = wire_seconds(WIRE.monotonic_ns() - running.began_ns)
        if not running.lives or seconds > RUN_SECONDS_MAX:
            raise WireLabError(f"it did not come to hedge in {seconds:.1f} s\n{running.said()}")
        pause(LOOK_SECONDS)
    took = wire_seconds(WIRE.monotonic_ns() - running.began_ns)
    return Start(seconds=took, in_doubt="order in doubt" in running.told())


def _runs(running: Daemon) -> bool:
    if not running.is_served:
        return False
    try:
        return bool(running.status()["mode"]["name"] == "run")
    except (OSError, ValueError):  # the file is a killed daemon's, or the page is not served yet
        return False


def violated(seen: dict[str, Any], journal: Path) -> list[str]:
    """Judge a ledger by what the venue saw; return what is wrong, in a sentence each."""
    labels = Counter(row["label"] for row in seen["requests"] if row["method"] in ORDER_METHODS)
    trades = [fill for fill in seen["fills"] if fill["cause"] == "trade"]
    here = Counter(_trades_of(journal))
    found = [f"label {label} came {n} times" for label, n in labels.items() if n > 1]
    found += [
        f"order {label} left without a ledger row"
        for label in set(labels) - set(submitted(journal))
    ]
    found += [f"trade {f['trade_id']} is not here" for f in trades if not here[f["trade_id"]]]
    there = {fill["trade_id"] for fill in seen["fills"]}
    found += [f"trade {each} is here and was never made" for each in here if each not in there]
    found += [
        f"{name}: {theirs} at the venue, {ours} here"
        for name, (theirs, ours) in differences(seen, standing(journal)).items()
    ]
    if standing(journal).halt_reason:
        found.append(f"it halted: {standing(journal).halt_reason}")
    return found


def _trades_of(journal: Path) -> list[str]:
    """Name every trade that the ledger has a fact of."""
    found: list[str] = []
    for entry in ledger_volumes.all_entries(journal):
        if entry.kind == "facts":
            facts = json.loads(entry.body)["facts"]
            found += [fact["trade_id"] for fact in facts if fact["$"] == "FillSeen"]
    return found


def _busy_until_order(venue: Exchange, shaker: Shaker, running: Daemon) -> None:
    """Shake the market until the daemon sends one more order."""
    before = len(venue.order_requests())

    def trades() -> bool:
        shaker.shake()
        if not running.lives:
            raise WireLabError(f"the daemon ended\n{running.said()}")
        return len(venue.order_requests()) > before

    until("an order", trades, RUN_SECONDS_MAX, running.said)


def _kept_busy(venue: Exchange, shaker: Shaker, seconds: float) -> list[str]:
    """Shake the market for a while; return each time that two orders lived on one instrument."""
    began_ns, found = WIRE.monotonic_ns(), list[str]()
    while wire_seconds(WIRE.monotonic_ns() - began_ns) < seconds:
        shaker.shake()
        live = [row for row in venue.ledger()["orders"] if row["state"] == "open"]
        names = Counter(row["instrument_name"] for row in live)
        found += [f"two orders live on {name}: {live}" for name, n in names.items() if n > 1]
        pause(LOOK_SECONDS)
    return found
