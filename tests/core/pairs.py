"""Markets of every pair, small and exact: marks as the formula gives them, nothing rounded."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from bot.core import units
from bot.core.books import BookPolicy, Selector
from bot.core.dealing import BookPlan
from bot.core.events import (
    AccountRead,
    BalanceSeen,
    Fact,
    InstrumentsSeen,
    Link,
    LinkUp,
    QuoteSeen,
)
from bot.core.hedger import HedgePolicy
from bot.core.instruments import Instrument, Kind, Settlement
from bot.quant import black76
from bot.quant.conventions import Convention
from tests.builders import EXPIRY_MS, START_MS, World, balance, policy, positions


@dataclass(frozen=True, kw_only=True)
class Market:
    """One pair: where its index, perpetual and forwards are, and at which rate dollars are lent."""

    underlying: str
    is_linear: bool
    index_usd: float
    perp_over: float = 1.002
    forward_over: float = 1.005
    rate: float = 0.0
    vol: float = 0.6

    @property
    def prefix(self) -> str:
        return f"{self.underlying}_USDC" if self.is_linear else self.underlying

    @property
    def currency(self) -> str:
        return "USDC" if self.is_linear else self.underlying

    @property
    def index_name(self) -> str:
        return f"{self.underlying}_{'USDC' if self.is_linear else 'USD'}".lower()

    @property
    def perp(self) -> str:
        return f"{self.prefix}-PERPETUAL"

    @property
    def future(self) -> str:
        return f"{self.prefix}-4FEB26"

    def option(self, strike: int, side: str) -> str:
        return f"{self.prefix}-4FEB26-{strike}-{side}"

    def terms(self, name: str, expiry_ms: int = EXPIRY_MS) -> Instrument:
        """An instrument of this market as its name says."""
        parts = name.split("-")[1:]
        kind = {1: Kind.PERPETUAL if parts == ["PERPETUAL"] else Kind.FUTURE, 3: Kind.OPTION}
        is_option = kind[len(parts)] is Kind.OPTION
        lot = Decimal("0.001") if self.is_linear or is_option else Decimal(10)
        return Instrument(
            name=name,
            kind=kind[len(parts)],
            settlement=Settlement.LINEAR if self.is_linear else Settlement.INVERSE,
            underlying=self.underlying,
            currency=self.currency,
            lot=lot,
            size_min=lot,
            tick_size=Decimal("0.0001") if is_option else Decimal("0.5"),
            taker_fee=Decimal("0.0005"),
            expiry_ms=None if kind[len(parts)] is Kind.PERPETUAL else expiry_ms,
            strike=float(parts[1]) if is_option else None,
            is_call=parts[2] == "C" if is_option else None,
            index_name=self.index_name,
        )

    def quote(self, terms: Instrument, now_ms: int, arrived_ns: int) -> QuoteSeen:
        """The instrument's exact mark, with a spread around it."""
        forward = self.index_usd * self.forward_over
        mark = self.index_usd * (
            self.perp_over if terms.kind is Kind.PERPETUAL else self.forward_over
        )
        if terms.kind is Kind.OPTION:
            assert terms.expiry_ms is not None
            years = (terms.expiry_ms - now_ms) / units.MS_PER_YEAR
            df = math.exp(-self.rate * years) if self.is_linear else 1.0
            assert terms.strike is not None
            value = black76.greeks(
                forward, terms.strike, years, self.vol, bool(terms.is_call), df
            ).price
            mark = float(value) if self.is_linear else float(value) / forward
        return QuoteSeen(
            instrument=terms.name,
            venue_ms=now_ms,
            arrived_ns=arrived_ns,
            bid=mark * 0.9999,
            ask=mark * 1.0001,
            mark=mark,
            index_usd=self.index_usd,
            forward_usd=forward if terms.kind is Kind.OPTION else None,
            iv=self.vol if terms.kind is Kind.OPTION else None,
        )

    def plan(
        self,
        convention: Convention,
        *,
        name: str = "",
        share: float = 1.0,
        elasticity: float = 1.0,
        kinds: Iterable[Kind] = (Kind.OPTION,),
        **hedge: Any,
    ) -> BookPlan:
        """A book of this market, by default with a band too wide to trade."""
        limits: dict[str, Any] = {"band_low_coin": -1e9, "band_high_coin": 1e9, **hedge}
        return BookPlan(
            book=BookPolicy(
                name=name or self.prefix.lower().replace("_", "-"),
                selector=Selector(underlying=self.underlying, kinds=frozenset(kinds)),
                convention=convention,
                hedge_instrument=self.perp,
                currency=self.currency,
                collateral_share=share,
                elasticity=elasticity,
            ),
            hedge=HedgePolicy(**limits),
        )


BTC = Market(underlying="BTC", is_linear=False, index_usd=100_000.0)
ETH = Market(underlying="ETH", is_linear=False, index_usd=3_000.0, vol=0.8)
BTC_USDC = Market(underlying="BTC", is_linear=True, index_usd=100_000.0, rate=0.04)
ETH_USDC = Market(underlying="ETH", is_linear=True, index_usd=3_000.0, rate=0.03, vol=0.8)
MARKETS = (BTC, ETH, BTC_USDC, ETH_USDC)


class Account:
    """An account in several currencies: everything held is quoted whenever time passes."""

    def __init__(
        self,
        *plans: BookPlan,
        held: dict[str, str],
        equity: dict[str, float] | None = None,
        expiry_ms: int = EXPIRY_MS,
        markets: Iterable[Market] = MARKETS,
        **rules: object,
    ) -> None:
        self.markets = {one.prefix: one for one in markets}
        self.held = held
        self.equity = {"BTC": 10.0, "ETH": 300.0, "USDC": 1e6} | (equity or {})
        self.world = World(policy(*plans, **rules))
        hedges = {plan.book.hedge_instrument for plan in plans}
        self.terms = {name: self.market(name).terms(name, expiry_ms) for name in {*held, *hedges}}
        self.world.fold(
            InstrumentsSeen(instruments=tuple(self.terms.values())),
            LinkUp(link=Link.MARKET),
            LinkUp(link=Link.TRADING),
        )
        now_ns = self.world.now_ns
        self.world.fold(
            positions(held, asked_ns=now_ns, arrived_ns=now_ns),
            *(self.balance(currency) for currency in self.equity),
            AccountRead(asked_ns=now_ns),
        )

    def market(self, name: str) -> Market:
        return self.markets[name.split("-", maxsplit=1)[0]]

    def balance(self, currency: str, **changes: object) -> BalanceSeen:
        """A comfortable account in one currency, as of now."""
        told = balance(equity=self.equity[currency], arrived_ns=self.world.now_ns)
        return replace(told, currency=currency, **changes)  # type: ignore[arg-type]

    def quotes(self, *facts: Fact, after_ms: int = 100) -> "Account":
        """Let time pass and quote everything at its exact mark then."""
        self.world.now_ns += after_ms * units.NS_PER_MS
        now_ms, now_ns = self.world.now_ms, self.world.now_ns
        live = [one for one in self.terms.values() if (one.expiry_ms or 2**62) > now_ms]
        seen = [self.market(one.name).quote(one, now_ms, now_ns) for one in live]
        told = [
            replace(fact, arrived_ns=now_ns) if isinstance(fact, BalanceSeen) else fact
            for fact in facts
        ]
        self.world.fold(*told, *seen, after_ms=0)
        return self


__all__ = ["BTC", "BTC_USDC", "ETH", "ETH_USDC", "MARKETS", "START_MS", "Account", "Market"]
