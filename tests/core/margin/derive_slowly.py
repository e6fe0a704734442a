"""Derive's portfolio manager once more, in plain numbers: what the quick one must agree with."""

import math
from collections import defaultdict
from typing import Any

from bot.core.margin.derive_account import Market, Subaccount
from bot.core.margin.derive_portfolio import Parameters
from bot.core.margin.derive_table import Direction
from tests.core.margin.slowly import black


def vol_of(market: Market, i: int, how: Direction, given: Parameters) -> float:
    o, iv = market.options, float(market.options.iv[i])
    t, v, s = float(o.years[i]), given.vols, given.skew
    power = v.power_short if t * 365.0 <= 30.0 else v.power_long
    k: float = (30.0 / max(t * 365.0, v.days_min)) ** power
    z: float = math.log(o.strike[i] / o.forward[i])
    cap: float
    match how:
        case Direction.UP:
            return max(v.up_min, iv * (1.0 + v.up * k))
        case Direction.DOWN:
            return float(iv * max(0.0, 1.0 - v.down * k))
        case Direction.NONE:
            return iv
        case Direction.LINEAR:
            cap = s.linear_cap + s.linear_slope * math.sqrt(t)
        case Direction.ABSOLUTE:
            cap, z = s.absolute_cap + s.absolute_slope * math.sqrt(t), abs(z)
    star = max(s.distance_min, math.sqrt(t) * s.width * (s.vol + math.sqrt(t) * s.vol_slope))
    return iv * max(1.0 + max(min(z * cap / star, cap), -cap), 0.0)


def worth(market: Market, spot: float, how: Direction, given: Parameters) -> dict[float, float]:
    """Of the options of each expiry, by its years."""
    found: dict[float, float] = defaultdict(float)
    o = market.options
    for i, size in enumerate(o.size):
        forward = float(market.still[i] + market.moving[i] * spot)
        vol = vol_of(market, i, how, given)
        terms = (forward, o.strike[i], o.years[i], vol, bool(o.is_call[i]), o.discount[i])
        found[float(o.years[i])] += size * black(*terms)
    return found


def scenario_profit(
    account: Subaccount, given: Parameters, one: Any, now: dict[float, float]
) -> float:
    market, d = account.markets[0], given.discounting
    discounts = dict(zip(market.options.years, market.options.discount, strict=True))
    shocked, total = worth(market, one.spot, one.direction, given), 0.0
    for t, value in shocked.items():
        due = -math.log(discounts[t])
        if value >= 0.0:
            counted = value * d.gain_base * math.exp(-(due * d.gain_rate + t * d.gain_add))
        else:
            slower = d.loss_base * math.exp(due * d.loss_rate + t * d.loss_add)
            counted = value * min(1.0 / discounts[t], slower)
        change = (counted - now[t]) * one.damping
        total += -abs(change) if one.direction.is_skew else change
    moved = (one.spot - 1.0) * one.damping
    for held in market.collaterals:
        if given.haircuts[held.name].cancels_risk:
            total += held.size_coin * held.price_usd / account.stable_usd * moved
    return float(total + market.perp_coin * market.perp_usd * moved)


def basis_profit(account: Subaccount, given: Parameters) -> float:
    """Of each expiry's forward by itself against the account; never positive."""
    market, basis = account.markets[0], given.basis
    now = worth(market, 1.0, Direction.NONE, given)
    up, down = (worth(market, x, Direction.NONE, given) for x in (basis.up, basis.down))
    return sum(
        min(0.0, up[t] - now[t], down[t] - now[t]) * (basis.add + basis.per_year * t) for t in now
    )


def worst_loss(account: Subaccount, given: Parameters) -> float:
    now = worth(account.markets[0], 1.0, Direction.NONE, given)
    profits = [scenario_profit(account, given, one, now) for one in given.scenarios]
    return -min(basis_profit(account, given), *profits)


def naked(market: Market) -> float:
    o = market.options
    by_strike: dict[tuple[float, float], list[float]] = defaultdict(lambda: [0.0, 0.0])
    for i, size in enumerate(o.size):
        by_strike[o.years[i], o.strike[i]][int(o.is_call[i])] += size
    return sum(
        max(-(put + call), 0.0) if put * call < 0.0 else max(-put, 0.0) + max(-call, 0.0)
        for put, call in by_strike.values()
    )


def unsure(account: Subaccount, given: Parameters) -> float:
    market, c, o = account.markets[0], given.charges, account.markets[0].options
    sure: dict[float, float] = defaultdict(lambda: market.spot_confidence)
    coins: dict[float, float] = defaultdict(float)
    for i, t in enumerate(o.years):
        sure[t] = min(sure[t], market.confidence[i])
        coins[t] += abs(o.size[i])
    feeds = [(sure[t], coins[t] * market.spot_usd) for t in coins]
    perp = abs(market.perp_coin) * market.spot_usd
    feeds.append((min(market.spot_confidence, market.perp_confidence), perp))
    for held in market.collaterals:
        value = held.size_coin * held.price_usd / account.stable_usd
        feeds.append((min(held.confidence, market.spot_confidence), value))
    return sum((1.0 - s) * c.confidence_scale * v for s, v in feeds if s < c.confidence_min)


def net_margins(account: Subaccount, given: Parameters) -> tuple[float, float]:
    """Initial and maintenance net margin."""
    market, c = account.markets[0], given.charges
    loss, spot = worst_loss(account, given), market.spot_usd
    collateral = [
        (held.size_coin * held.price_usd / account.stable_usd, given.haircuts[held.name])
        for held in market.collaterals
    ]
    value = account.cash + market.perp_owed + sum(each for each, _ in collateral)
    value += sum(worth(market, 1.0, Direction.NONE, given).values())
    kept = abs(market.perp_coin) * spot * c.perp_maintenance
    kept += naked(market) * spot * c.option_maintenance
    kept += sum(each * cut.maintenance for each, cut in collateral)
    more = abs(market.perp_coin) * spot * c.perp_initial + naked(market) * spot * c.option_initial
    more += sum(each * cut.initial for each, cut in collateral) + unsure(account, given)
    factor = c.initial_factor + max(0.0, c.peg_min_usd - account.stable_usd) * c.peg_scale
    return value - factor * loss - kept - more, value - c.maintenance_factor * loss - kept
