"""From what the daemon knows to what a margin model is asked about."""

from collections.abc import Collection, Iterable

import numpy as np

from bot.core import instruments, units
from bot.core.columns import Stamps
from bot.core.exposure import futures_held
from bot.core.instruments import Instrument, Settlement
from bot.core.margin.account import Account, Futures, OpenOrder, Options, Pair
from bot.core.state import State


def account_of(
    state: State,
    currency: str,
    also: Collection[str] = (),
    orders: tuple[OpenOrder, ...] = (),
) -> Account:
    """Return what settles in `currency`: every option and future held, with its last quote.

    `also` names perpetuals and futures that may be traded: they have a row, held or not. What no
    quote has told yet is nan, and so is then what a model makes of it. Options that have expired
    and are not settled yet have no time left.
    """
    held = state.table.held
    named = (state.instruments[name] for name in also if name in state.instruments)
    listed = (*futures_held(state.standing.positions, state.instruments), *named)
    futures = {terms.name: terms for terms in listed if terms.currency == currency}
    by_index = dict(held.settling.get(currency, {}))
    for terms in futures.values():
        by_index.setdefault(terms.index_name, np.zeros(0, dtype=np.int64))
    pairs = tuple(
        _pair(
            state, rows, [terms for _, terms in sorted(futures.items()) if terms.index_name == name]
        )
        for name, rows in sorted(by_index.items())
    )
    worth = next((pair.index_usd for pair in pairs if pair.underlying == currency), 1.0)
    return Account(currency=currency, currency_usd=worth, pairs=pairs, orders=orders)


def _pair(state: State, rows: Stamps, futures: list[Instrument]) -> Pair:
    """Return one price index: the options in these rows, and these futures."""
    held = state.table.held
    names = [held.names[row] for row in rows]
    some = futures[0] if futures else state.instruments[names[0]]
    return Pair(
        index_name=some.index_name,
        underlying=some.underlying,
        is_linear=some.settlement is Settlement.LINEAR,
        index_usd=_index(state, [*names, *(terms.name for terms in futures)]),
        options=_options(state, rows, tuple(names)),
        futures=_futures(state, futures),
    )


def _options(state: State, rows: Stamps, names: tuple[str, ...]) -> Options:
    table = state.table
    held = table.held
    left_ms = np.maximum(held.expiry_ms[rows] - state.now_ms, 0)
    return Options(
        names=names,
        size=held.size[rows],
        strike=held.strike[rows],
        years=left_ms / units.MS_PER_YEAR,
        is_call=held.is_call[rows],
        forward=table.forward_usd[rows],
        iv=table.iv[rows],
        mark=table.mark[rows],
        discount=table.discount[rows],
    )


def _futures(state: State, futures: list[Instrument]) -> Futures:
    marks = [_mark(state, terms.name) for terms in futures]
    sizes = [
        instruments.size_coin(terms, state.standing.positions.get(terms.name, units.ZERO), mark)
        for terms, mark in zip(futures, marks, strict=True)
    ]
    left_ms = [max((terms.expiry_ms or state.now_ms) - state.now_ms, 0) for terms in futures]
    return Futures(
        names=tuple(terms.name for terms in futures),
        size_coin=np.array(sizes, dtype=np.float64),
        mark_usd=np.array(marks, dtype=np.float64),
        years=np.array(left_ms, dtype=np.int64) / units.MS_PER_YEAR,
    )


def _mark(state: State, name: str) -> float:
    quote = state.quotes.get(name)
    return float("nan") if quote is None or quote.mark is None else quote.mark


def _index(state: State, names: Iterable[str]) -> float:
    """Return the price index as the latest of these instruments' quotes told it; nan if none."""
    told = [
        (quote.arrived_ns, quote.index_usd)
        for name in names
        if (quote := state.quotes.get(name)) is not None and quote.index_usd is not None
    ]
    return max(told)[1] if told else float("nan")
