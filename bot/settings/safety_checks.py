"""Which limits contradict each other, or what they limit."""

from collections.abc import Iterator

from bot.settings.models import Config
from bot.settings.problems import Finding


def findings(config: Config) -> Iterator[Finding]:
    """Yield what does not fit together, as key path and message."""
    safety = config.safety
    if safety.turnover_per_hour_max_usd < safety.order_max_usd:
        message = (
            f"expected at least order_max_usd {safety.order_max_usd:g}, "
            f"found {safety.turnover_per_hour_max_usd:g}"
        )
        yield ("safety", "turnover_per_hour_max_usd"), message
    most = 100.0 + safety.hedge_over_options_max_percent
    for index, book in enumerate(config.books):
        if book.hedge.ratio_percent > most:
            message = (
                f"expected at most 100 + safety.hedge_over_options_max_percent = {most:g}, "
                f"found {book.hedge.ratio_percent:g}: no hedge may become that large"
            )
            yield ("books", index, "hedge", "ratio_percent"), message
