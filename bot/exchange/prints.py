"""Trades of others: what passes through the house's quotes with no user on either side.

A market in which nobody else trades has no tape to watch. Whether something trades at a frame,
which way and how much is a hash of the moment and of the instrument: the same in every run,
whatever the users do. Nothing trades through a user's resting order: on a side where one rests,
nothing prints; nor where the instrument is not open.
"""

from collections.abc import Iterator
from typing import Final
from zlib import crc32

from bot.exchange.contracts import Contract
from bot.exchange.desk import Desk
from bot.exchange.market import MarketFrame
from bot.exchange.matching import opposite
from bot.exchange.reports import Direction
from bot.exchange.rules import PrintRules
from bot.exchange.trades import Print

HASHES: Final = 2**32
SIZES: Final = (1, 1, 1, 2, 2, 3, 5, 8, 10, 20)  # lots of small ones, some bigger


def prints_of(desk: Desk, frame: MarketFrame, rules: PrintRules) -> Iterator[Print]:
    """What trades as this frame is put up."""
    chances = [(frame.perpetual.contract, rules.perpetual_chance)]
    chances += [(quote.contract, rules.future_chance) for quote in frame.futures]
    if frame.contracts:
        pick = _hash(frame.at_ms, frame.pair.prefix) % len(frame.contracts)
        chances.append((frame.contracts[pick], rules.option_chance))
    for contract, chance in chances:
        drawn = _hash(frame.at_ms, contract.name)
        if drawn < chance * HASHES:
            found = _print(desk, contract, drawn)
            if found is not None:
                yield found


def _hash(at_ms: int, name: str) -> int:
    return crc32(f"{at_ms}.{name}".encode())


def _print(desk: Desk, contract: Contract, drawn: int) -> Print | None:
    taker = Direction.BUY if drawn % 2 else Direction.SELL
    side = opposite(taker)
    resting = desk.resting.get(contract.name)
    if contract.name in desk.halted or (resting is not None and resting.side(side)):
        return None
    level = next(desk.house.levels(contract, desk.board, side), None)
    if level is None:
        return None
    wanted = contract.lot * 10 * SIZES[drawn // 2 % len(SIZES)]
    return Print(
        contract=contract,
        direction=taker,
        amount=min(wanted, level.amount),
        price=level.price,
    )
