"""Strikes of the venue, the market and the account: V1 to V4, M1 to M9, A1 to A8."""

import itertools
from collections.abc import Callable, Mapping
from decimal import Decimal
from types import MappingProxyType
from typing import Any, Final

from bot.core.units import NS_PER_SECOND
from bot.exchange.commands import Refused
from bot.exchange.faults import FaultKind, Harm
from bot.exchange.trading_commands import BustTrade
from bot.exchange.venue_commands import Deposit, SetPosition, Shock
from bot.lab.scene import Row, Scene, Strikes, during, pushes
from bot.lab.simexchange import ACCOUNT
from bot.lab.simmarket import Weather
from bot.lab.world import HEDGE, POLICY

PERPETUAL: Final = f"ticker.{HEDGE}"
SHORT_SECONDS: Final = 20.0
SILENCE_BORNE_S: Final = POLICY.quotes.option_age_max_ns / NS_PER_SECOND


def _maintenance(scene: Scene, fault_id: str) -> None:
    platform = scene.world.exchange.floor.platform
    platform.set_maintenance(is_on=True)
    scene.did(fault_id)
    scene.later(scene.between(2.0, 20.0), lambda: platform.set_maintenance(is_on=False))


def _settling(scene: Scene, fault_id: str) -> None:
    floor = scene.world.exchange.floor
    pause_ns = int(scene.between(1.0, 8.0) * 1e9)
    floor.platform.settle_until(floor.wire.monotonic_ns() + pause_ns)
    scene.did(fault_id)


def _bust(scene: Scene, fault_id: str) -> None:
    floor = scene.world.exchange.floor
    fills = [
        fill
        for fill in scene.world.exchange.engine.ledger_fills()
        if fill.account == ACCOUNT and fill.label
    ]
    if fills:
        command = BustTrade(account=ACCOUNT, trade_id=scene.rng.choice(fills[-3:]).trade_id)
        done = floor.engine.handle(command)
        if isinstance(done, Refused):  # taken back before
            return
        floor.accept(done)
        floor.publish()
        scene.did(fault_id)


def _new_word(message: Row, _: Mapping[str, Any]) -> None:
    data = message["params"]["data"]
    for order in data.get("orders", ()):
        order["order_state"] = "pending_review"
    data["new_field"] = {"nobody": ["knows", 1]}


def _changed_api(scene: Scene, fault_id: str) -> None:
    seconds = scene.between(5.0, 30.0)
    scene.lie(fault_id, "user.changes", _new_word, seconds=seconds, chance=0.6, is_push=True)


def _stale(scene: Scene, fault_id: str) -> None:
    """Quotes stop: of the hedge, of everything, or of one option for longer than is borne."""
    options = [name for name in sorted(scene.world.truth()) if name != HEDGE]
    if options and scene.rng.random() < 0.5:
        _one_silent(scene, fault_id, f"ticker.{scene.rng.choice(options)}")
        return
    name, seconds = scene.rng.choice((PERPETUAL, "ticker.BTC-")), scene.between(3.5, 15.0)
    scene.arm(fault_id, FaultKind.SILENT_STALL, pushes(name), during(seconds))


def _one_silent(scene: Scene, fault_id: str, channel: str) -> None:
    """One option falls silent while all others go on, and then the price jumps.

    A hedge is due at a moment when that option's quote is too old: without the jump most such
    silences would pass without anybody deciding on what they left.
    """
    seconds = scene.between(SILENCE_BORNE_S + 8.0, 70.0)
    scene.arm(fault_id, FaultKind.SILENT_STALL, pushes(channel), during(seconds))
    scene.later(scene.between(SILENCE_BORNE_S + 1.0, SILENCE_BORNE_S + 5.0), lambda: _jump(scene))


def _jump(scene: Scene) -> None:
    move = scene.rng.choice((-1.0, 1.0)) * scene.between(0.01, 0.03)
    scene.world.exchange.engine.handle(Shock(underlying="BTC", move=move))


def _weather(change: Callable[[Weather, Scene], None]) -> Callable[[Scene, str], None]:
    """Return a strike that spoils the market for a while."""

    def strike(scene: Scene, fault_id: str) -> None:
        change(scene.world.market.weather, scene)
        scene.did(fault_id)

        def clear() -> None:
            fair, now = Weather(), scene.world.market.weather
            now.spread, now.divergence, now.is_one_sided, now.swing, now.vol = (
                fair.spread,
                fair.divergence,
                fair.is_one_sided,
                fair.swing,
                fair.vol,
            )

        scene.later(scene.between(3.0, 25.0), clear)

    return strike


def _no_bids(weather: Weather, _: Scene) -> None:
    weather.is_one_sided = True


def _mark_away(weather: Weather, scene: Scene) -> None:
    weather.divergence = scene.rng.choice((-0.04, 0.04))


def _wide(weather: Weather, scene: Scene) -> None:
    weather.spread = scene.between(100.0, 400.0)


def _whipsaw(weather: Weather, scene: Scene) -> None:
    weather.swing = scene.between(0.001, 0.006)


def _dear_funding(weather: Weather, scene: Scene) -> None:
    weather.divergence = scene.rng.choice((-0.006, 0.006))


def _garbage(message: Row, _: Mapping[str, Any]) -> None:
    data = message["params"]["data"]
    turn = int(data.get("timestamp", 0)) // 1_000 % 5
    name = ("mark_price", "index_price", "best_bid_price", "best_ask_price", "mark_price")[turn]
    data[name] = (float("nan"), 0.0, -1.0, 1e18, "0x10")[turn]


def _bad_numbers(scene: Scene, fault_id: str) -> None:
    scene.lie(fault_id, "ticker.", _garbage, seconds=8.0, chance=0.5, is_push=True)


def _bad_vol(message: Row, _: Mapping[str, Any]) -> None:
    data = message["params"]["data"]
    if "mark_iv" in data:
        data["mark_iv"] = (0.0, 50_000.0, None, float("nan"))[int(data["timestamp"]) // 1_000 % 4]


def _vol_garbage(scene: Scene, fault_id: str) -> None:
    scene.lie(fault_id, "ticker.BTC-", _bad_vol, seconds=10.0, chance=0.5, is_push=True)


def _gap_in_price(scene: Scene, fault_id: str) -> None:
    move = scene.rng.choice((-1.0, 1.0)) * scene.between(0.01, 0.05)
    scene.world.exchange.engine.handle(Shock(underlying="BTC", move=move))
    scene.did(fault_id)


def _backlog(scene: Scene, fault_id: str) -> None:
    harm = Harm(delay_ms=scene.between(1_000.0, 8_000.0))
    scene.arm(fault_id, FaultKind.DELAY, pushes("ticker."), during(8.0, 0.9), harm)


def _by_hand(scene: Scene, fault_id: str) -> None:
    """Somebody trades on the account: the hedge, or one of its options."""
    held = scene.world.truth()
    names = [name for name in sorted(held) if name != HEDGE]
    name = scene.rng.choice([HEDGE, *names])
    change = Decimal(scene.rng.randint(-30_000, 30_000)) if name == HEDGE else Decimal(1)
    lot = scene.world.market.hedge.lot if name == HEDGE else Decimal("0.1")
    # In whole lots as they are now: the venue may have gone over to larger ones.
    size = (held.get(name, Decimal(0)) + change) // lot * lot
    if scene.decree(SetPosition(account=ACCOUNT, instrument_name=name, size=size)):
        scene.did(fault_id)


def _money_gone(scene: Scene, fault_id: str) -> None:
    """The account's owner takes out most of what may be taken, and brings all but a coin back."""
    amount = Decimal(round(scene.between(5.0, 20.0)))
    if not scene.decree(Deposit(account=ACCOUNT, currency="BTC", amount=-amount)):
        return  # it is needed as margin
    scene.did(fault_id)
    back = Deposit(account=ACCOUNT, currency="BTC", amount=amount - 1)
    scene.later(scene.between(5.0, 30.0), lambda: scene.decree(back))


def _part_of(message: Row, _: Mapping[str, Any]) -> None:
    rows = message["result"]
    if isinstance(rows, list) and rows:
        message["result"] = rows[: len(rows) // 2]


def _partial(scene: Scene, fault_id: str) -> None:
    """Reports of positions are cut short, never two in a row: more than that nobody could know."""
    if not scene.is_free(fault_id, SHORT_SECONDS):
        return
    turn = itertools.count()

    def cut_short(message: Row, params: Mapping[str, Any]) -> None:
        if next(turn) % 2 == 1:  # the last one may have ended on a short report
            _part_of(message, params)

    scene.lie(fault_id, "private/get_positions", cut_short, seconds=SHORT_SECONDS, chance=1.0)


STRIKES: Final[Strikes] = MappingProxyType(
    {
        "V1": _maintenance,
        "V2": _settling,
        "V3": _bust,
        "V4": _changed_api,
        "M1": _stale,
        "M2": _weather(_no_bids),
        "M3": _bad_numbers,
        "M4": _weather(_mark_away),
        "M5": _vol_garbage,
        "M6": _gap_in_price,
        "M7": _weather(_wide),
        "M8": _weather(_whipsaw),
        "M9": _backlog,
        "A1": _by_hand,
        "A4": _money_gone,
        "A7": _weather(_dear_funding),
        "A8": _partial,
    }
)
