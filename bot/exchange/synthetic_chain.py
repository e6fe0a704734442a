"""The chain that a synthetic pair lists: which options and futures there are, in columns."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np

from bot.exchange.contracts import (
    BTC_USD,
    BTC_USDC,
    ETH_USD,
    ETH_USDC,
    TERMS,
    Contract,
    Pair,
    SettlementPeriod,
    future,
    option,
)
from bot.exchange.listing import Ladders, expiries_at, ladder, strike_step_usd
from bot.exchange.market import BoolArray, FloatArray, IntArray, frozen

OPTION_SIZE_SCATTER: Final = 0.6
BTC_STEPS_USD: Final = (250.0, 500.0, 1000.0, 2000.0, 2500.0, 5000.0, 10_000.0)
ETH_STEPS_USD: Final = (10.0, 25.0, 50.0, 100.0, 200.0, 250.0, 500.0)
LADDERS: Final = {
    BTC_USD: Ladders(steps_usd=BTC_STEPS_USD, strikes_a_side=12, strikes_a_side_min=8),
    ETH_USD: Ladders(steps_usd=ETH_STEPS_USD, strikes_a_side=8, strikes_a_side_min=5),
    BTC_USDC: Ladders(steps_usd=BTC_STEPS_USD, strikes_a_side=5, strikes_a_side_min=3),
    ETH_USDC: Ladders(steps_usd=ETH_STEPS_USD, strikes_a_side=5, strikes_a_side_min=3),
}
# The usual displayed size of an option, coins: about the same money everywhere.
OPTION_SIZE_COIN: Final = {BTC_USD: 15.0, ETH_USD: 150.0, BTC_USDC: 5.0, ETH_USDC: 60.0}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Chain:
    """The options listed, by column; `at` points into `expiries`; `size_coin` is the usual size.

    `futures` are the dated ones with their place in `expiries`; inverse pairs have them.
    """

    expiries: tuple[int, ...]
    expiries_ms: FloatArray
    futures: tuple[tuple[Contract, int], ...]
    contracts: tuple[Contract, ...]
    strike: FloatArray
    is_call: BoolArray
    expiry_ms: IntArray
    at: IntArray
    size_coin: FloatArray
    size_min_coin: float


class Listing:
    """What is listed, and the ladders that it grows by."""

    def __init__(self, pair: Pair, rng: np.random.Generator) -> None:
        self._pair = pair
        self._rng = rng
        self._rules = LADDERS[pair]
        self._ladders: dict[int, tuple[float, frozenset[float]]] = {}
        self._sizes: dict[str, float] = {}
        self._chain: Chain | None = None

    def expiries_ms(self, now_ms: int) -> FloatArray:
        """Expiries to be listed now: those that live and those that the calendar adds."""
        living = {expiry for expiry in self._ladders if expiry > now_ms}
        return np.array(sorted(living | set(expiries_at(now_ms))), dtype=np.float64)

    def chain(self, now_ms: int, forwards: FloatArray, deviations: FloatArray) -> Chain:
        """The chain for these expiries; the same object while nothing is new and nothing gone.

        `forwards` (USD) and `deviations` (of the log until expiry) go with `expiries_ms`.
        """
        expiries = tuple(int(expiry) for expiry in self.expiries_ms(now_ms))
        ladders: dict[int, tuple[float, frozenset[float]]] = {}
        for expiry, forward, deviation in zip(expiries, forwards, deviations, strict=True):
            if expiry in self._ladders:
                step, strikes = self._ladders[expiry]
            else:
                step = strike_step_usd(self._rules, float(forward), float(deviation))
                strikes = frozenset()
            ladders[expiry] = (step, ladder(self._rules, float(forward), step, strikes))
        if self._chain is None or ladders != self._ladders:
            self._ladders = ladders
            self._chain = self._columns(now_ms, expiries)
        return self._chain

    def _columns(self, now_ms: int, expiries: tuple[int, ...]) -> Chain:
        contracts = self._contracts(now_ms)
        where = {expiry: at for at, expiry in enumerate(expiries)}
        terms = TERMS[self._pair]
        return Chain(
            expiries=expiries,
            expiries_ms=np.array(expiries, dtype=np.float64),
            futures=self._futures(now_ms, expiries),
            contracts=contracts,
            strike=frozen(np.array([contract.strike for contract in contracts], dtype=np.float64)),
            is_call=frozen(np.array([contract.is_call for contract in contracts], dtype=np.bool_)),
            expiry_ms=frozen(np.array([item.expiry_ms for item in contracts], dtype=np.int64)),
            at=np.array([where[contract.expiry_ms] for contract in contracts], dtype=np.int64),
            size_coin=np.array([self._sizes[contract.name] for contract in contracts]),
            size_min_coin=float(terms.option_lot),
        )

    def _contracts(self, now_ms: int) -> tuple[Contract, ...]:
        """Every option of the ladders: known ones as they were, new ones with a size of theirs."""
        known = {} if self._chain is None else {item.name: item for item in self._chain.contracts}
        fresh = [
            option(self._pair, expiry, strike, is_call, creation_ms=now_ms)
            for expiry, (_, strikes) in self._ladders.items()
            for strike in sorted(strikes)
            for is_call in (True, False)
        ]
        usual = OPTION_SIZE_COIN[self._pair]
        for contract in fresh:
            if contract.name not in self._sizes:
                scatter = OPTION_SIZE_SCATTER * self._rng.standard_normal()
                self._sizes[contract.name] = usual * math.exp(scatter)
        self._sizes = {contract.name: self._sizes[contract.name] for contract in fresh}
        return tuple(known.get(contract.name, contract) for contract in fresh)

    def _futures(self, now_ms: int, expiries: tuple[int, ...]) -> tuple[tuple[Contract, int], ...]:
        """Weekly and monthly futures of an inverse pair; daily expiries have options only."""
        if self._pair.is_linear:
            return ()
        known = {} if self._chain is None else {item.name: item for item, _ in self._chain.futures}
        listed: list[tuple[Contract, int]] = []
        for at, expiry in enumerate(expiries):
            contract = future(self._pair, expiry, creation_ms=now_ms)
            if contract.settlement_period is not SettlementPeriod.DAY:
                listed.append((known.get(contract.name, contract), at))
        return tuple(listed)
