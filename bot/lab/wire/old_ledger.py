"""A ledger as a month leaves it, made from a short one, and how fast a daemon takes it up.

What a start reads of a ledger does not depend on its age as long as it is one volume: the mark, the
end of the chain, the last whole standing and the changes since. So the month is made the worst that
it can be: a volume about to be closed, that ends with as many changes as there may be after a whole
standing.
"""

import json
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from bot.core.standing import Standing
from bot.lab.wire.kills import Start, to_run
from bot.lab.wire.processes import WIRE, Shaker, WireLabError, daemon, exchange, until
from bot.lab.wire.rig import SHAKE_SECONDS, SPEED, Rig, standing
from bot.runtime import ledger_reading, records
from bot.runtime.journal import Ledger, Row, RunHeader

OPENINGS: Final = 20
VOLUME_MB: Final = 256  # config/demo.yaml's own
MADE_SHARE: Final = 0.9  # of a volume
BATCH_ROWS: Final = 5_000
COPIED_CHARACTERS_MAX: Final = 8_000  # longer rows, such as what is listed, come once a start
ORDERS_FIRST: Final = 5
MS_PER_S: Final = 1_000.0
BYTES_PER_MB: Final = 1_000_000

_OPENED: Final = re.compile(r"ledger opened.*?took_ms=([0-9.]+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """How long starts on it took: counted from exec, and from the opening of the ledger."""

    rows: int
    mb: float
    starts: Sequence[Start]
    openings: Sequence[Start]


def opened_often(
    folder: Path,
    tell: Callable[[str], None] = lambda _: None,
    *,
    openings: int = OPENINGS,
    megabytes: float = VOLUME_MB * MADE_SHARE,
) -> Opened:
    """Make a ledger of a month's size, and let that many daemons take it up one after the other.

    Raises:
        WireLabError: one did not.
    """
    folder.mkdir(exist_ok=True)
    journal = folder / "ledger.sqlite3"
    with exchange("--seed", "13", "--speed", SPEED) as venue:
        urls = (venue.rest_url, venue.ws_url)
        with daemon(urls, journal) as running:
            pair = Rig(venue, running, journal, Shaker(venue, every_seconds=SHAKE_SECONDS))
            to_run(running)
            pair.shaken("some orders", lambda: pair.orders() >= ORDERS_FIRST)
            until("all is well", pair.is_well, said=pair.why)
            running.leave()
        rows = grown(journal, megabytes)
        size_mb = journal.stat().st_size / BYTES_PER_MB
        tell(f"{rows:,} rows, {size_mb:,.0f} MB")
        starts, since_opening = list[Start](), list[Start]()
        for _ in range(openings):
            with daemon(urls, journal) as running:
                start = to_run(running)
                seconds = _since_opening(journal, WIRE.epoch_ms(), running.told())
                starts.append(start)
                since_opening.append(replace(start, seconds=seconds))
                running.kill()
    return Opened(
        rows=rows,
        mb=size_mb,
        starts=starts,
        openings=since_opening,
    )


def _since_opening(journal: Path, now_ms: int, said: str) -> float:
    """Return the seconds from the opening of the ledger until now; `now_ms` is wire time.

    Raises:
        WireLabError: the daemon did not say how long the opening took.
    """
    opening = _OPENED.search(said)
    if opening is None:
        raise WireLabError(f"it does not say how long it took to open its ledger\n{said}")
    (run,) = ledger_reading.tail(journal, 1, "run")  # the first that was written to it, once open
    return (float(opening[1]) + now_ms - run.wire_epoch_ms) / MS_PER_S


def grown(journal: Path, megabytes: float) -> int:
    """Let a closed ledger grow to a size, by its own rows again and again; return how many it has.

    It ends with a whole standing and the most changes that may follow one.
    """
    known = standing(journal)
    (last,) = ledger_reading.tail(journal, 1, "run")
    told = json.loads(last.body)
    header = RunHeader(**{name: told[name] for name in RunHeader.__dataclass_fields__})
    copied = [
        Row(kind=entry.kind, at_ms=entry.at_ms, body=entry.body)
        for entry in ledger_reading.entries(journal)
        if entry.kind in {"facts", "step"} and len(entry.body) < COPIED_CHARACTERS_MAX
    ]
    ledger = Ledger.open(journal, header)
    try:
        while journal.stat().st_size < megabytes * BYTES_PER_MB:
            batch = (copied * (BATCH_ROWS // len(copied) + 1))[:BATCH_ROWS]
            ledger.post(batch)
            _written(ledger)
        ledger.post(list(_last_rows(known, last.at_ms)))
        _written(ledger)
        return ledger.head.seq
    finally:
        ledger.close()


def _written(ledger: Ledger) -> None:
    until("rows are written", lambda: not ledger.waiting)


def _last_rows(known: Standing, at_ms: int) -> Iterator[Row]:
    yield Row(kind="standing", at_ms=at_ms, body=records.standing_text(0, known))
    for number in range(records.CHANGES_MAX - 1):
        name = f"old-{number}"
        after = replace(known, trades_seen={**known.trades_seen, name: known.since_ms})
        text = records.change_text(0, known, after)
        assert text is not None, "a trade is a change"
        yield Row(kind="change", at_ms=at_ms, body=text)
        known = after
