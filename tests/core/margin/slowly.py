"""Deribit's portfolio margin once more, in plain numbers: what the quick one must agree with."""

import math
from collections import defaultdict
from statistics import NormalDist

from bot.core.margin.account import Account, Pair
from bot.core.margin.deribit_charges import CoinParameters
from bot.core.margin.deribit_portfolio import Parameters
from bot.core.margin.deribit_table import PairParameters

FAR = (-0.66, -0.33, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0)
normal = NormalDist().cdf


def black(f: float, k: float, t: float, v: float, is_call: bool, df: float) -> float:
    x = v * math.sqrt(t)
    sign = 1.0 if is_call else -1.0
    if x == 0.0:
        return float(df * max(sign * (f - k), 0.0))
    d1 = math.log(f / k) / x + x / 2
    return float(df * sign * (f * normal(sign * d1) - k * normal(sign * (d1 - x))))


def shocked(iv: float, days: float, vol: str, p: PairParameters) -> float:
    k: float = (30.0 / max(days, p.days_min)) ** (p.power_short if days < 30.0 else p.power_long)
    match vol:
        case "up":
            return max(iv * (1.0 + p.vol_up * k), p.vol_up_min)
        case "down":
            return iv * max(1.0 - p.vol_down * k, 0.0)
        case _:
            return iv


def profit(pair: Pair, sizes: list[float], move: float, vol: str, p: PairParameters) -> float:
    """Of a whole pair at one node, in the pair's own money, before anything else."""
    o, total = pair.options, 0.0
    count = len(o.names)
    for i in range(count):
        f, k, t, c, df = (x[i] for x in (o.forward, o.strike, o.years, o.is_call, o.discount))
        before = black(f, k, t, o.iv[i], c, df)
        g = f * (1.0 + move)
        after = black(g, k, t, shocked(o.iv[i], t * 365.0, vol, p), c, df)
        total += sizes[i] * (after - before if pair.is_linear else after / g - before / f)
    for size, mark in zip(sizes[count:], pair.futures.mark_usd, strict=True):
        total += size * (mark * move if pair.is_linear else 1.0 - 1.0 / (1.0 + move))
    return total


def vector(pair: Pair, sizes: list[float], p: PairParameters, coin: CoinParameters) -> list[float]:
    """Of a whole pair in all scenarios, after dampener and offset."""
    usd = 1.0 if pair.is_linear else pair.index_usd
    moves = [p.price_range * j / 4 for j in range(-4, 5)]
    found = [profit(pair, sizes, m, v, p) for m in moves for v in ("up", "same", "down")]
    for m in FAR:
        end = 1.0 + math.copysign(p.price_range, m)
        one = profit(pair, sizes, m, "up", p) * p.extended_factor
        one *= p.price_range / abs(m) * (1.0 + m) / end
        ranges = max(abs(m) / p.price_range, 1.0) - 1.0
        forgiven = ranges * coin.dampener_usd / (1.0 if pair.is_linear else end * usd)
        found.append(math.copysign(max(abs(one) - forgiven, 0.0), one))
    return [x if x < 0.0 else min(x * coin.offset, coin.offset_max_usd / usd) for x in found]


def unit_delta(pair: Pair, i: int) -> float:
    o, count = pair.options, len(pair.options.names)
    if i >= count:
        return float(pair.futures.mark_usd[i - count]) if pair.is_linear else 1.0
    f, k, t, c, df = (x[i] for x in (o.forward, o.strike, o.years, o.is_call, o.discount))
    up, down = (black(f * (1 + h), k, t, o.iv[i], c, df) for h in (1e-6, -1e-6))
    slope = (up - down) / 2e-6
    return float(slope if pair.is_linear else (slope - black(f, k, t, o.iv[i], c, df)) / f)


def charges(
    pair: Pair, sizes: list[float], p: PairParameters, coin: CoinParameters
) -> tuple[float, float]:
    """Roll shock and delta shock."""
    years = [*pair.options.years, *pair.futures.years]
    by_term: dict[float, float] = defaultdict(float)
    long = other = 0.0
    for i, size in enumerate(sizes):
        delta = size * unit_delta(pair, i)
        by_term[years[i]] += delta
        if i < len(pair.options.names) and size > 0.0:
            long += delta
        else:
            other += delta
    roll = sum(
        abs(d) * max(math.exp(coin.move_yearly * t) - 1.0, coin.move_min)
        for t, d in by_term.items()
    )
    both = long + other
    counted = max(min(both, 0.0), other) if other < 0.0 else min(max(both, 0.0), other)
    size = abs(counted)
    usd = size * (1.0 if pair.is_linear else pair.index_usd)
    over = max(usd - p.delta_threshold_usd, 0.0) / pair.index_usd
    return roll, size * min(p.delta_per_coin * over, p.delta_share_max)


def margins(account: Account, parameters: Parameters) -> tuple[float, float]:
    """Initial margin without open orders and what the venue states, and maintenance margin."""
    vectors: dict[str, list[list[float]]] = defaultdict(list)
    more = 0.0
    for pair in account.pairs:
        p, coin = parameters.pairs[pair.index_name], parameters.coins[pair.underlying]
        own = pair.is_linear or pair.underlying == account.currency
        money = 1.0 if own else pair.index_usd / account.currency_usd
        sizes = list(pair.sizes)
        together = pair.underlying in parameters.correlated
        vectors["" if together else pair.underlying].append(
            [money * x for x in vector(pair, sizes, p, coin)]
        )
        more += money * sum(charges(pair, sizes, p, coin))
    worst = sum(max(-min(map(sum, zip(*group, strict=True))), 0.0) for group in vectors.values())
    matrix = worst + more
    return matrix, parameters.maintenance_factor * matrix
