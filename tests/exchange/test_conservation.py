"""No coin is made or lost: whatever is traded, funded, delivered, moved, busted or liquidated."""

import os
import random
from decimal import Decimal

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from bot.exchange import summaries
from bot.exchange.commands import Answer, CancelAll
from bot.exchange.engine import Engine
from bot.exchange.reports import Direction, FillCause
from bot.exchange.rules import MarginModel, OpeningAccount, Rules
from bot.exchange.statement import EntryKind
from bot.exchange.trading_commands import BustTrade
from bot.exchange.venue_commands import Deposit, SetMarginModel, SetPosition, Shock, Transfer
from tests.exchange.engine_builders import BUY, SELL, START_MS, order
from tests.exchange.wandering_market import WanderingMarket

ACCOUNTS = ("demo", "other", "poor")
EQUITY = {"BTC": 20.0, "ETH": 500.0, "USDC": 1_500_000.0}
POOR = {"BTC": 0.05, "ETH": 2.0, "USDC": 3_000.0}
CURRENCIES = tuple(EQUITY)


def assert_books_balance(venue: Engine) -> None:
    """Nothing in excess, logs that add up, positions that cancel, the venue's own identities."""
    for currency in CURRENCIES:
        assert venue.excess(currency) == 0
        for account in venue.accounts():
            rows = venue.statement(account, currency)
            changes = sum((row.change for row in rows), Decimal(0))
            assert changes == venue.desk.accounts[account][currency].balance
            assert [row.seq for row in rows] == list(range(1, len(rows) + 1))
    house = {
        name: position.size
        for vault in venue.desk.treasury.vaults.values()
        for name, position in vault.house.positions.items()
    }
    for account in venue.accounts():
        for name, size in venue.ledger_positions(account).items():
            house[name] = house.get(name, Decimal(0)) + size
    assert not any(house.values())


def assert_identities_hold(venue: Engine) -> None:
    """The sums of the published account, to the last digit that is shown."""
    for account in venue.accounts():
        for currency in CURRENCIES:
            shown = {
                name: Decimal(str(value))
                for name, value in summaries.in_currency(venue, account, currency).items()
                if isinstance(value, int | float) and not isinstance(value, bool)
            }
            session = shown["futures_session_upl"] + shown["futures_session_rpl"]
            assert shown["equity"] == shown["balance"] + session + shown["options_value"]
            model = venue.margin_model(account)
            if not model.is_cross:
                counted = shown["options_value"] if model.is_portfolio else Decimal(0)
                assert shown["margin_balance"] == shown["balance"] + session + counted
            assert shown["available_funds"] == shown["margin_balance"] - shown["initial_margin"]
            assert shown["session_upl"] == (
                shown["futures_session_upl"] + shown["options_session_upl"]
            )
            assert shown["session_rpl"] == (
                shown["futures_session_rpl"] + shown["options_session_rpl"]
            )
            view = venue.account(account, currency)
            held = venue.positions(account, currency=currency)
            assert sum(view.delta_total_map.values()) == pytest.approx(
                sum(each.delta for each in held), abs=1e-9
            )
            premium = 0.0 if currency == "USDC" else view.options_value
            assert view.delta_total == sum(view.delta_total_map.values()) - premium


class Exchange(RuleBasedStateMachine):
    """Three accounts, three currencies, four pairs, and everything that may happen to them."""

    def __init__(self) -> None:
        super().__init__()
        self.market = WanderingMarket()
        opened = (EQUITY, EQUITY, POOR)
        self.venue = Engine(
            market=self.market,
            rules=Rules(),
            accounts=[
                OpeningAccount(name=name, equity=equity)
                for name, equity in zip(ACCOUNTS, opened, strict=True)
            ],
        )

    @rule(
        account=st.sampled_from(ACCOUNTS),
        direction=st.sampled_from([BUY, SELL]),
        place=st.integers(0, 10_000),
        lots=st.integers(1, 500),
        depth=st.sampled_from([None, -0.01, -0.001, 0.001]),
    )
    def trade(
        self, account: str, direction: Direction, place: int, lots: int, depth: float | None
    ) -> None:
        listed = self.venue.contracts()
        contract = listed[place % len(listed)]
        price = None
        if depth is not None:
            wanted = Decimal(str(self.venue.desk.board.mark(contract) * (1 + depth)))
            price = float(contract.ceil_price(wanted))
        amount = float(lots * contract.lot)
        self.venue.handle(order(direction, amount, price, name=contract.name, account=account))

    @rule(account=st.sampled_from(ACCOUNTS), place=st.integers(0, 10_000), lots=st.integers(-9, 9))
    def set_position(self, account: str, place: int, lots: int) -> None:
        listed = self.venue.contracts()
        contract = listed[place % len(listed)]
        command = SetPosition(
            account=account, instrument_name=contract.name, size=lots * contract.lot
        )
        assert isinstance(self.venue.handle(command), Answer)

    @rule(
        sender=st.sampled_from(ACCOUNTS),
        recipient=st.sampled_from(ACCOUNTS),
        currency=st.sampled_from(CURRENCIES),
        amount=st.decimals("0.00000001", "5", places=8),
    )
    def transfer(self, sender: str, recipient: str, currency: str, amount: Decimal) -> None:
        self.venue.handle(
            Transfer(sender=sender, recipient=recipient, currency=currency, amount=amount)
        )

    @rule(
        account=st.sampled_from(ACCOUNTS),
        currency=st.sampled_from(CURRENCIES),
        amount=st.decimals("-1", "1", places=8),
    )
    def deposit(self, account: str, currency: str, amount: Decimal) -> None:
        self.venue.handle(Deposit(account=account, currency=currency, amount=amount))

    @rule(account=st.sampled_from(ACCOUNTS), model=st.sampled_from(list(MarginModel)))
    def margin_by(self, account: str, model: MarginModel) -> None:
        self.venue.handle(SetMarginModel(account=account, model=model))

    @rule(place=st.integers(0, 10_000))
    def bust(self, place: int) -> None:
        fills = self.venue.ledger_fills()
        if fills:
            fill = fills[place % len(fills)]
            self.venue.handle(BustTrade(account=fill.account, trade_id=fill.trade_id))

    @rule(account=st.sampled_from(ACCOUNTS))
    def cancel(self, account: str) -> None:
        self.venue.handle(CancelAll(account=account))

    @rule(
        minutes=st.sampled_from([1, 60, 600, 1_440]),
        move=st.floats(-0.06, 0.06),
        underlying=st.sampled_from(["BTC", "ETH"]),
        premium=st.sampled_from([-0.002, 0.0, 0.001]),
    )
    def pass_time(self, minutes: int, move: float, underlying: str, premium: float) -> None:
        self.venue.handle(Shock(underlying=underlying, move=move))
        self.market.premium = premium
        self.venue.advance(self.venue.now_ms + minutes * 60_000)

    @invariant()
    def nothing_is_made_or_lost(self) -> None:
        assert_books_balance(self.venue)

    def teardown(self) -> None:
        assert_identities_hold(self.venue)


TestConservation = Exchange.TestCase
TestConservation.settings = settings(max_examples=12, stateful_step_count=40, deadline=None)


FILLS = 10_000 if os.environ.get("HYPOTHESIS_PROFILE") == "long" else 800


@pytest.mark.timeout(180)
@pytest.mark.parametrize("seed", [1])
def test_a_long_random_walk_keeps_every_coin_and_every_identity(seed: int) -> None:
    """Ten thousand fills under HYPOTHESIS_PROFILE=long, fewer otherwise."""
    draw, market = random.Random(seed), WanderingMarket()
    venue = Engine(
        market=market,
        rules=Rules(),
        accounts=[
            OpeningAccount(name=name, equity=POOR if name == "poor" else EQUITY)
            for name in ACCOUNTS
        ],
    )
    while len(venue.ledger_fills()) < FILLS:
        contract = draw.choice(venue.contracts())
        away = draw.choice([None, -0.01, -0.001, 0.001, 0.01])
        mark = venue.desk.board.mark(contract)
        price = None
        if away is not None:
            price = float(contract.ceil_price(Decimal(str(mark * (1 + away)))))
        side, amount = draw.choice([BUY, SELL]), float(draw.randint(1, 300) * contract.lot)
        account = draw.choice(ACCOUNTS)
        venue.handle(order(side, amount, price, name=contract.name, account=account))
        _sometimes(venue, market, draw)
    assert_books_balance(venue)
    assert_identities_hold(venue)


def _sometimes(venue: Engine, market: WanderingMarket, draw: random.Random) -> None:
    """Now and then money moves, time passes, orders are cancelled, or a trade is busted."""
    luck = draw.random()
    if luck < 0.02:
        sender, recipient = draw.sample(ACCOUNTS, 2)
        currency, amount = draw.choice(CURRENCIES), Decimal(draw.randint(1, 10**8)).scaleb(-8)
        venue.handle(Transfer(sender=sender, recipient=recipient, currency=currency, amount=amount))
    elif luck < 0.05:
        market.premium = draw.choice([-0.002, 0.0, 0.001])
        move = draw.uniform(-0.02, 0.02)
        venue.handle(Shock(underlying=draw.choice(["BTC", "ETH"]), move=move))
        venue.advance(venue.now_ms + draw.choice([60_000, 3_600_000, 14_400_000]))
    elif luck < 0.055:
        model = draw.choice(list(MarginModel))
        venue.handle(SetMarginModel(account=draw.choice(ACCOUNTS), model=model))
    elif luck < 0.07:
        venue.handle(CancelAll(account=draw.choice(ACCOUNTS)))
    elif luck < 0.08 and venue.ledger_fills():
        fill = draw.choice(venue.ledger_fills())
        venue.handle(BustTrade(account=fill.account, trade_id=fill.trade_id))


def test_ten_days_with_every_kind_of_row_end_with_every_coin_in_its_place() -> None:
    market = WanderingMarket()
    venue = Engine(
        market=market,
        rules=Rules(),
        accounts=[
            OpeningAccount(name="demo", equity=EQUITY),
            OpeningAccount(name="other", equity=POOR),
        ],
    )
    market.premium = 0.001
    listed = venue.contracts()
    for day in range(10):
        for place, contract in enumerate(listed):
            side = BUY if (place + day) % 3 else SELL
            amount = float(contract.lot * (1 + place % 7))
            venue.handle(order(side, amount, name=contract.name))
            venue.handle(
                order(SELL if side is BUY else BUY, amount, name=contract.name, account="other")
            )
        market.shock("BTC", 0.03 if day % 2 else -0.035)
        market.shock("ETH", -0.05 if day % 2 else 0.06)
        venue.advance(START_MS + (day + 1) * 86_400_000)
        listed = venue.contracts()
    assert isinstance(
        venue.handle(Transfer(sender="demo", recipient="other", currency="BTC", amount=Decimal(1))),
        Answer,
    )
    assert_books_balance(venue)
    assert_identities_hold(venue)
    kinds = {row.subject.kind for c in CURRENCIES for row in venue.statement("demo", c)}
    assert {EntryKind.TRADE, EntryKind.SETTLEMENT, EntryKind.DELIVERY} < kinds
    assert {fill.cause for fill in venue.ledger_fills()} >= {FillCause.TRADE, FillCause.SETTLEMENT}
