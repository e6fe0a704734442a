"""A world whose every fold is written as the shell would write it: ledger rows and tape."""

from pathlib import Path

from typing_extensions import override

from bot.core.engine import Step
from bot.core.events import ClockSeen, Fact, QuoteSeen
from bot.core.standing import Standing
from bot.runtime import records
from bot.runtime.journal import Ledger, Row, RunHeader
from bot.runtime.tape import Tape, tape_beside
from bot.runtime.tape_blocks import TapedFold
from tests.builders import CALL, World

RUN = "r-test"
HEADER = RunHeader(code_version="0", config_digest="00", account="BTC", mode="rehearsal")


class RecordedWorld(World):
    """Folds as `World` does and keeps what the loop would hand over; `write` hands it over."""

    def __init__(self, standing: Standing | None = None) -> None:
        super().__init__(standing=standing)
        self.rows: list[Row] = [records.begin_row(self.state, self.policy)]
        self.folds: list[TapedFold] = []
        self._standings = records.Standings()
        self._written: Standing | None = None

    @override
    def fold(self, *facts: Fact, after_ms: int = 100) -> Step:
        step = super().fold(*facts, after_ms=after_ms)
        number = len(self.folds) + 1
        clock = ClockSeen(market_ms=self.now_ms, wire_ns=self.now_ns)
        quotes = tuple(fact for fact in facts if isinstance(fact, QuoteSeen))
        fold = TapedFold(
            run_id=RUN,
            number=number,
            market_ms=clock.market_ms,
            wire_ns=clock.wire_ns,
            rate=clock.rate,
            quotes=quotes,
        )
        self.folds.append(fold)
        self.rows += records.fact_rows(number, clock, (clock, *facts))
        self.rows += records.step_rows(number, step, self._written, self._standings)
        self._written = step.state.standing
        return step

    def write(self, path: Path, *, tape: bool = True, run_id: str = RUN) -> None:
        """Write all folds into the ledger at `path`, and the tape beside it."""
        ledger = Ledger.open(path, HEADER, run_id=run_id)
        try:
            end = records.end_row(len(self.folds), self.now_ms)
            ledger._commit([*self.rows, end])
            ledger._mark_high()
        finally:
            ledger.close()
        if tape:
            recorder = Tape(tape_beside(path), bytes_max=1_000_000)
            for fold in self.folds:
                recorder.fold(fold)
            recorder.close()


def hedged_day() -> RecordedWorld:
    """Return a world that found ten options sold, and hedged them."""
    world = RecordedWorld()
    world.begin({CALL: "-10"})
    world.quotes()
    (order,) = world.orders()
    world.settle(order)
    world.quotes(after_ms=2_000)
    return world
