"""The daemon as a running system: settings choose the objects, and nobody else asks."""

import asyncio
import os
import socket
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Final, TextIO

import structlog

import bot
from bot.core import exposure
from bot.core.units import NS_PER_MS
from bot.dashboard import address, app, callers, serve
from bot.dashboard.guard import Rules
from bot.dashboard.models import About, Percentiles
from bot.dashboard.window import Frame, Window
from bot.runtime import assembly, halting, ledger_volumes, notify, telemetry
from bot.runtime.alerts import Alerts
from bot.runtime.assembly import Connected, Records
from bot.runtime.clock import (
    MarketClock,
    WireClock,
)
from bot.runtime.daemon import Daemon, Job
from bot.runtime.host import ProcessHost
from bot.runtime.journal import Ledger, RunHeader
from bot.runtime.jumps import JumpWatch
from bot.runtime.latency import Reservoir
from bot.runtime.loop import Loop, Observer
from bot.runtime.metrics import ShellMetrics
from bot.runtime.narration import Narrator
from bot.runtime.outbox import Outbox
from bot.runtime.redaction import Redactor
from bot.runtime.stopcock import Stopcock, halt_path
from bot.runtime.tape import Tape, tape_beside
from bot.settings import AlertSecrets, Credentials, Settings
from bot.settings.checks import is_loopback
from bot.wiring import alive, paging
from bot.wiring import venue as venue_of
from bot.wiring.paging import Callers

MEGABYTE: Final = 1_000_000
LOOPBACK_NAMES: Final = frozenset({"127.0.0.1", "localhost", "::1"})
INSTANCE_BYTES: Final = 3
LIBRARIES: Final = ("ccxt", "numpy", "numba")

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What a daemon must know and never say."""

    credentials: Credentials
    token: str = field(repr=False)
    alerts: AlertSecrets = field(default_factory=AlertSecrets)


@dataclass(frozen=True, slots=True, kw_only=True)
class System:
    """A daemon that is ready to run, and its parts for those who watch it."""

    daemon: Daemon
    window: Window
    ledger: Ledger
    market: MarketClock
    url: str

    @property
    def loop(self) -> Loop:
        """The loop, which tells its observers of every fold."""
        return self.daemon.loop


@dataclass(frozen=True, slots=True, kw_only=True)
class _Shell:
    """What decides and acts, before anybody watches it."""

    wire: WireClock
    connected: Connected
    records: Records
    callers: Callers
    alerts: Alerts
    loop: Loop
    outbox: Outbox


def secrets_of(settings: Settings) -> Secrets:
    """Fetch API key, dashboard's token and alert channels' from where the settings say they are.

    Raises:
        ConfigError: one of them is not there.
    """
    credentials = settings.credentials()
    token = settings.dashboard_token() or address.new_token()
    return Secrets(credentials=credentials, token=token, alerts=settings.alert_secrets())


def configure_logging(settings: Settings, secrets: Secrets, stream: TextIO | None = None) -> None:
    """Send every log line, without the secrets, to `stream` (standard error if None)."""
    credentials = secrets.credentials
    told = paging.said_secrets(settings, secrets.alerts)
    telemetry.configure(
        level=settings.log.level.value,
        log_format=telemetry.LogFormat(settings.log.format.value),
        redact=Redactor((credentials.key, credentials.secret, secrets.token, *told)),
        stream=stream,
    )


@asynccontextmanager
async def build_daemon(
    settings: Settings, secrets: Secrets, *, observers: Sequence[Observer] = ()
) -> AsyncIterator[System]:
    """Put a daemon together, ready for `run_daemon`; let go of everything when the block ends.

    Nothing is left half-started: what fails here has closed all that was opened before it.

    Raises:
        AccountTakenError: another daemon of this machine trades the account.
        LedgerRefusedError: another daemon has the ledger, or it is damaged or another account's.
        PortTakenError: the dashboard's port cannot be had.
        VenueRefusedError: credentials, rights, network or a hedge instrument are not acceptable.
        VenueUnreachableError: nobody answers.
    """
    wire = WireClock()
    async with AsyncExitStack() as stack:
        sock = stack.enter_context(serve.bind(settings.dashboard.bind, settings.dashboard.port))
        stack.enter_context(alive.alone(settings, secrets.credentials, wire))
        exposure.warm()  # compile before connecting: a kernel compiled in mid-tick ages quotes
        shell = await _shell(settings, secrets, wire, stack)
        loop, ledger = shell.loop, shell.records.ledger
        host = alive.process(settings, stack)
        metrics = _metrics(shell, host)
        herald = notify.herald()
        heart = stack.enter_context(alive.heart(settings, loop))
        jumps = JumpWatch(shell.connected.sampler, shell.connected.market)
        watching: tuple[Observer, ...] = (heart.on_step, metrics.on_step, Narrator(), jumps)
        for observer in (*watching, herald.on_step, *shell.callers.observers, *observers):
            loop.watch(observer)
        window = Window(_frame(settings, shell, metrics))
        loop.watch(lambda stepped: window.show(stepped.step))
        give = halting.giver(shell.connected.inbox, shell.outbox.stopcock)
        pages = app.build(window, give, _rules(settings, secrets.token))
        page_server = partial(serve.serve, pages, sock, ledger.path, secrets.token)
        tidying = _tidying(settings, ledger, wire)
        daemon = replace(
            _bare(shell),
            host=host,
            limits=alive.limits(settings),
            on_lag=metrics.on_lag,
            on_leaving=herald.on_leaving,
            on_ended=alive.farewells(heart, loop, shell.callers),
            extra={"dashboard": page_server, "volumes": tidying, **shell.callers.jobs},
        )
        market, url = shell.connected.market, _url(sock)
        yield System(daemon=daemon, window=window, ledger=ledger, market=market, url=url)


async def _shell(
    settings: Settings, secrets: Secrets, wire: WireClock, stack: AsyncExitStack
) -> _Shell:
    stopcock = Stopcock(halt_path(Path(settings.journal.path)))
    connected = await _connect(settings, secrets.credentials, wire, stack, stopcock)
    # Last, so that a start that is refused leaves no file behind. All until here only asked.
    records = _records(settings, wire, stack, stopcock)
    callers = paging.callers(settings, secrets.alerts, wire)
    alerts = Alerts(wire.epoch_ms, callers.pager.tell)
    loop, outbox = assembly.recovered_loop(connected, settings.policy(), records, alerts, wire)
    return _Shell(
        wire=wire,
        connected=connected,
        records=records,
        callers=callers,
        alerts=alerts,
        loop=loop,
        outbox=outbox,
    )


def _records(
    settings: Settings, wire: WireClock, stack: AsyncExitStack, stopcock: Stopcock
) -> Records:
    """Open ledger and tape, until the stack unwinds."""
    ledger = _ledger(settings, wire)
    stack.push_async_callback(asyncio.to_thread, ledger.close)
    return Records(ledger=ledger, tape=_tape(settings, stack), stopcock=stopcock)


def _ledger(settings: Settings, wire: WireClock) -> Ledger:
    """Open the ledger for this run."""
    began_ns = wire.monotonic_ns()
    ledger = Ledger.open(
        Path(settings.journal.path),
        _header(settings),
        wire,
        volume_bytes=settings.journal.volume_mb * MEGABYTE,
    )
    took_ms = round((wire.monotonic_ns() - began_ns) / NS_PER_MS, 1)
    log.info("ledger opened", rows=ledger.head.seq, took_ms=took_ms)
    return ledger


def _tidying(settings: Settings, ledger: Ledger, wire: WireClock) -> Job:
    """Keep the ledger's closed volumes as the configuration says."""
    keep_days = settings.journal.keep_days
    return partial(ledger_volumes.keep_tidy, ledger.path, keep_days, wire.epoch_ms)


def _bare(shell: _Shell) -> Daemon:
    """Return a daemon that nobody watches yet."""
    return Daemon(
        venue=shell.connected.venue,
        inbox=shell.connected.inbox,
        outbox=shell.outbox,
        loop=shell.loop,
        sampler=shell.connected.sampler,
        timers=shell.connected.timers,
        wire=shell.wire,
        journal_path=shell.records.ledger.path,
    )


async def _connect(
    settings: Settings,
    credentials: Credentials,
    wire: WireClock,
    stack: AsyncExitStack,
    stopcock: Stopcock,
) -> Connected:
    """Open the venue, learn its time, and see that every hedge can be traded."""
    market = venue_of.market_clock(settings, wire)
    venue = venue_of.deribit(settings, credentials, wire, market, shut=lambda: stopcock.reason)
    stack.push_async_callback(venue.close)
    connected = await assembly.connect(venue, market, wire, place=settings.venue.rest_url)
    books, listed = settings.policy().books, connected.listed
    assembly.check_hedges(books, listed, market.now_ms(), place=settings.venue.name)
    return connected


def _metrics(shell: _Shell, host: ProcessHost) -> ShellMetrics:
    """Return the shell's numbers, which are read whenever somebody asks."""
    metrics = ShellMetrics()
    metrics.watch(
        inbox=shell.connected.inbox,
        outbox=shell.outbox,
        ledger=shell.records.ledger,
        market=shell.connected.market,
        alerts=shell.alerts,
        tape=shell.records.tape,
    )
    metrics.watch_process(host.used)
    shell.callers.count_in(metrics.registry)
    return metrics


def _url(sock: socket.socket) -> str:
    host, port = sock.getsockname()[:2]
    return address.reached_at(host, port, "").url


def _header(settings: Settings) -> RunHeader:
    tape = _tape_path(settings)
    return RunHeader(
        code_version=bot.__version__,
        config_digest=settings.digest(),
        account=_account(settings),
        mode=settings.mode.value,
        tape="" if tape is None else str(tape.absolute()),
    )


def _account(settings: Settings) -> str:
    """Name the account that a ledger belongs to: venue, currencies in any order, label."""
    currencies = "+".join(sorted(settings.account.currencies))
    return f"{settings.venue.name}:{currencies}:{settings.account.label_prefix}"


def _tape_path(settings: Settings) -> Path | None:
    journal = settings.journal
    if not journal.tape:
        return None
    return Path(journal.tape_path) if journal.tape_path else tape_beside(Path(journal.path))


def _tape(settings: Settings, stack: AsyncExitStack) -> Tape | None:
    folder = _tape_path(settings)
    if folder is None:
        return None
    tape = Tape(folder, bytes_max=settings.journal.tape_max_mb * MEGABYTE)
    stack.push_async_callback(asyncio.to_thread, tape.close)
    return tape


def _frame(settings: Settings, shell: _Shell, metrics: ShellMetrics) -> Frame:
    loop = shell.loop
    about = About(
        version=bot.__version__,
        libraries={name: version(name) for name in LIBRARIES},
        run_mode=settings.mode.value,
        venue=settings.venue.name.value,
        account=_account(settings),
        config=settings.file,
        config_digest=settings.digest(),
        journal=str(Path(settings.journal.path).absolute()),
        pid=os.getpid(),
        rest_url=settings.venue.rest_url,
        ws_url=settings.venue.ws_url,
    )
    reservoirs = {
        "tick_to_decision": loop.tick_to_decision,
        "tick_to_order": loop.tick_to_order,
        "journal": loop.journal,
    }
    policy = settings.policy()
    return Frame(
        about=about,
        plans=policy.books,
        currencies=policy.currencies,
        margin_limits={
            "warn": policy.gate.warn,
            "reduce_only": policy.gate.reduce_only,
            "hold": policy.gate.hold,
        },
        wire_ns=shell.wire.monotonic_ns,
        alerts=partial(callers.alerts, shell.callers.pager),
        latencies=lambda: _latencies(reservoirs),
        shell_metrics=metrics.exposition,
    )


def _latencies(reservoirs: Mapping[str, Reservoir]) -> Mapping[str, Percentiles]:
    found = {name: reservoir.quantiles() for name, reservoir in reservoirs.items()}
    return {
        name: Percentiles(count=seen.count, p50_us=seen.p50, p99_us=seen.p99)
        for name, seen in found.items()
        if seen is not None
    }


def _rules(settings: Settings, token: str) -> Rules:
    """Return known names for this machine only, or the token for everything where others reach."""
    if is_loopback(settings.dashboard.bind):
        return Rules(hosts=LOOPBACK_NAMES, token=token, token_to_read=False)
    return Rules(hosts=None, token=token, token_to_read=True)
