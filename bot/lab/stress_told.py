"""A stress test as one JSON object: what the terminal, the page and scripts are all made of.

What is no number (no balance is left, nobody quotes) is null. Money without `_usd` in its name is
in the account's settlement currency.
"""

import math
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Final, assert_never

from bot.core.margin.account import Account
from bot.core.margin.distance import AlreadyOver, Crossing, Distance, NoneWithin, dollars
from bot.core.margin.nodes import Node
from bot.core.margin.picture import Picture
from bot.core.margin.relief import Means, Relief, Standing
from bot.settings.historical_shocks import HistoricalShock

Json = dict[str, Any]
EXCESS_NOTABLE: Final = 0.005  # of the requirement: quotes that came between two answers make less


def told(picture: Picture, history: Sequence[HistoricalShock]) -> Json:
    """Return one account's picture."""
    subject, policy = picture.subject, picture.question.policy
    account, now = subject.account, picture.now
    return {
        "currency": account.currency,
        "currency_usd": account.currency_usd,
        "indices_usd": {pair.index_name: pair.index_usd for pair in account.pairs},
        "delta_unit": _delta_unit(account),
        "model": subject.model.name.value,
        "doubts": list(picture.doubts),
        "balance": subject.balance,
        "equity": subject.equity,
        "now": _node(now, account.currency_usd),
        "standing": _standing(picture.standing),
        "excess": subject.excess,
        "excess_is_notable": subject.excess > EXCESS_NOTABLE * abs(now.maintenance),
        "limits": {
            "warn": policy.warn,
            "reduce_only": policy.reduce_only,
            "hold": policy.hold,
            "stress_spot": policy.stress_spot,
            "stress_vol": policy.stress_vol,
        },
        "spots": list(picture.matrix.spots),
        "vols": list(picture.matrix.vols),
        "matrix": _matrix(picture),
        "expiries": [
            {"expiry": one.label, "profit": [_number(made) for made in one.profits]}
            for one in picture.expiries
        ],
        "history": [
            _historical(shock, node, account.currency_usd)
            for shock, (_, node) in zip(history, picture.history, strict=True)
        ],
        "liquidation": {
            "down": _spot(picture, picture.reach.down),
            "up": _spot(picture, picture.reach.up),
            "down_stressed": _spot(picture, picture.reach_stressed.down),
            "up_stressed": _spot(picture, picture.reach_stressed.up),
        },
        "theta_to_warn": _hours(picture.theta, policy.warn),
        "funding_to_warn": _hours(picture.funding, policy.warn),
        "reliefs": [_relief(one) for one in picture.reliefs],
        "buy_back_options": picture.question.buy_back_options,
    }


def _delta_unit(account: Account) -> str:
    """Say in what `delta_coin` is counted: all deltas at the first price index."""
    coins = list(dict.fromkeys(pair.underlying for pair in account.pairs))
    if len(coins) < 2:
        return "".join(coins)
    return f"{' and '.join(coins)} together, counted in {coins[0]}"


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _matrix(picture: Picture) -> Json:
    usd = picture.subject.account.currency_usd
    rows = [[_node(node, usd) for node in row] for row in picture.matrix.nodes]
    keys = ("profit", "equity_change_usd", "delta_coin", "delta_usd", "usage", "is_liquidated")
    return {key: [[cell[key] for cell in row] for row in rows] for key in keys}


def _node(node: Node, currency_usd: float) -> Json:
    return {
        "spot": node.shock.spot,
        "vol_points": node.shock.vol_points,
        "basis": node.shock.basis,
        "profit": _number(node.profit),
        "profit_usd_now": _number(node.profit * currency_usd),
        "equity_change_usd": _number(node.equity_change_usd),
        "delta_usd": _number(node.delta_usd),
        "delta_coin": _number(node.delta_usd / node.index_usd),
        "maintenance": _number(node.maintenance),
        "balance": _number(node.balance),
        "usage": _number(node.usage),
        "is_liquidated": node.is_liquidated,
    }


def _historical(shock: HistoricalShock, node: Node, currency_usd: float) -> Json:
    figures = {
        name: {"move": moved.move, "source": moved.source, "evidence": moved.evidence.value}
        for name, moved in (
            ("spot", shock.spot),
            ("vol_points", shock.vol_points),
            ("basis", shock.basis),
        )
    }
    return {
        "title": shock.title,
        "day": shock.day.isoformat(),
        "figures": figures,
        "not_found": list(shock.missing),
        **_node(node, currency_usd),
    }


def _spot(picture: Picture, distance: Distance) -> Json:
    match distance:
        case AlreadyOver(usage=used):
            return {"is_over": True, "move": 0.0, "usage": _number(used), "words": "already over"}
        case NoneWithin(reach=reach):
            words = f"none within {reach:.0%}"
            return {"is_over": False, "move": None, "reach": reach, "words": words}
        case Crossing(at=at, later=later):
            there = dollars(picture.subject.account, at)
            first = next(iter(there.values()), math.nan)
            words = f"{at:+.1%}, {first:,.0f} USD"
            if later:
                words += f"; u crosses 1 again at {', '.join(f'{one:+.0%}' for one in later)}"
            return {
                "is_over": False,
                "move": at,
                "indices_usd": dict(there),
                "later": list(later),
                "words": words,
            }
    assert_never(distance)


def _hours(distance: Distance, limit: float) -> Json:
    match distance:
        case AlreadyOver():
            return {"hours": 0.0, "words": f"u is over {limit:.0%} already"}
        case NoneWithin(reach=reach):
            return {"hours": None, "reach": reach, "words": f"not within {_time(reach)}"}
        case Crossing(at=at):
            return {"hours": at, "words": f"in {_time(at)}"}
    assert_never(distance)


def _time(hours: float) -> str:
    return f"{hours:.1f} hours" if hours < 48.0 else f"{hours / 24.0:.1f} days"


def _relief(one: Relief) -> Json:
    return {
        "means": one.means.value,
        "instrument": one.instrument,
        "size_native": float(one.size_native),
        "size_coin": one.size_coin,
        "price": one.price,
        "cost_usd": one.cost_usd,
        "spread_usd": one.spread_usd,
        "fee_usd": one.fee_usd,
        "funds_usd": one.funds_usd,
        "before": _standing(one.before),
        "after": _standing(one.after),
        "lowered": one.lowered,
        "lowered_per_million_usd": _number(1e6 * one.lowered_per_dollar),
        "words": _what(one),
    }


def _standing(standing: Standing) -> Json:
    return {
        "usage": _number(standing.usage),
        "stressed_usage": _number(standing.stressed_usage),
        "node": standing.node,
    }


def _what(one: Relief) -> str:
    match one.means:
        case Means.COLLATERAL:
            return f"add {one.size_coin:,.4f} {one.instrument}"
        case Means.BUY_BACK:
            return f"buy back {one.size_coin:,.4g} {one.instrument} at {one.price:g}"
        case Means.HEDGE:
            verb = "buy" if one.size_native > 0 else "sell"
            size = f"{abs(float(one.size_native)):,.10g}"
            return f"{verb} {size} {one.instrument} at {one.price:,.10g}"
    assert_never(one.means)


def moment(at_ms: int) -> str:
    """Return a stamp of the market clock for a person."""
    return f"{datetime.fromtimestamp(at_ms / 1000.0, UTC):%d %b %Y %H:%M:%S} UTC"


def share_words(used: float | None, *, digits: int = 0) -> str:
    """Return a share of the balance for a person; what is beyond any balance is lost."""
    if used is None:
        return "lost"
    return f"{used:.{digits}%}" if used < 10.0 else ">999%"


def short(value: float | None) -> str:
    """Return a signed number in at most five characters up to 999 billions."""
    if value is None:
        return "-"
    size = abs(value)
    for unit, name in ((1e9, "b"), (1e6, "m"), (1e3, "k")):
        if size >= 0.9995 * unit:
            digits = 1 if size < 9.95 * unit else 0
            return f"{value / unit:+.{digits}f}{name}"
    digits = 2 if size < 10.0 else 1 if size < 100.0 else 0
    return f"{value:+.{digits}f}" if value else "0"
