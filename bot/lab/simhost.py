"""The machine that the daemon runs on, in virtual time: it starts it, kills it and starts it again.

What it runs is the shell that ships, put together by the same code (`bot.runtime.assembly`), with
the wire, disk and clock of the lab. Between two lives nothing survives but the disk.
"""

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from bot.core.actions import Alert
from bot.core.engine import Policy
from bot.core.events import Command, CommandGiven
from bot.core.state import Mode
from bot.core.units import NS_PER_MS
from bot.lab.simdisk import SimDisk
from bot.lab.simloop import SimLoop
from bot.lab.simphone import Phone
from bot.lab.simwire import Network
from bot.runtime import ledger_repair
from bot.runtime.alerts import Alerts
from bot.runtime.assembly import Connected, Records, check_hedges, connect, recovered_loop
from bot.runtime.clock import MarketClock, VenueMarketClock, WireClock
from bot.runtime.daemon import Daemon, Exit, ExitCode, run_daemon
from bot.runtime.halting import giver
from bot.runtime.host import Used
from bot.runtime.journal import JournalFailedError, Ledger, LedgerRefusedError, RunHeader
from bot.runtime.jumps import JumpWatch
from bot.runtime.loop import Loop, Observer
from bot.runtime.pager import Pager
from bot.runtime.stopcock import Stopcock, halt_path
from bot.runtime.tape import Tape
from bot.settings.problems import ConfigError
from bot.venues.ccxt_venue import Clocks
from bot.venues.deribit import DeribitOptions, DeribitVenue
from bot.venues.deribit_network import Network as Which
from bot.venues.deribit_requests import Credentials
from bot.venues.port import VenueRefusedError, VenueUnreachableError

EPOCH_MS: Final = 1_790_000_000_000  # the host's calendar when the world begins
SAMPLE_SECONDS: Final = 2.0  # of the venue's time; no more than its clock needs
SILENCE_SECONDS: Final = 0.5  # for a fold although nobody speaks: quotes come about as often
RESTART_SECONDS: Final = 2.0  # as a supervisor waits before it starts a daemon again
HEADER: Final = RunHeader(
    code_version="lab", config_digest="lab", account="deribit:BTC:db", mode="rehearsal"
)
INSTANCE: Final = "1ab0ab"
OPTIONS: Final = DeribitOptions(
    rest_url="http://127.0.0.1:1",
    ws_url="ws://127.0.0.1:1/ws/api/v2",
    network=Which.REHEARSAL,
)
KEY: Final = Credentials(key="demo", secret="demo-secret")  # noqa: S106  the embedded exchange's


class SimProcess:
    """A process as far as its daemon touches it. It beats once a second, and nobody listens."""

    @property
    def beat_seconds(self) -> float:
        """A beat is a timer more in every simulated second, so there are few."""
        return 1.0

    @property
    def look_seconds(self) -> float:
        """As often; an order that is about to leave looks for itself."""
        return 1.0

    @property
    def heeds_steps(self) -> bool:
        """No: strikes on the calendar show that nothing depends on it."""
        return False

    def used(self) -> Used:
        """Nothing: the process is the whole lab's."""
        return Used()

    def settle(self) -> None:
        """Leave the collector alone: it is the whole lab's."""

    def beat(self) -> None:
        """Nothing: time stands still while a simulated process works."""

    def leave(self) -> None:
        """Nothing."""


@dataclass(slots=True)
class HostClock:
    """The host's calendar, which can be set: `step_ms` is how far it is off.

    `boots` counts how often the host lost its power.
    """

    loop: SimLoop
    step_ms: int = 0
    boots: int = 0

    def epoch_ms(self) -> int:
        """What the host's calendar says."""
        return self.true_ms() + self.step_ms

    def true_ms(self) -> int:
        """What it would say if nobody had touched it."""
        return EPOCH_MS + self.loop.now_ns // NS_PER_MS

    def wire(self) -> WireClock:
        """The readings that a process is handed."""
        return WireClock(
            monotonic_ns=lambda: self.loop.now_ns,
            epoch_ms=self.epoch_ms,
            boot=f"boot{self.boots}",
        )


@dataclass(slots=True, kw_only=True)
class Life:
    """One process of the daemon, from its start to its end."""

    number: int
    task: asyncio.Task[None] | None = None
    over: asyncio.Event = field(default_factory=asyncio.Event)
    ledger: Ledger | None = None
    tape: Tape | None = None
    loop: Loop | None = None
    daemon: Daemon | None = None
    exit: Exit | None = None
    policy: Policy | None = None
    pager: Pager | None = None


@dataclass(slots=True)
class Lives:
    """What was seen of all lives: how they ended, and whom they called."""

    exits: list[Exit] = field(default_factory=list)
    refusals: list[str] = field(default_factory=list)
    alerts: list[Alert] = field(default_factory=list)
    births: list[int] = field(default_factory=list)
    crashed: int = 0


class SimMachine:
    """One host with one daemon on it.

    Args:
        clock: the host's calendar, and the loop whose time it lives in.
        rng: draws what is left to chance.
        network: leads to the venue.
        disk: outlives the daemon.
        policy: what the daemon obeys.
        observers: of every fold of every life.
    """

    def __init__(
        self,
        clock: HostClock,
        rng: random.Random,
        network: Network,
        disk: SimDisk,
        *,
        policy: Policy,
        observers: Sequence[Observer],
    ) -> None:
        self.clock = clock
        self.seen = Lives()
        self.life: Life | None = None
        self.on_recovered: Callable[[Life], None] = _unwatched
        self.on_command: Callable[[Command, str], None] = _unheard
        self._loop = clock.loop
        self._rng = rng
        self._network = network
        self._disk = disk
        self.configured: Callable[[], Policy] = lambda: policy  # as a start reads its file
        self.phone = Phone()
        self._observers = observers
        self.is_kept_down = False

    async def run(self) -> None:
        """Start the daemon, and start it again whenever it ends, until cancelled."""
        while True:
            if self.is_kept_down:
                await asyncio.sleep(RESTART_SECONDS)
                continue
            life = self._born()
            await life.over.wait()
            if self.life is life:  # it was not killed
                self._note(life)
            await asyncio.sleep(RESTART_SECONDS)

    def command(self, command: Command, command_id: str) -> bool:
        """Give a command, as the page and the verbs do; False if nobody is there to take it."""
        life = self.life
        if life is None or life.daemon is None:
            return False
        self.on_command(command, command_id)
        giver(life.daemon.inbox, life.daemon.outbox.stopcock)(
            CommandGiven(
                command=command, command_id=command_id, actor="the lab", note="as the lab plays it"
            )
        )
        return True

    def unlatch(self) -> bool:
        """Take the file away that a daemon leaves which cannot write its ledger."""
        path = halt_path(self._disk.path)
        was_there = path.exists()
        path.unlink(missing_ok=True)
        return was_there

    def repair(self) -> bool:
        """Repair the ledger as `journal repair` does, if it needs that and nobody has it open."""
        try:
            done = ledger_repair.repair(self._disk.path, HEADER.code_version, self.clock.wire())
        except LedgerRefusedError:
            return False
        return done is not None

    def crash(self, *, says_goodbye: bool = True) -> bool:
        """Kill the process between two steps of its loop; False if there is none.

        Without power there is nobody to close its connections: the venue finds out by itself.
        """
        life = self.life
        if life is None:
            return False
        self.life = None
        self.seen.crashed += 1
        self._loop.end_life(life.number)
        self._loop.signals.clear()
        if life.ledger is not None:
            self._disk.crash(life.ledger)
        if says_goodbye:
            for wire in tuple(self._network.wires):
                wire.leave()  # the kernel closes what the process had open
        else:
            self.clock.boots += 1
        life.over.set()
        return True

    def _born(self) -> Life:
        number, context = self._loop.begin_life()
        life = self.life = Life(number=number)
        self.seen.births.append(self._loop.steps)
        life.task = self._loop.create_task(self._live(life), context=context, name="daemon")
        return life

    def _note(self, life: Life) -> None:
        self.life = None
        if life.exit is not None:
            self.seen.exits.append(life.exit)

    async def _live(self, life: Life) -> None:
        try:
            life.policy = self.configured()
        except ConfigError as error:  # as `run` does: nothing is opened, the supervisor tries again
            self.seen.refusals.append(str(error))
            life.over.set()
            return
        wire = self.clock.wire()
        market = VenueMarketClock(wire)
        stopcock = Stopcock(halt_path(self._disk.path))
        venue = self._venue(wire, market, stopcock)
        try:
            connected = await connect(
                venue, market, wire, place="the lab", sample_seconds=SAMPLE_SECONDS
            )
            check_hedges(life.policy.books, connected.listed, market.now_ms(), place="the lab")
            await self._serve(life, connected, wire, stopcock)
        except (VenueUnreachableError, VenueRefusedError, LedgerRefusedError) as error:
            self.seen.refusals.append(str(error))
        except JournalFailedError as error:  # the run's header could not be written
            life.exit = Exit(code=ExitCode.HALTED, reason=str(error))
        finally:
            await venue.close()
            if life.tape is not None:
                life.tape.close()
            if life.ledger is not None:
                life.ledger.close()
            life.over.set()

    def _venue(self, wire: WireClock, market: MarketClock, stopcock: Stopcock) -> DeribitVenue:
        return DeribitVenue(
            options=OPTIONS,
            credentials=KEY,
            clocks=Clocks(
                epoch_ms=wire.epoch_ms,
                monotonic_ns=wire.monotonic_ns,
                market_ms=market.now_ms,
                age_ns=market.age_ns,
            ),
            sleep=asyncio.sleep,
            chance=self._rng.random,
            client=self._network.client,
            shut=lambda: stopcock.reason,
        )

    async def _serve(
        self, life: Life, connected: Connected, wire: WireClock, stopcock: Stopcock
    ) -> None:
        ledger = life.ledger = Ledger.open(
            self._disk.path,
            HEADER,
            wire,
            run_id=f"life{life.number}",
            disk=self._disk.mounted(),
        )
        assert life.policy is not None, "it was read first"
        life.tape = self._disk.tape()
        pager = life.pager = self.phone.pager(wire)
        alerts = Alerts(wire.epoch_ms, listen=pager.tell)
        loop, outbox = recovered_loop(
            connected,
            life.policy,
            Records(ledger=ledger, tape=life.tape, stopcock=stopcock),
            alerts,
            wire,
            instance=lambda: INSTANCE,
        )
        life.loop = loop
        loop.silence_seconds = SILENCE_SECONDS
        self.on_recovered(life)
        loop.watch(JumpWatch(connected.sampler, connected.market))
        for observer in (*self._observers, pager.on_step):
            loop.watch(observer)
        life.daemon = Daemon(
            venue=connected.venue,
            inbox=connected.inbox,
            outbox=outbox,
            loop=loop,
            sampler=connected.sampler,
            timers=connected.timers,
            wire=wire,
            journal_path=ledger.path,
            host=SimProcess(),
            extra={"pager": pager.run},
        )
        life.exit = await run_daemon(life.daemon)

    @property
    def mode(self) -> Mode | None:
        """The daemon's mode, None while there is none."""
        return self.life.loop.state.mode if self.life and self.life.loop else None


def _unheard(_: Command, __: str) -> None:
    """Nobody listens."""


def _unwatched(_: Life) -> None:
    """Nobody looks."""
