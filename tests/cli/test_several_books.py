"""What a person sees of several books in several currencies: status, summary, the live view."""

import io

import pytest
from rich.console import Console

from bot.cli import screens, summary
from bot.cli.live import LiveView
from bot.core.dealing import BookPlan
from bot.core.exposure import Exposure
from bot.core.hedger import deviation_coin
from bot.dashboard import triggers
from bot.dashboard.models import About, OrderShown
from bot.dashboard.window import Frame, Window
from bot.lab.rehearsal import Rehearsal, figures
from bot.quant.conventions import Convention
from bot.runtime.loop import Stepped
from tests.core.pairs import BTC, BTC_USDC, ETH, Account, Market

HELD = {
    BTC.option(110_000, "C"): "-5",
    ETH.option(3_300, "C"): "-90",
    BTC_USDC.option(110_000, "C"): "-4",
}
MARKETS = (BTC, ETH, BTC_USDC)
ABOUT = About(
    version="0", libraries={}, run_mode="rehearsal", venue="deribit", account="deribit:a:db",
    config="x.yaml", config_digest="00ff", journal="x.sqlite3", pid=1,
)  # fmt: skip


def plans() -> tuple[BookPlan, ...]:
    return tuple(
        market.plan(Convention.BOOK, band_low_coin=-0.05, band_high_coin=0.05) for market in MARKETS
    )


def drawn(screen: object, width: int = 120) -> str:
    out = io.StringIO()
    Console(file=out, width=width, height=40).print(screen)
    return out.getvalue()


def rehearsed() -> tuple[Account, Rehearsal, LiveView, Window]:
    """Three books, hedged and watched for a few seconds."""
    made = plans()
    account, rehearsal = Account(*made, held=HELD), Rehearsal(plans=made)
    view = LiveView(made[0], rehearsal)
    window = Window(
        Frame(
            about=ABOUT,
            plans=made,
            currencies=account.world.policy.currencies,
            margin_limits={"warn": 0.5},
            wire_ns=lambda: account.world.now_ns,
        )
    )

    def see() -> None:
        step = account.world.last
        assert step is not None
        window.show(step)
        stepped = Stepped(
            fold=1, state=step.state, step=step, facts=(), market_ms=account.world.now_ms,
            wire_ns=account.world.now_ns, tick_to_decision_ns=None, tick_to_order_ns=(),
            journal_ns=None,
        )  # fmt: skip
        rehearsal(stepped)
        view(stepped)

    account.quotes()
    see()
    for order in account.world.orders():
        account.world.settle(order)
        see()
    for _ in range(5):
        account.quotes(
            account.balance("BTC", delta_total_coin=0.0, delta_total_map={"btc_usd": 0.0}),
            account.balance("USDC", delta_total_map={"btc_usdc": 0.0}),
            after_ms=1_000,
        )
        see()
    return account, rehearsal, view, window


def test_the_figures_of_every_book_stand_beside_those_of_the_first() -> None:
    _, rehearsal, _, _ = rehearsed()
    told = figures(rehearsal)
    books = told["books"]
    assert isinstance(books, dict)

    assert list(books) == ["btc", "eth", "btc-usdc"]
    assert told["delta_final_coin"] == books["btc"]["delta_final_coin"]
    assert told["hedges_sent"] == 3
    assert [book["hedges_sent"] for book in books.values()] == [1, 1, 1]
    assert [book["currency"] for book in books.values()] == ["BTC", "ETH", "USDC"]
    assert told["held_after_expiry"] == []
    for book in books.values():
        assert abs(book["delta_rms_coin"]["hedged"]) < 0.01
        assert book["breaches"]["count"] == 0
        assert book["pnl_usd"]["total"] is not None


def test_a_dollar_books_profit_is_not_multiplied_by_the_index() -> None:
    account, rehearsal, _, _ = rehearsed()
    (call,) = (name for name in HELD if name.startswith("BTC_USDC"))
    mark = account.world.state.quotes[call].mark
    judged = rehearsal.books[2]
    assert judged.pnl is not None
    assert mark is not None

    assert judged.coin_usd == 1.0
    assert rehearsal.books[0].coin_usd == 100_000.0
    assert abs(judged.pnl.total) < 1_000.0, "a few minutes of theta and a fee"


def test_the_summary_tells_of_each_book_by_name() -> None:
    _, rehearsal, _, _ = rehearsed()
    told = {
        **figures(rehearsal), "seconds": 5.0, "speed": 60.0, "market": "synthetic", "seed": 7,
        "ticks": 9, "position_match": True, "orders_at_venue": 3, "orders_in_journal": 3,
        "tick_to_decision_us": None, "tick_to_order_us": None, "journal": "x",
    }  # fmt: skip
    text = drawn(summary.screen(told))

    assert "book btc-usdc" in text
    assert "BTC, settled in USDC" in text
    assert text.count("band (coin)") == 3


def test_the_live_view_names_the_book_that_it_draws() -> None:
    _, _, view, _ = rehearsed()

    assert "btc: BTC delta from target" in drawn(view)


def test_the_status_shows_every_currency_and_how_far_the_venue_is_away() -> None:
    _, _, _, window = rehearsed()
    status = window.status()
    assert status is not None
    text = drawn(screens.status(status.model_dump(mode="json")))

    assert [book.currency for book in status.books] == ["BTC", "ETH", "USDC"]
    assert [pnl.currency for pnl in status.pnls] == ["BTC", "ETH", "USDC"]
    assert status.pnl_coin == status.pnls[0]
    assert {gap.figure for gap in status.delta_gaps} == {"BTC", "btc_usd", "btc_usdc"}
    assert "Book btc-usdc: book delta in BTC, settled in USDC" in text
    assert "own delta less the venue's, coin: BTC" in text
    assert "the venue's what-if on " not in text, "nothing was asked yet"
    assert "(discounted)" in text or "(undiscounted)" in text


def test_the_account_is_read_whole_on_a_terminal_of_sixty_columns() -> None:
    _, _, _, window = rehearsed()
    status = window.status()
    assert status is not None
    row = status.balances[0].model_copy(
        update={
            "equity": 3_300_000.0, "available_funds": 24.8241, "stressed_use": 0.324,
            "stressed_at": "spot -15% vol +20", "margin_doubt": "no forward of BTC-1JAN27",
        }
    )  # fmt: skip
    answer = status.model_copy(update={"balances": [row, *status.balances[1:]]})
    text = drawn(screens.status(answer.model_dump(mode="json")), width=60)
    told = {line.split("  ")[0].strip(): line.split()[-3:] for line in text.splitlines()}

    assert told["equity"][0] == "3,300,000"
    assert told["available funds"][0] == "24.8241"
    assert told["in the stress"][0] == "32.4%"
    assert "worst in the stress: BTC at spot -15% vol +20, USDC at " in " ".join(text.split())
    assert f"own {row.currency} margin is not reckoned: no forward of BTC-1JAN27" in text


def test_a_hedge_of_millions_is_shown_to_the_dollar() -> None:
    _, _, _, window = rehearsed()
    status = window.status()
    assert status is not None
    held = status.positions[1].model_copy(
        update={"size_native": -1_952_720.0, "venue_size_native": 1_234_560.0}
    )
    text = drawn(screens.status(status.model_copy(update={"positions": [held]}).model_dump()))
    numbers = screens._numbers({"sent_native": -1_952_720.0, "delta_coin": -0.0987654321})

    assert "-1,952,720" in text
    assert "+1,234,560" in text
    assert numbers == "sent_native -1,952,720, delta_coin -0.0987654"


def test_the_words_of_a_venue_are_no_markup_of_ours() -> None:
    _, _, _, window = rehearsed()
    status = window.status()
    assert status is not None
    order = OrderShown(
        order_id="db1", instrument="BTC-PERPETUAL", size_native=10, filled_native=0, limit=1,
        status="unknown", reason="no answer [/api/v2] [red]", age_seconds=3, valid_until_ms=0,
        books={},
    )  # fmt: skip
    answer = status.model_copy(update={"open_orders": [order]}).model_dump(mode="json")

    assert "no answer [/api/v2] [red]" in " ".join(drawn(screens.status(answer), 200).split())


def test_the_status_says_what_to_type_where_a_person_is_waited_for() -> None:
    _, _, _, window = rehearsed()
    status = window.status()
    assert status is not None
    halted = status.mode.model_copy(
        update={"name": "halt", "reason": "smoke", "clears": "a person resumes"}
    )
    text = drawn(screens.status(status.model_copy(update={"mode": halted}).model_dump(mode="json")))

    assert "cleared by: a person resumes: `deltaband resume --reason WHY`" in " ".join(text.split())


@pytest.mark.parametrize("convention", list(Convention))
@pytest.mark.parametrize("ratio", [1.0, 0.5])
def test_where_a_linear_books_next_hedge_comes_is_what_the_core_sees_there(
    convention, ratio
) -> None:
    market = BTC_USDC
    plan = market.plan(convention, share=0.5, ratio=ratio)
    held = {market.option(110_000, "C"): "-5", market.perp: "1.5"}

    def exposed(move: float) -> Exposure:
        moved = Market(
            underlying="BTC", is_linear=True, index_usd=100_000.0 * (1 + move), rate=0.04
        )
        account = Account(plan, held=held, markets=[moved])
        account.quotes()
        assert account.world.last is not None
        seen = account.world.last.exposures[plan.book.name]
        assert isinstance(seen, Exposure)
        # The account earns what its delta says.
        earned = (seen.options_delta_coin + seen.hedge_delta_coin) * 100_000.0 * move
        account.quotes(account.balance("USDC", equity=1e6 + earned))
        again = account.world.last.exposures[plan.book.name]
        assert isinstance(again, Exposure)
        return again

    middle = exposed(0.0)
    up, down = (deviation_coin(exposed(move), plan.hedge) for move in (1e-3, -1e-3))

    slope = triggers.slope_coin_per_percent(middle, plan)
    assert slope == pytest.approx((up - down) / 0.2, rel=5e-3)
