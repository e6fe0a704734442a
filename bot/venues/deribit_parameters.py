"""Whether the margin parameters in force are the venue's: it publishes some, and moves them.

`private/pme/simulate` states those of portfolio margin with every answer (`model_params`). Of
standard margin the only figure that any endpoint states is an instrument's `max_leverage`; how it
falls with size, the maintenance share and the options' coefficients are in no answer, so that only
the gap between our margin and the venue's shows a change of them. Of portfolio margin the far moves
and the fewest days of a volatility shock are in none.
"""

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from bot.core.margin.deribit_portfolio import Parameters
from bot.core.margin.deribit_standard import Rates, future_share
from bot.core.margin.modelling import DeribitPortfolio, DeribitStandard, Model
from bot.core.margin.report import Provenance
from bot.venues import deribit_translate as raw
from bot.venues.deribit_findings import Answered, bad, good, skipped
from bot.venues.pacing import Sleep

MATRIX: Final = "private/pme/simulate"
PAUSE_S: Final = 1.1  # between two what-ifs: the venue takes one a second
ONE_COIN: Final = 1  # sizes are coins here, of inverse perpetuals too
SHOWN_MAX: Final = 5

# What the venue calls each parameter, and what we do.
PAIR: Final = {
    "price_range": "price_range",
    "volatility_range_up": "vol_up",
    "volatility_range_down": "vol_down",
    "min_volatility_for_shock_up": "vol_up_min",
    "short_term_vega_power": "power_short",
    "long_term_vega_power": "power_long",
    "extended_table_factor": "extended_factor",
    "m_inc": "delta_per_coin",
    "max_delta_shock": "delta_share_max",
    "delta_total_liq_shock_threshold": "delta_threshold_usd",
}
COIN: Final = {
    "min_annualised_move": "move_min",
    "annualised_move_risk": "move_yearly",
    "extended_dampener": "dampener_usd",
    "pnl_offset": "offset",
    "max_offsetable_pnl": "offset_max_usd",
}

Ask = Callable[[str, dict[str, Any]], Awaitable[Any]]
Compared = tuple[str, bool]  # both values in words, and whether they are the same


async def judged(model: Model | None, currency: str, ask: Ask, sleep: Sleep) -> Answered:
    """Ask the venue for what it publishes of a currency's parameters, and compare.

    Raises:
        MessageError: a figure that is none.
    """
    rows = await ask("public/get_instruments", {"currency": currency, "kind": "future"})
    perpetuals = [row for row in rows or () if _is_perpetual(row)]
    match model:
        case DeribitStandard():
            return _said(_leverages(perpetuals, model.parameters), model.parameters.provenance)
        case DeribitPortfolio():
            await sleep(PAUSE_S)
            supposed = {
                row["instrument_name"]: ONE_COIN
                for row in perpetuals
                if row.get("price_index") in model.parameters.pairs
            }
            asked = {"currency": currency, "add_positions": True, "simulated_positions": supposed}
            stated = _inside(await ask(MATRIX, asked), "model_params")
            return _said(_parameters(stated, model.parameters), model.parameters.provenance)
        case _:
            return skipped("no endpoint of the venue states the parameters of this model")


def _is_perpetual(row: Any) -> bool:
    return isinstance(row, dict) and row.get("settlement_period") == "perpetual"


def _leverages(rows: Iterable[Mapping[str, Any]], rates: Rates) -> list[Compared]:
    """Compare each perpetual's largest leverage with that of the rates for a small position."""
    found: list[Compared] = []
    for row in rows:
        if row.get("base_currency") in rates.futures:
            ours = 1.0 / future_share(rates, row["base_currency"], 0.0).initial
            found += _row(f" of {row['instrument_name']}", row, {"max_leverage": ours})
    return found


def _parameters(stated: Mapping[str, Any], ours: Parameters) -> list[Compared]:
    """Compare every parameter that both have; what the venue leaves out is not compared."""
    pairs, coins = _inside(stated, "currency_pair"), _inside(stated, "currency")
    found = [
        *_row("", _inside(stated, "general"), {"mm_factor": ours.maintenance_factor}),
        *_row("", _inside(stated, "general"), {"buckets_count": ours.grid.buckets}),
    ]
    for name, pair in ours.pairs.items():
        mine = {venues: getattr(pair, field) for venues, field in PAIR.items()}
        found += _row(f" of {name}", _inside(pairs, name), mine)
    for name, coin in ours.coins.items():
        mine = {venues: getattr(coin, field) for venues, field in COIN.items()}
        found += _row(f" of {name}", _inside(coins, name.lower()), mine)
    return found


def _row(of: str, stated: Mapping[str, Any], ours: Mapping[str, float]) -> Iterator[Compared]:
    for name, own in ours.items():
        venues = raw.figure_or_none(stated, name)
        if venues is not None:
            yield f"{name}{of} {venues:g}, here {own:g}", _same(own, venues)


def _same(ours: float, venues: float) -> bool:
    return abs(ours - venues) <= 1e-9 * max(abs(ours), abs(venues))


def _said(compared: list[Compared], provenance: tuple[Provenance, ...]) -> Answered:
    """Say what differs, or how much was compared, and of when the parameters in force are."""
    days = sorted(str(each.as_of) for each in provenance)
    dated = f"those in force are of {' and '.join(dict.fromkeys(days))}" if days else "undated here"
    if not compared:
        return skipped(f"the venue states none of the parameters; {dated}")
    found = [words for words, agree in compared if not agree]
    if not found:
        return good(f"{len(compared)} stated by the venue, all in force; {dated}")
    shown = "; ".join(found[:SHOWN_MAX])
    more = f"; and {len(found) - SHOWN_MAX} more" if len(found) > SHOWN_MAX else ""
    return bad(f"the venue's differ: {shown}{more}; {dated}: see margin.parameters")


def _inside(answer: Any, key: str) -> Mapping[str, Any]:
    value = answer.get(key) if isinstance(answer, dict) else None
    return value if isinstance(value, dict) else {}
