"""`stress`: the account as it stands, through every market that could come."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.answer import Answer, AsJson, Exit, VerbError, complain, deliver
from bot.cli.configured import ConfigFile, Overrides, load

if TYPE_CHECKING:
    from bot.core.margin.picture import Question
    from bot.core.state import State
    from bot.settings import Credentials, Settings
    from bot.settings.historical_shocks import HistoricalShock
    from bot.wiring.onlooker import Sight

Html = Annotated[
    Path | None,
    typer.Option("--html", metavar="FILE", help="Write a page with heatmaps, complete in itself."),
]
BuyBack = Annotated[
    bool,
    typer.Option(
        "--buy-back-options",
        help="Rank buying back short options, whatever the configuration allows.",
    ),
]


def stress(
    config: ConfigFile,
    overrides: Overrides = None,
    html: Html = None,
    buy_back_options: BuyBack = False,
    as_json: AsJson = False,
) -> None:
    """Show the account of a configuration in every market that could come: P&L, delta, margin use.

    Over spot and volatility, by expiry, and through crashes that happened; how far it is from
    liquidation, and what would lower its margin use most per dollar. Only reads: nothing is ever
    ordered. A rehearsal whose exchange does not answer is looked for at the demo that runs here.
    """

    def work() -> Answer:
        settings = load(config, overrides or ())
        sight, place = _seen(settings, overrides or ())
        payload = _payload(settings, sight, place, buy_back_options=buy_back_options)
        if html is not None:
            _write(html, payload)
        from bot.cli.stress_screen import screen

        return Answer(payload=payload, screen=screen(payload))

    deliver(work, as_json=as_json)


def _seen(settings: "Settings", overrides: Sequence[str]) -> "tuple[Sight, str]":
    """Look at the configured venue; in a rehearsal, where the demo's exchange is."""
    from bot.settings import ConfigError, RunMode
    from bot.venues.port import VenueRefusedError, VenueUnreachableError
    from bot.wiring.daemon import configure_logging, secrets_of

    try:
        secrets = secrets_of(settings)
    except ConfigError as error:
        raise VerbError(str(error), exit_code=Exit.USAGE) from error
    configure_logging(settings, secrets)
    is_told = any(word.startswith("venue.") for word in overrides)
    try:
        if settings.mode is RunMode.REHEARSAL and not is_told:
            demo = _demo_place()
            if demo is not None:
                return _looked(_moved(settings, overrides, demo), secrets.credentials)
        return _looked(settings, secrets.credentials)
    except VenueRefusedError as error:
        raise VerbError(f"stress: {error}") from error
    except VenueUnreachableError as error:
        raise VerbError(f"stress: {error}{_advice(settings)}") from error


def _looked(settings: "Settings", credentials: "Credentials") -> "tuple[Sight, str]":
    from bot.wiring.onlooker import look

    complain(f"reading the account at {settings.venue.rest_url} ...")
    return asyncio.run(look(settings, credentials)), settings.venue.rest_url


def _advice(settings: "Settings") -> str:
    from bot.settings import RunMode

    if settings.mode is not RunMode.REHEARSAL:
        return ""
    return (
        "; start `deltaband demo --seconds 600` in this folder, or `deltaband exchange --port "
        "8090`, in another terminal, and ask again"
    )


def _demo_place() -> tuple[str, str] | None:
    """Return the addresses of the exchange that the only daemon here is rehearsed against."""
    from bot.cli import client, place

    try:
        about = client.get(place.journal_of(journal=None, config=None), "/api/v1/status")["about"]
    except (VerbError, KeyError):
        return None
    found = about.get("rest_url", ""), about.get("ws_url", "")
    return found if about.get("run_mode") == "rehearsal" and all(found) else None


def _moved(settings: "Settings", overrides: Sequence[str], demo: tuple[str, str]) -> "Settings":
    rest_url, ws_url = demo
    words = (*overrides, f"venue.rest_url={rest_url}", f"venue.ws_url={ws_url}")
    return load(Path(settings.file), words)


def _payload(
    settings: "Settings", sight: "Sight", place: str, *, buy_back_options: bool
) -> Mapping[str, Any]:
    from bot.lab.stress_told import moment
    from bot.settings.historical_shocks import historical_shocks

    history, state = historical_shocks(), sight.state
    accounts, notes = [], []
    if sight.unquoted:
        notes.append(f"no quote in time: {', '.join(sight.unquoted)}")
    for currency in (one.value for one in settings.account.currencies):
        found = _account(settings, state, currency, history, buy_back_options=buy_back_options)
        if isinstance(found, str):
            notes.append(found)
        else:
            accounts.append(found)
    head = f"{settings.mode} at {place}, {moment(state.now_ms)}"
    return {
        "head": head,
        "config": settings.file,
        "mode": settings.mode.value,
        "venue": place,
        "at_ms": state.now_ms,
        "accounts": accounts,
        "notes": notes,
    }


def _account(
    settings: "Settings",
    state: "State",
    currency: str,
    history: "Sequence[HistoricalShock]",
    *,
    buy_back_options: bool,
) -> dict[str, Any] | str:
    """Return one settlement currency's picture, or why there is none."""
    from bot.core.margin.holding import account_of
    from bot.core.margin.modelling import Unmodelled, valued
    from bot.core.margin.nodes import Subject
    from bot.core.margin.picture import picture
    from bot.lab.stress_told import told

    policy, balance = settings.policy(), state.balances.get(currency)
    if balance is None:
        return f"{currency}: the venue told no balance"
    hedges = {plan.book.hedge_instrument for plan in policy.books}
    account = account_of(state, currency, also=hedges)
    if not any(pair.sizes.any() for pair in account.pairs):
        return f"{currency}: no positions, equity {balance.equity:,.4f}"
    ours = valued(policy.model, account)
    if isinstance(ours, Unmodelled):
        return ours.reason
    subject = Subject(
        account=account,
        model=policy.model,
        balance=balance.margin_balance,
        equity=balance.equity,
        excess=max(balance.maintenance_margin - ours.needed.maintenance, 0.0),
    )
    question = _question(settings, state, history, buy_back_options=buy_back_options)
    found = picture(subject, question)
    return found.reason if isinstance(found, Unmodelled) else told(found, history)


def _question(
    settings: "Settings",
    state: "State",
    history: "Sequence[HistoricalShock]",
    *,
    buy_back_options: bool,
) -> "Question":
    from bot.core.margin.picture import Question
    from bot.core.margin.relief import Offer

    quoted = {
        name: quote
        for name, quote in state.quotes.items()
        if name in state.instruments and quote.mark is not None
    }
    return Question(
        policy=settings.policy().gate,
        expiries={name: _expiry(state, name) for name in state.instruments},
        history=[(one.title, one.shock) for one in history],
        rates={name: q.funding_8h for name, q in quoted.items() if q.funding_8h is not None},
        offers={
            name: Offer(
                terms=state.instruments[name],
                bid=quote.bid,
                ask=quote.ask,
                mark=quote.mark or 0.0,
                ask_size_native=quote.ask_size_native,
            )
            for name, quote in quoted.items()
        },
        buy_back_options=buy_back_options or settings.policy().gate.buy_back_options,
    )


def _expiry(state: "State", name: str) -> str:
    from datetime import UTC, datetime

    expiry_ms = state.instruments[name].expiry_ms
    if expiry_ms is None:
        return "perpetual"
    return f"{datetime.fromtimestamp(expiry_ms / 1000.0, UTC):%Y-%m-%d}"


def _write(path: Path, payload: Mapping[str, Any]) -> None:
    from bot.lab.stress_page import page

    try:
        path.write_text(page(payload), encoding="utf-8")
    except OSError as error:
        raise VerbError(f"stress: {path} cannot be written: {error.strerror}") from error
    complain(f"wrote {path}")
