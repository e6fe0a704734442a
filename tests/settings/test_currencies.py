"""Several settlement currencies: which book hedges what, in which money, for which share."""

from pathlib import Path

import pytest

from bot.core.instruments import Kind
from bot.core.margin.modelling import DeribitStandard
from bot.settings import Problem, Settings, load
from bot.settings.selectors import parse_name
from tests.settings.builders import CONFIG, refused, written

FOUR = (CONFIG / "demo-four.yaml").read_text(encoding="utf-8")
USD = "convention: usd         # the dollars stand still"


def text(*changes: tuple[str, str]) -> str:
    """The demo of four books with each first occurrence replaced."""
    made = FOUR
    for old, new in changes:
        assert old in made, f"the demo no longer holds {old!r}"
        made = made.replace(old, new, 1)
    return made


def four(folder: Path, *changes: tuple[str, str]) -> Settings:
    return load(written(folder, text(*changes)))


def told(folder: Path, *changes: tuple[str, str]) -> Problem:
    """The one complaint about a change."""
    (problem,) = refused(folder, text(*changes))
    return problem


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("BTC-PERPETUAL", ("BTC", "BTC", Kind.PERPETUAL, False)),
        ("ETH-27MAR26", ("ETH", "ETH", Kind.FUTURE, False)),
        ("BTC_USDC-PERPETUAL", ("BTC", "USDC", Kind.PERPETUAL, True)),
        ("ETH_USDC-27MAR26-3200-P", ("ETH", "USDC", Kind.OPTION, True)),
    ],
)
def test_a_name_tells_underlying_currency_and_kind(name, parts) -> None:
    seen = parse_name(name)

    assert seen is not None
    assert (seen.underlying, seen.currency, seen.kind, seen.is_linear) == parts
    assert parse_name(f"{name}-X") is None


def test_four_books_become_policies_in_their_own_money(tmp_path: Path) -> None:
    policy = four(tmp_path).policy()
    books = [plan.book for plan in policy.books]

    assert [(book.name, book.selector.underlying, book.currency) for book in books] == [
        ("main", "BTC", "BTC"),
        ("eth", "ETH", "ETH"),
        ("btc-usdc", "BTC", "USDC"),
        ("eth-usdc", "ETH", "USDC"),
    ]
    assert policy.currencies == ("BTC", "ETH", "USDC")
    assert policy.apply.owners == {book.hedge_instrument: book.name for book in books}
    assert isinstance(policy.model, DeribitStandard)
    assert set(policy.model.parameters.futures) == {"BTC", "ETH"}


def test_the_only_book_of_a_currency_answers_for_it_whole_and_others_for_what_they_say(
    tmp_path: Path,
) -> None:
    share = (USD, "convention: coin\n    collateral_share: 0.4")
    books = [plan.book for plan in four(tmp_path, share).policy().books]

    assert [book.collateral_share for book in books] == [1.0, 1.0, 0.4, 0.0]


def test_a_dollar_settled_coin_book_beside_another_must_say_its_share(tmp_path: Path) -> None:
    problem = told(tmp_path, (USD, "convention: coin"))

    assert problem.key == "books[2].collateral_share"
    assert "required with convention coin and several books in USDC" in problem.message


def test_shares_add_up_within_a_currency_only(tmp_path: Path) -> None:
    whole = (USD, f"{USD}\n    collateral_share: 0.8")
    coins = (
        "convention: coin        # the number of ETH",
        "collateral_share: 1\n    convention: coin #",
    )
    second = ("    convention: usd\n", "    convention: usd\n    collateral_share: 0.3\n")

    assert four(tmp_path, whole, coins).books[2].collateral_share == 0.8
    problem = told(tmp_path, whole, coins, second)
    assert "adds up to 1.1 over the books in USDC; expected at most 1" in problem.message


@pytest.mark.parametrize(
    ("change", "key", "says"),
    [
        (("[BTC, ETH, USDC]", "[BTC, USDC]"), "books[1].hedge.instrument",
         "ETH-PERPETUAL settles in ETH, which is not among account.currencies [BTC, USDC]"),
        (("[BTC, ETH, USDC]", "[]"), "account.currencies", "expected a list with at least 1 entry"),
        (("[BTC, ETH, USDC]", "[BTC, ETH, USDC, EUR]"), "account.currencies[3]",
         "one of BTC, ETH, USDC"),
        (("instrument: BTC_USDC-PERPETUAL", "instrument: SOL_USDC-PERPETUAL"),
         "books[2].hedge.instrument", "no lots are known of SOL"),
        (("select: {underlying: ETH,", "select: {underlying: BTC,"),
         "books[1].select.underlying", "hedged with ETH-PERPETUAL, a book holds positions on ETH"),
        (("select: {underlying: BTC, kinds: [option]}",
          "select: {underlying: BTC, include: [BTC_USDC-27MAR26-90000-C]}"),
         "books[0].select.include[0]", "settles in USDC; BTC-PERPETUAL hedges BTC settled in BTC"),
        (("_USDC-PERPETUAL, band_low_coin: -0.5", "_USDC-PERPETUAL, band_low_coin: -0.00009"),
         "books[2].hedge.band_low_coin", "one lot of 0.0001 coins"),
        (("ETH-PERPETUAL, band_low_coin: -0.5", "ETH-PERPETUAL, band_low_coin: -0.0019"),
         "books[1].hedge.band_low_coin", "one lot of 1 USD is 0.002 coins at 500 USD"),
    ],
)  # fmt: skip
def test_what_does_not_fit_a_currency_is_named(change, key, says, tmp_path: Path) -> None:
    problem = next(one for one in refused(tmp_path, text(change)) if one.key == key)

    assert says in problem.message


def test_two_coins_options_of_one_name_in_two_currencies_do_not_overlap(tmp_path: Path) -> None:
    whole = "select: {underlying: BTC, kinds: [option, future, perpetual]}"
    changes = [("select: {underlying: BTC, kinds: [option]}", whole)] * 2

    assert len(four(tmp_path, *changes).books) == 4


def test_a_book_that_would_hold_another_currencys_hedge_does_not(tmp_path: Path) -> None:
    whole = "select: {underlying: BTC, kinds: [perpetual]}"
    settings = four(tmp_path, ("select: {underlying: BTC, kinds: [option]}", whole))

    assert settings.books[0].select.kinds == (Kind.PERPETUAL,)


def test_rates_are_checked_for_every_underlying(tmp_path: Path) -> None:
    rows = "  futures_rates: {ETH: [[100, 2, 1], [50, 3, 2]]}\n"
    problem = told(tmp_path, ("  funds_buffer_percent: 5\n", f"  funds_buffer_percent: 5\n{rows}"))

    assert problem.key == "margin.futures_rates.ETH[1]"
    assert "expected a size above 100" in problem.message
