"""An acceptance as a running system: settings name the venue, the account and what to look for."""

import asyncio
import secrets as tokens
from typing import Final

from bot.core.dealing import BookPlan
from bot.core.margin.modelling import ModelName
from bot.runtime.clock import WireClock
from bot.settings import Credentials, Settings
from bot.venues import deribit_acceptance as acceptance
from bot.venues.ccxt_venue import Clocks
from bot.venues.deribit_findings import Finding, Outcome
from bot.venues.deribit_readings import BookTerms
from bot.venues.deribit_requests import Credentials as VenueCredentials
from bot.wiring.venue import NETWORKS

__all__ = ["Finding", "Outcome", "accept"]

LABEL_BYTES: Final = 4
# What the venue calls the models that an account of it may be configured with.
MODELS: Final = {
    ModelName.DERIBIT_STANDARD: "segregated_sm",
    ModelName.DERIBIT_PORTFOLIO: "segregated_pm",
}


async def accept(settings: Settings, credentials: Credentials) -> tuple[Finding, ...]:
    """Ask the configured venue everything that an acceptance asks."""
    wire = WireClock()
    means = acceptance.Means(
        clocks=Clocks(
            epoch_ms=wire.epoch_ms,
            monotonic_ns=wire.monotonic_ns,
            market_ms=wire.epoch_ms,  # no question of an acceptance depends on market time
        ),
        sleep=asyncio.sleep,
        label_end=f"check{tokens.token_hex(LABEL_BYTES)}",
    )
    return await acceptance.examine(_subject(settings, credentials), means)


def _subject(settings: Settings, credentials: Credentials) -> acceptance.Subject:
    return acceptance.Subject(
        rest_url=settings.venue.rest_url,
        ws_url=settings.venue.ws_url,
        network=NETWORKS[settings.mode],
        credentials=VenueCredentials(key=credentials.key, secret=credentials.secret),
        currencies=tuple(one.value for one in settings.account.currencies),
        label_prefix=settings.account.label_prefix,
        books=tuple(_terms(plan) for plan in settings.policy().books),
        margin_model=MODELS[settings.margin.model],
        parameters=settings.policy().model,
    )


def _terms(plan: BookPlan) -> BookTerms:
    return BookTerms(
        name=plan.book.name,
        underlying=plan.book.selector.underlying,
        hedge=plan.book.hedge_instrument,
        band_width_coin=plan.hedge.band_high_coin - plan.hedge.band_low_coin,
    )
