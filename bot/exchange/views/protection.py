"""Market maker protections as Deribit words them."""

from collections.abc import Mapping
from decimal import Decimal

from bot.exchange.protocol import Json
from bot.exchange.trading_commands import MmpKey, MmpLimits
from bot.exchange.views.wording import number


def mmp_config(key: MmpKey, limits: MmpLimits) -> dict[str, Json]:
    """A protection's limits; those that are not watched are left out."""
    wanted: Mapping[str, Decimal | None] = {
        "quantity_limit": limits.quantity,
        "delta_limit": limits.delta,
        "vega_limit": limits.vega,
        "max_quote_quantity": limits.quote_quantity_max,
    }
    return {
        "index_name": key.index_name,
        "interval": limits.interval_s,
        "frozen_time": limits.frozen_s,
        **{name: number(value) for name, value in wanted.items() if value is not None},
    }


def mmp_status(key: MmpKey, frozen_until_ms: int) -> dict[str, Json]:
    """A protection that has tripped; `mmp_group` is a must, and empty for that of orders."""
    return {
        "index_name": key.index_name,
        "frozen_until": frozen_until_ms,
        "mmp_group": key.group or "",
    }
