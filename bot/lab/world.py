"""One world of the fault lab: an exchange, wires, a machine with a daemon, and one seed.

Everything that is left to chance is drawn from the seed, each part from a generator of its own, so
that switching a fault on does not change the market's path.
"""

import asyncio
import contextlib
import logging
import random
import sys
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path
from typing import Final

import structlog
from structlog.typing import EventDict, WrappedLogger

from bot.core.agreement import AgreementPolicy
from bot.core.books import BookPolicy, Selector
from bot.core.dealing import BookPlan
from bot.core.engine import Policy
from bot.core.hedger import HedgePolicy
from bot.core.margin.gating_stages import GatePolicy
from bot.core.margin.modelling import DeribitStandard
from bot.core.orders import OrderPolicy
from bot.core.safety import SafetyPolicy
from bot.core.units import MS_PER_HOUR, MS_PER_MINUTE, MS_PER_SECOND, NS_PER_SECOND
from bot.exchange.contracts import BTC_USD
from bot.exchange.rules import Rules
from bot.lab.lies import Lies
from bot.lab.simdisk import SimDisk
from bot.lab.simexchange import Opening, SimExchange
from bot.lab.simhost import HostClock, SimMachine
from bot.lab.simloop import SimLoop
from bot.lab.simmarket import LabMarket
from bot.lab.simwire import Network
from bot.quant.conventions import SETTLEMENT_WINDOW_MS, Convention
from bot.runtime.loop import Observer

HEDGE: Final = "BTC-PERPETUAL"
BOOK: Final = "main"
PREFIX: Final = "db"
BAND_COIN: Final = 0.2
LINES_KEPT: Final = 20_000
MOVES_EVERY: Final = 2  # of so many rounds of quotes one has moved, the others say the same again
LEGS_MIN: Final = 6
LEGS_MAX: Final = 10
EXPIRY_OF_DAY_MS: Final = 8 * MS_PER_HOUR
DAY_MS: Final = 24 * MS_PER_HOUR
# Market days on which a run may begin: an ordinary one, a leap day, the turn of a year, and those
# on which clocks are put forward and back in Europe and America.
DAYS_MS: Final = (
    1_767_571_200_000,  # 2026-01-05
    1_835_395_200_000,  # 2028-02-29
    1_798_675_200_000,  # 2026-12-31
    1_774_742_400_000,  # 2026-03-29
    1_772_928_000_000,  # 2026-03-08
    1_792_886_400_000,  # 2026-10-25
)
POLICY: Final = Policy(
    books=(
        BookPlan(
            book=BookPolicy(
                name=BOOK,
                selector=Selector(underlying="BTC"),
                convention=Convention.COIN,
                hedge_instrument=HEDGE,
                currency="BTC",
            ),
            hedge=HedgePolicy(
                band_low_coin=-BAND_COIN,
                band_high_coin=BAND_COIN,
                interval_min_ms=10 * MS_PER_SECOND,
                price_cap_bps=20.0,
            ),
        ),
    ),
    external_book=BOOK,
    orders=OrderPolicy(label_prefix=PREFIX),
    # The venue's own parameters, as a configuration has them: with coarser ones a large hedge is
    # margined so much dearer here than there that the daemon rightly doubts itself.
    model=DeribitStandard(parameters=Rules().standard_margin),
    safety=SafetyPolicy(order_max_usd=150_000.0, orders_per_minute_max=20),
    agreement=AgreementPolicy(gap_max_usd=100_000.0),
    # Two nodes of stress in place of five: all of them would be an eighth of what a seed costs.
    gate=GatePolicy(stress_vol=0.0, opinion_every_ns=20 * NS_PER_SECOND),
)
# Short options may be bought back, and margin use is so tightly limited that they have to be.
TIGHT: Final = replace(
    POLICY, gate=replace(POLICY.gate, warn=0.08, reduce_only=0.1, buy_back_options=True)
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """How long a world lives, and how fast its market's time runs (market over wire time).

    The market moves as often as makes `quotes_an_hour` of what the daemon listens to: the more
    options it holds, the seldomer. `is_stormy` is whether faults strike at all, `storm_ms` how long
    they may, market time. Then it is calm for `calm_ms`, and on until all is at rest and the daemon
    has folded `facts_min`: within `calm_ms_max` after the last stop that a person lifted, else that
    is a violation. With `only`, no strikes but those of these numbers. Every so manieth seed,
    `taped_every`, keeps a tape, and is replayed when it is over; in every `tight_every` margin
    use is tightly limited, and options are bought back. `killed_at` are steps of the event
    loop at which the daemon is killed, whatever else happens; `script` are faults and their times,
    in place of drawn ones; `marks_ms` are market times after the beginning whose steps are wanted.
    """

    seed: int
    is_stormy: bool = True
    storm_ms: int = 42 * MS_PER_MINUTE
    calm_ms: int = 20 * MS_PER_MINUTE
    calm_ms_max: int = 70 * MS_PER_MINUTE
    facts_min: int = 2_000
    speed: float = 30.0
    quotes_an_hour: int = 2_500
    only: frozenset[int] = frozenset()
    taped_every: int = 10
    tight_every: int = 4
    killed_at: tuple[int, ...] = ()
    script: tuple[tuple[str, int], ...] = ()
    marks_ms: tuple[int, ...] = ()

    @property
    def is_taped(self) -> bool:
        """Whether the daemon keeps a tape, for the run to be replayed: in every so manieth seed."""
        return self.taped_every > 0 and self.seed % self.taped_every == 0

    @property
    def policy(self) -> Policy:
        """What the daemon obeys."""
        return TIGHT if self.is_tight else POLICY

    @property
    def is_tight(self) -> bool:
        """Whether options are bought back for margin: in every so manieth seed."""
        return self.tight_every > 0 and (self.seed + 2) % self.tight_every == 0

    def rng(self, name: str) -> random.Random:
        """Return the generator of one part of a world."""
        return random.Random(f"{self.seed}.{name}")


class World:
    """See the module. `folder` is where the daemon's disk is."""

    def __init__(self, plan: Plan, folder: Path, observers: Sequence[Observer]) -> None:
        self.plan = plan
        self.forged: set[str] = set()  # venue ids of orders that somebody else sent as ours
        self.healed_ns: int | None = None  # when everything was mended
        self.helped_ms = 0  # market time at which a person last lifted a stop
        self.complaints: list[tuple[str, str]] = []  # broken invariants that a strike itself saw
        self.loop = SimLoop(self.rng("loop"))
        clock = HostClock(self.loop)
        day_ms = self.day_ms = DAYS_MS[self.rng("day").randrange(len(DAYS_MS))]
        book = self.rng("book")
        legs = book.randint(LEGS_MIN, LEGS_MAX)
        told_ms = (legs + 1) * MS_PER_HOUR // plan.quotes_an_hour
        self.market = LabMarket(
            plan.seed,
            start_ms=day_ms + EXPIRY_OF_DAY_MS - plan.storm_ms // 2,
            step_ms=told_ms * MOVES_EVERY,
        )
        self.lies = Lies(now_ns=lambda: self.loop.now_ns, rng=self.rng("lies"))
        self.exchange = SimExchange(
            self.loop,
            self.market,
            Opening(
                equity_coin=40.0,
                positions=self._book(book, legs),
                speed=plan.speed,
                told_ms=told_ms,
            ),
            epoch_ms=clock.true_ms,
            lies=self.lies,
        )
        self.network = Network(self.loop, self.rng("network"), self.exchange)
        self.disk = SimDisk(self.loop, self.rng("disk"), folder, is_taped=plan.is_taped)
        self.machine = SimMachine(
            clock,
            self.rng("machine"),
            self.network,
            self.disk,
            policy=plan.policy,
            observers=observers,
        )

    def rng(self, name: str) -> random.Random:
        """Return the generator of one part of the world."""
        return self.plan.rng(name)

    def _book(self, rng: random.Random, legs: int) -> dict[str, float]:
        """Short options of all three expiries, drawn, the nearest with the most gamma."""
        contracts = self.market.frame(BTC_USD).contracts
        sizes = {0: 8, 1: 20, 2: 20}
        expiries = sorted({one.expiry_ms for one in contracts})
        return {
            one.name: -float(rng.randint(1, sizes[expiries.index(one.expiry_ms)]))
            for one in rng.sample(contracts, legs)
        }

    @property
    def market_ms(self) -> int:
        """The venue's time."""
        return self.exchange.floor.market_clock.market_ms()

    @property
    def is_settling(self) -> bool:
        """Whether the day's options decay to their settlement, or have just settled."""
        left_ms = (EXPIRY_OF_DAY_MS + MS_PER_MINUTE - self.market_ms) % DAY_MS
        return left_ms < SETTLEMENT_WINDOW_MS + MS_PER_MINUTE

    async def until_market(self, market_ms: int) -> None:
        """Wait until the venue's time is that."""
        while (left_ms := market_ms - self.market_ms) > 0:  # noqa: ASYNC110  time is the event
            await asyncio.sleep(max(0.001, left_ms / self.plan.speed / 1_000))

    def truth(self) -> dict[str, Decimal]:
        """What the account holds, by the venue's books."""
        return dict(self.exchange.positions())


@contextlib.contextmanager
def hushed() -> Iterator[deque[str]]:
    """Have the shell print nothing: a storm of faults is a storm of lines; they are kept instead.

    The last `LINES_KEPT` from warnings upward, as the shell would have worded them.
    """
    known, said = structlog.get_config(), deque[str](maxlen=LINES_KEPT)

    def keep(_: WrappedLogger, name: str, event: EventDict) -> EventDict:
        error = sys.exc_info()[1] if event.get("exc_info") or name == "exception" else None
        said.append(f"{event!r} {error!r}")
        raise structlog.DropEvent

    structlog.configure(
        processors=[keep],
        wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING),
        logger_factory=structlog.PrintLoggerFactory(),
    )
    try:
        yield said
    finally:
        structlog.configure(**known)
