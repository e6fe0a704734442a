"""`demo`: an exchange of its own, a book, a daemon that hedges it, and what came of it."""

import asyncio
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from bot.cli.answer import Answer, AsJson, Exit, VerbError, complain, deliver
from bot.cli.exchange import From, MarginModel, MarginModelName, Seed, moment
from bot.cli.spawned import Venue, spawned_exchange

if TYPE_CHECKING:
    from bot.cli.live import LiveView
    from bot.lab.rehearsal import Rehearsal
    from bot.runtime.daemon import Exit as Ended
    from bot.settings import Settings
    from bot.wiring.daemon import System

SYNTHETIC = "synthetic"
FRAMES_PER_SECOND = 8

__all__ = ["demo", "moment"]


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """What the demo was asked for."""

    seconds: float
    seed: int
    market: str
    start: datetime | None
    speed: float
    equity: float | None
    config: Path | None
    margin_model: MarginModelName


Seconds = Annotated[float, typer.Option(min=1.0, help="How long to run, in seconds.")]
Market = Annotated[
    str,
    typer.Option(metavar="synthetic|FILE", help="A market made up from the seed, or a chain file."),
]
Speed = Annotated[float, typer.Option(help="Market seconds that pass in one second.")]
Equity = Annotated[
    float | None,
    typer.Option(metavar="COINS", help="The account's equity; comfortable for the book if absent."),
]
Config = Annotated[
    Path | None, typer.Option(metavar="FILE", help="The configuration; config/demo.yaml if absent.")
]


def demo(
    seconds: Seconds = 60.0,
    seed: Seed = 7,
    market: Market = SYNTHETIC,
    start: From = None,
    speed: Speed = 60.0,
    equity: Equity = None,
    config: Config = None,
    margin_model: MarginModel = MarginModelName.SEGREGATED_SM,
    as_json: AsJson = False,
) -> None:
    """Rehearse offline: an exchange, a book of short strangles, and a daemon that hedges it.

    Nothing leaves this machine. Ends with a summary; exit code 1 if the books do not agree.
    """
    options = DemoOptions(
        seconds=seconds,
        seed=seed,
        market=market,
        start=start,
        speed=speed,
        equity=equity,
        config=config,
        margin_model=margin_model,
    )
    deliver(lambda: asyncio.run(_demo(options, as_json=as_json)), as_json=as_json)


async def _demo(options: DemoOptions, *, as_json: bool) -> Answer:
    """Start the exchange, run the daemon against it, compare their books."""
    complain("starting an exchange on this machine ...")
    loaded = asyncio.create_task(asyncio.to_thread(_load))  # while the exchange loads its own
    async with spawned_exchange([*_exchange_words(options), *_book_words(options)]) as venue:
        await loaded
        settings = _settings(options, venue)
        shown = sys.stdout.isatty() and not as_json
        ran = await _rehearse(options, settings, shown=shown)
        seen = await asyncio.to_thread(venue.ledger)
        return _answer(options, ran, seen)


def _load() -> None:
    """Import what the daemon needs, which takes as long as the exchange takes to start."""
    import bot.wiring.daemon  # noqa: F401 (imported for the time it takes)
    from bot.core import exposure

    exposure.warm()


def _exchange_words(options: DemoOptions) -> list[str]:
    words = ["--seed", str(options.seed), "--speed", str(options.speed), "--market", options.market]
    if options.start is not None:
        words += ["--from", options.start.isoformat()]
    words += ["--margin-model", options.margin_model.value]
    if options.equity is not None:
        words += ["--equity", str(options.equity)]
    return words


def _book_words(options: DemoOptions) -> list[str]:
    """Give the account positions on every market if the configuration hedges more than one."""
    if options.config is None:
        return []
    from bot.cli.configured import load

    hedges = {book.hedge.instrument for book in load(options.config, ()).books}
    return ["--book", "demo-all"] if len(hedges) > 1 else []


def _settings(options: DemoOptions, venue: Venue) -> "Settings":
    from bot.cli.configured import load
    from bot.runtime.clock import WireClock

    path = options.config or Path(__file__).parents[2] / "config" / "demo.yaml"
    began = datetime.fromtimestamp(WireClock().epoch_ms() / 1000, UTC)
    ledger = Path("var") / f"demo-{began:%Y%m%d-%H%M%S}-seed{options.seed}.sqlite3"
    return load(
        path,
        (
            f"venue.rest_url={venue.rest_url}",
            f"venue.ws_url={venue.ws_url}",
            f"journal.path={_free(ledger)}",
        ),
    )


def _free(path: Path) -> Path:
    """Return a path that nobody uses yet, in a directory that exists."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise VerbError(
            f"demo: {path.parent.absolute()} cannot be made: {error.strerror}"
        ) from error
    tried, found = 1, path
    while found.exists():
        tried += 1
        found = path.with_stem(f"{path.stem}-{tried}")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ran:
    """A daemon that has ended, who watched it, for how long, and its mode when time was up."""

    rehearsal: "Rehearsal"
    system: "System"
    ended: "Ended"
    mode: str
    seconds: float


async def _rehearse(options: DemoOptions, settings: "Settings", *, shown: bool) -> _Ran:
    from bot.cli.live import LiveView
    from bot.lab.rehearsal import Rehearsal
    from bot.runtime.account_lock import AccountTakenError
    from bot.runtime.clock import WireClock, wire_seconds
    from bot.runtime.daemon import run_daemon
    from bot.runtime.journal import JournalFailedError, LedgerRefusedError
    from bot.venues.port import VenueRefusedError, VenueUnreachableError
    from bot.wiring.daemon import build_daemon, configure_logging, secrets_of

    policy = settings.policy()
    rehearsal = Rehearsal(plans=policy.books)
    view = LiveView(policy.books[0], rehearsal)
    secrets = secrets_of(settings)
    wire = WireClock()
    with _log(settings, shown=shown) as log:
        configure_logging(settings, secrets, log)
        try:
            async with build_daemon(settings, secrets, observers=(rehearsal, view)) as system:
                began_ns = wire.monotonic_ns()
                async with (
                    _screen(view, shown=shown),
                    _timed(system, options.seconds, rehearsal) as at_end,
                ):
                    ended = await run_daemon(system.daemon)
                ran = round(wire_seconds(wire.monotonic_ns() - began_ns), 1)
                return _Ran(
                    rehearsal=rehearsal,
                    system=system,
                    ended=ended,
                    mode=at_end.mode,
                    seconds=min(options.seconds, ran),  # parting is no part of it
                )
        except (
            AccountTakenError,
            JournalFailedError,
            LedgerRefusedError,
            VenueRefusedError,
            VenueUnreachableError,
        ) as error:
            raise VerbError(f"demo: {error}") from error


@contextmanager
def _log(settings: "Settings", *, shown: bool) -> Iterator[TextIO | None]:
    """Open a file beside the ledger for the log while a live view has the terminal."""
    if not shown:
        yield None
        return
    with Path(settings.journal.path).with_suffix(".log").open("w") as file:
        yield file


@dataclass(slots=True)
class _AtEnd:
    """The mode when the time was up; stopping itself is a mode of its own."""

    mode: str = "stopped early"


@asynccontextmanager
async def _timed(system: "System", seconds: float, rehearsal: "Rehearsal") -> AsyncIterator[_AtEnd]:
    """Tell the daemon to stop when its time is up."""
    at_end = _AtEnd()

    def time_up() -> None:
        at_end.mode = system.loop.state.mode.value
        rehearsal.is_over = True
        system.daemon.stop.set()

    handle = asyncio.get_running_loop().call_later(seconds, time_up)
    try:
        yield at_end
    finally:
        handle.cancel()


@asynccontextmanager
async def _screen(view: "LiveView", *, shown: bool) -> AsyncIterator[None]:
    """Draw the live view while the block runs, if there is a terminal to draw on."""
    if not shown:
        yield
        return
    from rich.live import Live

    with Live(view, refresh_per_second=FRAMES_PER_SECOND, screen=False):
        yield


def _answer(options: DemoOptions, ran: _Ran, seen: Mapping[str, Any]) -> Answer:
    from bot.cli.summary import screen
    from bot.lab import rehearsal as judged
    from bot.lab.books import compared

    loop, ledger = ran.system.loop, ran.system.ledger.path
    books = compared(seen, loop.state.standing, ledger)
    payload: dict[str, Any] = {
        "seed": options.seed,
        "seconds": ran.seconds,
        "speed": options.speed,
        "market": options.market,
        "ticks": ran.system.daemon.inbox.quotes_admitted,
        **judged.figures(ran.rehearsal),
        **books,
        "tick_to_decision_us": _quantiles(loop.tick_to_decision),
        "tick_to_order_us": _quantiles(loop.tick_to_order),
        "journal": str(ledger.absolute()),
        "mode": ran.mode,
        "ended": ran.ended.reason,
    }
    agree = books["position_match"] and books["orders_at_venue"] == books["orders_in_journal"]
    code = Exit(ran.ended.code.value) if ran.ended.code else (Exit.DONE if agree else Exit.FAILED)
    return Answer(payload=payload, screen=screen(payload), exit_code=code)


def _quantiles(reservoir: Any) -> dict[str, float] | None:
    found = reservoir.quantiles()
    return None if found is None else {"p50": round(found.p50, 1), "p99": round(found.p99, 1)}
