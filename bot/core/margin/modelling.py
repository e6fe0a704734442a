"""One face for every venue's margin model: an account in, a report out, and what fills change.

A model is a frozen value with its parameters in it, chosen by the configuration and recorded with
a run. What it cannot value it says in words (`Unmodelled`): whoever gates by it refuses then.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple, Protocol

import numpy as np

from bot.core.columns import Floats
from bot.core.margin import (
    bybit,
    bybit_portfolio,
    deribit_portfolio,
    deribit_standard,
    derive_account,
    derive_portfolio,
    derive_standard,
    hyperliquid,
    okx,
    okx_portfolio,
    paradex,
    paradex_portfolio,
    standard_fills,
)
from bot.core.margin.account import Account, Pair
from bot.core.margin.report import Needed, Report


class ModelName(StrEnum):
    """Every model by its name in the configuration: the venue, then which of its models."""

    DERIBIT_STANDARD = "deribit_standard"
    DERIBIT_PORTFOLIO = "deribit_portfolio"
    DERIVE_STANDARD = "derive_standard"
    DERIVE_PORTFOLIO = "derive_portfolio"
    OKX_OPTIONS = "okx_options"
    OKX_PORTFOLIO = "okx_portfolio"
    BYBIT_OPTIONS = "bybit_options"
    BYBIT_PORTFOLIO = "bybit_portfolio"
    PARADEX_STANDARD = "paradex_standard"
    PARADEX_PORTFOLIO = "paradex_portfolio"
    HYPERLIQUID_CROSS = "hyperliquid_cross"

    @property
    def venue(self) -> str:
        """The venue whose model it is."""
        return self.value.partition("_")[0]


class Valued(Protocol):
    """An account whose market a model has valued: what fills change is asked of this."""

    @property
    def needed(self) -> Needed:
        """What the account must hold as it is; `report` says how that comes about."""
        ...

    @property
    def is_whole(self) -> bool:
        """Whether every input was there, as of a report."""
        ...

    @property
    def report(self) -> Report:
        """The account as it is."""
        ...

    def after(self, fills: Mapping[str, float]) -> Needed:
        """Return what it would need after `fills`, signed coins by instrument.

        Nothing is valued again but what was filled.

        Raises:
            KeyError: an instrument has no row in the account.
        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Unmodelled:
    """A model has no number for an account, and why."""

    reason: str


class MarginModel(Protocol):
    """A venue's rule of what an account must hold."""

    @property
    def name(self) -> ModelName:
        """Which one it is."""
        ...

    @property
    def counts_options(self) -> bool:
        """Whether the balance that margin is held against holds the value of the options."""
        ...

    def report(self, account: Account) -> Report:
        """Return what an account needs.

        Raises:
            KeyError: the parameters lack a price index or an underlying of the account.
        """
        ...

    def valued(self, account: Account) -> Valued:
        """Value an account once, to ask what fills would change.

        Raises:
            KeyError: as `report`.
        """
        ...


def valued(model: MarginModel, account: Account) -> Valued | Unmodelled:
    """Value an account, or say what the model lacks for it."""
    try:
        made = model.valued(account)
    except KeyError as error:
        return Unmodelled(reason=f"{model.name} has no parameters for {error.args[0]}")
    except ValueError as error:
        return Unmodelled(reason=f"{model.name}: {error}")
    return _whole(model, account, made)


def valued_each(model: MarginModel, accounts: Sequence[Account]) -> list[Valued | Unmodelled]:
    """Value an account in several markets, the same instruments in each, as `valued` one by one."""
    if not isinstance(model, DeribitStandard):
        return [valued(model, account) for account in accounts]
    try:
        made = standard_fills.valued_each(accounts, model.parameters)
    except ValueError as error:  # no rates at all
        return [Unmodelled(reason=f"{model.name}: {error}") for _ in accounts]
    return [_whole(model, account, one) for account, one in zip(accounts, made, strict=True)]


def _whole(model: MarginModel, account: Account, made: Valued) -> Valued | Unmodelled:
    """Return what a model made of an account, or say what it lacks."""
    if not made.is_whole:
        missing = unpriced(account)
        lacks = f"{missing} has no price" if missing else "it does not know all that is held"
        return Unmodelled(reason=f"{model.name} has no number for {account.currency}: {lacks}")
    return made


def unpriced(account: Account) -> str:
    """Name an instrument held that lacks a price, or nobody."""
    for pair in account.pairs:
        options, futures = pair.options, pair.futures
        priced = options.mark + options.iv + options.forward + options.discount + pair.index_usd
        seen = np.concatenate((priced, futures.mark_usd + pair.index_usd))
        for row in np.flatnonzero(~np.isfinite(seen) & (pair.sizes != 0.0)):
            return pair.names[row]
    return ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DeribitStandard:
    """Deribit's standard margin."""

    parameters: deribit_standard.Rates

    @property
    def name(self) -> ModelName:
        """Which model it is."""
        return ModelName.DERIBIT_STANDARD

    @property
    def counts_options(self) -> bool:
        """The venue's margin balance leaves the options' value out."""
        return False

    def report(self, account: Account) -> Report:
        """Return what an account needs."""
        return deribit_standard.report(account, self.parameters)

    def valued(self, account: Account) -> Valued:
        """Value an account once."""
        return standard_fills.valued(account, self.parameters)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeribitPortfolio:
    """Deribit's portfolio margin."""

    parameters: deribit_portfolio.Parameters

    @property
    def name(self) -> ModelName:
        """Which model it is."""
        return ModelName.DERIBIT_PORTFOLIO

    @property
    def counts_options(self) -> bool:
        """The venue's margin balance is the equity."""
        return True

    def report(self, account: Account) -> Report:
        """Return what an account needs."""
        return deribit_portfolio.report(account, self.parameters)

    def valued(self, account: Account) -> Valued:
        """Value an account once."""
        table = deribit_portfolio.value(account, self.parameters)
        return _Netted(table=table, report=deribit_portfolio.report_of(table))


DeriveParameters = derive_standard.Parameters | derive_portfolio.Parameters
OtherParameters = (
    DeriveParameters
    | okx.Rates
    | okx_portfolio.Parameters
    | bybit.Rates
    | bybit_portfolio.Parameters
    | paradex.Rates
    | paradex_portfolio.Parameters
    | hyperliquid.Rates
)


@dataclass(frozen=True, slots=True, kw_only=True)
class OtherVenue:
    """A model of a venue other than Deribit: which one, its parameters say."""

    parameters: OtherParameters

    @property
    def name(self) -> ModelName:
        """Which model it is."""
        return _MODELS[type(self.parameters)].name

    @property
    def counts_options(self) -> bool:
        """Their balances hold the value of everything."""
        return True

    def report(self, account: Account) -> Report:
        """Return what an account needs."""
        return _MODELS[type(self.parameters)].reports(account, self.parameters)

    def valued(self, account: Account) -> Valued:
        """Value an account once."""
        return Whole(account=account, report=self.report(account), model=self)


class _Row(NamedTuple):
    """A model, and who reports by it: `reports(account, its parameters)`."""

    name: ModelName
    reports: Callable[..., Report]


def _of_derive(reports: Callable[..., Report]) -> Callable[..., Report]:
    return lambda account, parameters: reports(subaccount(account), parameters)


_MODELS: Mapping[type, _Row] = {
    derive_standard.Parameters: _Row(ModelName.DERIVE_STANDARD, _of_derive(derive_standard.report)),
    derive_portfolio.Parameters: _Row(
        ModelName.DERIVE_PORTFOLIO, _of_derive(derive_portfolio.report)
    ),
    okx.Rates: _Row(ModelName.OKX_OPTIONS, okx.report),
    okx_portfolio.Parameters: _Row(ModelName.OKX_PORTFOLIO, okx_portfolio.report),
    bybit.Rates: _Row(ModelName.BYBIT_OPTIONS, bybit.report),
    bybit_portfolio.Parameters: _Row(ModelName.BYBIT_PORTFOLIO, bybit_portfolio.report),
    paradex.Rates: _Row(ModelName.PARADEX_STANDARD, paradex.report),
    paradex_portfolio.Parameters: _Row(ModelName.PARADEX_PORTFOLIO, paradex_portfolio.report),
    hyperliquid.Rates: _Row(ModelName.HYPERLIQUID_CROSS, hyperliquid.report),
}


def subaccount(account: Account) -> derive_account.Subaccount:
    """Return an account as Derive's managers know one: feeds sure, cash left out.

    Raises:
        ValueError: a price index has more than one perpetual or future: Derive has one.
    """
    markets = []
    for pair in account.pairs:
        futures, rows = pair.futures, len(pair.options.names)
        if len(futures.names) > 1:
            raise ValueError(f"{pair.index_name} has more than one perpetual")
        has_perp = bool(futures.names)
        markets.append(
            derive_account.Market(
                underlying=pair.underlying,
                spot_usd=pair.index_usd,
                options=pair.options,
                still=np.zeros(rows),
                moving=pair.options.forward,
                confidence=np.ones(rows),
                perp_name=futures.names[0] if has_perp else "PERP",
                perp_coin=float(futures.size_coin[0]) if has_perp else 0.0,
                perp_usd=float(futures.mark_usd[0]) if has_perp else pair.index_usd,
            )
        )
    return derive_account.Subaccount(cash=0.0, stable_usd=1.0, markets=tuple(markets))


def resized(account: Account, fills: Mapping[str, float]) -> Account:
    """Return the account after `fills`: signed coins by instrument.

    Raises:
        KeyError: an instrument has no row in the account.
    """
    left = dict(fills)
    pairs = []
    for pair in account.pairs:
        ours = [name for name in pair.names if name in left]
        pairs.append(_moved(pair, {name: left.pop(name) for name in ours}) if ours else pair)
    if left:
        raise KeyError(f"no row for {', '.join(sorted(left))}")
    return replace(account, pairs=tuple(pairs))


def _moved(pair: Pair, fills: Mapping[str, float]) -> Pair:
    options, futures = pair.options, pair.futures
    return replace(
        pair,
        options=replace(options, size=options.size + _changes(options.names, fills)),
        futures=replace(futures, size_coin=futures.size_coin + _changes(futures.names, fills)),
    )


def _changes(names: tuple[str, ...], fills: Mapping[str, float]) -> Floats:
    return np.array([fills.get(name, 0.0) for name in names], dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Whole:
    """A model of which no part can be asked alone: the whole account is reported anew."""

    account: Account
    report: Report
    model: MarginModel

    @property
    def needed(self) -> Needed:
        """What the report says."""
        return Needed(initial=self.report.initial, maintenance=self.report.maintenance)

    @property
    def is_whole(self) -> bool:
        """What the report says."""
        return self.report.is_whole

    def after(self, fills: Mapping[str, float]) -> Needed:
        """Report the account with the fills in it."""
        found = self.model.report(resized(self.account, fills))
        return Needed(initial=found.initial, maintenance=found.maintenance)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Netted:
    """Deribit's portfolio margin: a fill adds its columns of the scenario table."""

    table: deribit_portfolio.Valued
    report: Report

    @property
    def needed(self) -> Needed:
        """What the report says."""
        return Needed(initial=self.report.initial, maintenance=self.report.maintenance)

    @property
    def is_whole(self) -> bool:
        """What the report says."""
        return self.report.is_whole

    def after(self, fills: Mapping[str, float]) -> Needed:
        """Add up what the scenarios make of the fills."""
        return Needed(*deribit_portfolio.needed_after(self.table, fills))


Model = DeribitStandard | DeribitPortfolio | OtherVenue
