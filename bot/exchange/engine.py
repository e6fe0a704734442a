"""The engine of the embedded exchange: commands and market time in, answers and events out.

Pure and deterministic: the same commands at the same market times give the same events, in however
many portions time is let pass. It reads no clock and does no I/O.
"""

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from typing import assert_never, overload

from bot.exchange.board import Board
from bot.exchange.cancelling import cancel_many, cancel_order, end_day
from bot.exchange.choices import choose
from bot.exchange.commands import (
    Answer,
    CancelAll,
    CancelByLabel,
    CancelOrder,
    Command,
    Event,
    InstrumentExpired,
    InstrumentListed,
    MarketMoved,
    MassCancel,
    OrderCommand,
    PlaceOrder,
    Printed,
    Refused,
    SessionSettled,
    Setting,
    invalid_params,
)
from bot.exchange.counter import close_position, place_order
from bot.exchange.desk import Desk, EventLog
from bot.exchange.editing import edit_order
from bot.exchange.funding import FundingMeter, IndexHistory
from bot.exchange.liquidation import liquidate
from bot.exchange.liquidity import House
from bot.exchange.market import Market, MarketFrame, Skipped
from bot.exchange.pair_board import warm_pricing
from bot.exchange.prints import prints_of
from bot.exchange.readings import Readings
from bot.exchange.reports import (
    CancelledView,
    OrderView,
    PlacedView,
)
from bot.exchange.rules import OpeningAccount, Rules
from bot.exchange.settlement import DELIVERY_DIGITS, next_session_ms
from bot.exchange.trades import TradeBook
from bot.exchange.trading_commands import (
    BustTrade,
    ClosePosition,
    EditByLabel,
    EditOrder,
    HaltBook,
    ResetMmp,
    SetMmp,
    SetSelfTrading,
)
from bot.exchange.triggers import fire
from bot.exchange.venue_acts import act
from bot.exchange.venue_commands import (
    Deposit,
    OpenAccount,
    SetMarginModel,
    SetPosition,
    Shock,
    Transfer,
)
from bot.exchange.venue_desk import decree
from bot.exchange.wallets import Wallet, money


class Engine(Readings):
    """One exchange on one market of several pairs. See `bot.exchange.commands.TradingEngine`."""

    def __init__(self, *, market: Market, rules: Rules, accounts: Sequence[OpeningAccount]) -> None:
        warm_pricing()  # compiled now, so that no request ever waits for it
        frames = [market.frame(pair) for pair in market.pairs]
        desk = Desk(
            rules=rules,
            board=Board.showing(frames),
            house=House(rules.house),
            funding={
                pair: FundingMeter(rules.funding, is_linear=pair.is_linear) for pair in market.pairs
            },
            trades=TradeBook(next_number=rules.first_trade_number),
            next_order_number=rules.first_order_number,
        )
        super().__init__(
            desk=desk,
            index_histories={
                pair: IndexHistory(rules.settlement_average_ms) for pair in market.pairs
            },
            start_ms=max(market.start_ms, *(frame.at_ms for frame in frames)),
        )
        self._market = market
        self._next_session_ms = next_session_ms(self._now_ms)
        for frame in frames:
            self._observe(frame)
        self._expiries = self._pending_expiries()
        for opening in accounts:
            self._open_account(opening)

    def _open_account(self, opening: OpeningAccount) -> None:
        if opening.owner is not None:
            self.desk.self_trading.owners[opening.name] = opening.owner
        unknown = set(opening.equity) - set(self.currencies)
        if unknown:
            raise ValueError(f"nothing settles in {', '.join(sorted(unknown))} here")
        self.desk.margin_models[opening.name] = opening.margin_model
        self.desk.accounts[opening.name] = {
            currency: Wallet(account=opening.name, currency=currency)
            for currency in self.currencies
        }
        for currency, equity in opening.equity.items():
            self.desk.deposit(opening.name, currency, money(equity), self._now_ms)
        for name, size in opening.positions.items():
            command = SetPosition(
                account=opening.name, instrument_name=name, size=Decimal(str(size))
            )
            done = self.handle(command)
            match done:
                case Refused():
                    why = done.data.get("reason", done.message)
                    raise ValueError(f"opening position of {size} in {name}: {why}")
                case Answer():
                    pass

    # ---- time --------------------------------------------------------------------------------

    def advance(self, to_ms: int) -> list[Event]:
        """Let market time pass up to and including `to_ms`; see `TradingEngine.advance`."""
        if to_ms <= self._now_ms:
            return []
        events: list[Event] = []
        reached_ms = to_ms
        for item in self._market.advance(to_ms):
            match item:
                case MarketFrame():
                    events += self._pass_moments(item.at_ms)
                    events += self._put_up(item)
                case Skipped():
                    events += self._skip(item)
                    reached_ms = item.to_ms
                case _:
                    assert_never(item)
        events += self._pass_moments(reached_ms)
        self._now_ms = max(self._now_ms, reached_ms)
        return events

    def _skip(self, gap: Skipped) -> list[Event]:
        """Jump over a hole in the data: what falls due inside it is settled on what was known."""
        events = self._pass_moments(gap.from_ms)
        for meter in self.desk.funding.values():
            meter.skip(gap.from_ms, gap.to_ms)
        events += self._pass_moments(gap.to_ms)
        return [*events, gap]

    def _observe(self, frame: MarketFrame) -> None:
        self.desk.funding[frame.pair].observe(frame)
        self.index_histories[frame.pair].observe(frame.at_ms, frame.index_usd)

    def _put_up(self, frame: MarketFrame) -> list[Event]:
        desk, log = self.desk, EventLog()
        self._now_ms = max(self._now_ms, frame.at_ms)
        desk.revision += 1
        self._observe(frame)
        before = desk.board.frame(frame.pair).contracts
        listed = desk.board.update(frame)
        for contract in listed:
            log.events.append(InstrumentListed(instrument_name=contract.name, at_ms=frame.at_ms))
        if listed or before is not frame.contracts:
            self._expiries = self._pending_expiries()
        log.events.append(MarketMoved(frame=frame))
        desk.sweep(frame.pair, frame.at_ms, log)
        fire(desk, frame.at_ms, log)
        liquidate(desk, frame.pair.settlement_currency, frame.at_ms, log)
        for seen in prints_of(desk, frame, desk.rules.prints):
            log.events.append(Printed(trade=desk.trades.printed(seen, frame.at_ms, desk.board)))
        return log.closed(desk.revision)

    def _pending_expiries(self) -> list[int]:
        known = self.desk.board.known_contracts()
        return sorted({c.expiry_ms for c in known if c.name not in self.delivered})

    def _pass_moments(self, to_ms: int) -> list[Event]:
        """Settle what falls due up to `to_ms`, in order; deliveries before the session's end."""
        events: list[Event] = []
        while True:
            expiry = self._expiries[0] if self._expiries else to_ms + 1
            due = min(expiry, self._next_session_ms)
            if due > to_ms:
                return events
            if expiry <= self._next_session_ms:
                events += self._deliver(expiry)
            else:
                events += self._settle_session(due)

    def _deliver(self, expiry_ms: int) -> list[Event]:
        desk, log = self.desk, EventLog()
        desk.revision += 1
        window_ms = self.desk.rules.settlement_average_ms
        for contract in desk.board.known_contracts():
            if contract.expiry_ms != expiry_ms or contract.name in self.delivered:
                continue
            history = self.index_histories[contract.pair]
            average_usd = history.average(expiry_ms - window_ms, expiry_ms)
            delivery_usd = round(average_usd, DELIVERY_DIGITS)
            desk.deliver(contract, delivery_usd, expiry_ms, log)
            self.delivered[contract.name] = delivery_usd
            log.events.append(
                InstrumentExpired(
                    instrument_name=contract.name,
                    delivery_price_usd=delivery_usd,
                    at_ms=expiry_ms,
                )
            )
        self._expiries.remove(expiry_ms)
        return log.closed(desk.revision)

    def _settle_session(self, at_ms: int) -> list[Event]:
        desk, log = self.desk, EventLog()
        end_day(desk, at_ms, log)
        desk.settle_session(at_ms)
        for contract in self.contracts():
            self.settlement_prices[contract.name] = desk.board.mark(contract)
        self._next_session_ms = next_session_ms(at_ms)
        log.wallets.update(
            dict.fromkeys((wallet.account, wallet.currency) for wallet in desk.wallets())
        )
        return [SessionSettled(at_ms=at_ms), *log.closed(desk.revision)]

    # ---- commands ----------------------------------------------------------------------------

    @overload
    def handle(self, command: OrderCommand) -> Answer[PlacedView] | Refused: ...
    @overload
    def handle(self, command: CancelOrder) -> Answer[OrderView] | Refused: ...
    @overload
    def handle(self, command: MassCancel) -> Answer[CancelledView] | Refused: ...
    @overload
    def handle(self, command: Setting) -> Answer[None] | Refused: ...

    def handle(self, command: Command) -> Answer[object] | Refused:
        """Carry out one command at `now_ms`."""
        desk, now_ms = self.desk, self._now_ms
        match command:
            case PlaceOrder() | EditOrder() | EditByLabel() | ClosePosition():
                return self._trade(command)
            case CancelOrder():
                return cancel_order(desk, command, now_ms)
            case CancelAll() | CancelByLabel():
                return cancel_many(desk, command, now_ms)
            case SetSelfTrading() | SetMmp() | ResetMmp():
                return choose(desk, command, now_ms)
            case BustTrade() | HaltBook():
                return act(desk, command, now_ms)
            case SetPosition() | Deposit() | Transfer() | SetMarginModel():
                return decree(desk, command, now_ms)
            case Shock():
                return self._shock(command)
            case OpenAccount():
                self._open_account(OpeningAccount(name=command.account, owner=command.owner))
                return Answer(result=None)
            case _:
                assert_never(command)

    def _trade(self, command: OrderCommand) -> Answer[PlacedView] | Refused:
        """Let an order in; then whatever waits for the prices that it made."""
        desk, now_ms = self.desk, self._now_ms
        answer: Answer[PlacedView] | Refused
        match command:
            case PlaceOrder():
                contract = self.tradable(command.instrument_name)
                answer = place_order(desk, command, contract, now_ms)
            case EditOrder() | EditByLabel():
                answer = edit_order(desk, command, now_ms)
            case ClosePosition():
                contract = self.tradable(command.instrument_name)
                answer = close_position(desk, command, contract, now_ms)
            case _:
                assert_never(command)
        if isinstance(answer, Refused):
            return answer
        log = EventLog()
        fire(desk, now_ms, log)
        return replace(answer, events=(*answer.events, *log.closed(desk.revision)))

    def _shock(self, command: Shock) -> Answer[None] | Refused:
        base = command.underlying.upper().split("_")[0]
        bases = dict.fromkeys(pair.base for pair in self.pairs)
        if base not in bases:
            return invalid_params("underlying", f"only {', '.join(bases)} is traded here")
        if not -1 < command.move < float("inf"):
            return invalid_params("move", "must be a fraction above -1, such as -0.05")
        self._market.shock(base, command.move)
        return Answer(result=None)
