"""`private/pme/simulate`: portfolio margin scenario by scenario, in the venue's words.

Sizes are in the base currency here, while `private/simulate_portfolio` takes inverse perpetuals and
futures in USD, as at the venue.
"""

from typing import Final

from bot.core.columns import Floats
from bot.core.margin import deribit_charges
from bot.core.margin.account import Pair as IndexedPair
from bot.core.margin.deribit_portfolio import Parameters, bucket_of
from bot.core.margin.deribit_table import Table
from bot.exchange import summaries
from bot.exchange.contracts import PAIR_OF_INDEX
from bot.exchange.methods.accounts import SIMULATED
from bot.exchange.methods.call import Call
from bot.exchange.protocol import Json, invalid_param
from bot.exchange.risk_matrix import RiskMatrix

CROSS: Final = "CROSS"
USDT: Final = "USDT"


def pme_simulate(call: Call) -> Json:
    """What the account would need under portfolio margin with other positions, and why."""
    word = call.params.text("currency").upper()
    if word not in (*summaries.CURRENCIES, USDT, CROSS):
        allowed = ", ".join((*summaries.CURRENCIES, USDT, CROSS))
        raise invalid_param("currency", f"must be one of {allowed}; got {word!r}")
    sizes = call.params.sizes(SIMULATED) if call.params.has(SIMULATED) else {}
    engine, account = call.floor.engine, call.subject()
    if word != CROSS and word not in engine.currencies:
        raise invalid_param("currency", f"nothing settles in {word} here")
    currency = None if word == CROSS else word
    adds = call.params.flag("add_positions", default=True)
    found = engine.risk_matrix(account, currency, sizes, adds=adds)
    if found is None:
        raise invalid_param(SIMULATED, f"must be listed and settle in {word}")
    parameters = engine.rules.portfolio_margin
    return {
        "model_params": _parameters(found, parameters, call.floor.engine.now_ms),
        **_vectors(found, parameters),
        "margins": {word.lower(): _margins(found, parameters)},
        "portfolio": {"currency": {}, "position": _positions(found)},
        "index_price": {table.pair.index_name: table.pair.index_usd for table in _tables(found)},
        "ticker": _tickers(found),
    }


def _tables(found: RiskMatrix) -> tuple[Table, ...]:
    return found.valued.tables


def _vector(profit: Floats, main: int) -> dict[str, Json]:
    """One row of profits as the venue divides it."""
    values: list[Json] = [*profit.tolist()]
    return {"standard": values[:main], "extended": values[main:]}


def _vectors(found: RiskMatrix, parameters: Parameters) -> dict[str, Json]:
    """By instrument; then by coin and settlement currency, before and after offsets."""
    main, valued = parameters.grid.main_count, found.valued
    single: dict[str, Json] = {}
    before: dict[str, Json] = {}
    after: dict[str, Json] = {}
    for table, sizes, profit in zip(valued.tables, valued.sizes, valued.profits, strict=True):
        for name, row in table.rows.items():
            if sizes[row]:
                single[name] = _vector(table.profit[:, row] * sizes[row], main)
        pair = table.pair
        kept = deribit_charges.aggregated(
            table,
            profit,
            parameters.grid,
            parameters.pairs[pair.index_name],
            parameters.coins[pair.underlying],
        )
        before[_key(pair)], after[_key(pair)] = _vector(profit, main), _vector(kept, main)
    return {
        "initial_risk_vectors": single,
        "pre_aggregated_risk_vectors": before,
        "aggregated_risk_vectors": after,
    }


def _key(pair: IndexedPair) -> str:
    settles = PAIR_OF_INDEX[pair.index_name].settlement_currency
    return f"{pair.underlying}_{settles}".lower()


def _margins(found: RiskMatrix, parameters: Parameters) -> dict[str, Json]:
    report = found.report
    part = {each.name: each for each in report.contingencies}
    matrix = sum(part[name].initial for name in ("worst scenario", "roll shock", "delta shock"))
    details: dict[str, Json] = {
        "worst_case": report.scenarios.worst_loss,
        "worst_case_bucket": _bucket(found, parameters),
        "roll_shock": part["roll shock"].initial,
        "delta_shock": part["delta shock"].initial,
        "correlation_contingency": 0.0,
    }
    return {
        "initial_margin": report.initial + found.fees,
        "maintenance_margin": report.maintenance,
        "initial_margin_details": {
            "risk_matrix_margin": matrix,
            "risk_matrix_margin_details": details,
            "spot_margin": part["spot"].initial,
            "mmp_margin": part["mmp"].initial,
            "open_orders_margin": part["open orders"].initial + found.fees,
        },
    }


def _bucket(found: RiskMatrix, parameters: Parameters) -> Json:
    """Where the largest loss of one coin lies; null where nothing can be lost."""
    worst = found.report.scenarios.worst
    if worst is None:
        return None
    scenarios = parameters.grid.main_count + len(parameters.grid.far_moves)
    bucket = bucket_of(worst % scenarios, parameters.grid)
    return {
        "bucket": bucket.bucket,
        "index": bucket.index,
        "side": bucket.side,
        "source": bucket.source,
    }


def _positions(found: RiskMatrix) -> dict[str, Json]:
    """Signed sizes in the base currency."""
    both = zip(found.valued.tables, found.valued.sizes, strict=True)
    return {
        name: float(sizes[row])
        for table, sizes in both
        for name, row in table.rows.items()
        if sizes[row]
    }


def _tickers(found: RiskMatrix) -> dict[str, Json]:
    told: dict[str, Json] = {}
    for table in found.valued.tables:
        pair = table.pair
        for names, marks in (
            (pair.options.names, pair.options.mark),
            (pair.futures.names, pair.futures.mark_usd),
        ):
            for name, mark in zip(names, marks.tolist(), strict=True):
                told[name] = {"mark_price": mark, "index_price": pair.index_usd}
    return told


def _parameters(found: RiskMatrix, parameters: Parameters, now_ms: int) -> dict[str, Json]:
    pairs: dict[str, Json] = {}
    coins: dict[str, Json] = {}
    for table in found.valued.tables:
        name, coin = table.pair.index_name, table.pair.underlying
        of_pair, of_coin = parameters.pairs[name], parameters.coins[coin]
        pairs[name] = {
            "price_range": of_pair.price_range,
            "volatility_range_up": of_pair.vol_up,
            "volatility_range_down": of_pair.vol_down,
            "min_volatility_for_shock_up": of_pair.vol_up_min,
            "short_term_vega_power": of_pair.power_short,
            "long_term_vega_power": of_pair.power_long,
            "extended_table_factor": of_pair.extended_factor,
            "m_inc": of_pair.delta_per_coin,
            "max_delta_shock": of_pair.delta_share_max,
            "delta_total_liq_shock_threshold": of_pair.delta_threshold_usd,
        }
        coins[coin.lower()] = {
            "min_annualised_move": of_coin.move_min,
            "annualised_move_risk": of_coin.move_yearly,
            "extended_dampener": of_coin.dampener_usd,
            "pnl_offset": of_coin.offset,
            "max_offsetable_pnl": of_coin.offset_max_usd,
            "haircut": 0.0,
            "equity_side_impact": "both",
            "correlation_set": coin in parameters.correlated,
        }
    general: dict[str, Json] = {
        "mm_factor": parameters.maintenance_factor,
        "buckets_count": parameters.grid.buckets,
        "vol_scenarios_count": 3,
        "timestamp": now_ms,
    }
    return {"currency_pair": pairs, "currency": coins, "general": general}
