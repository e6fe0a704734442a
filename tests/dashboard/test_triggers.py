"""The estimate of the next hedge, against the core's own valuation at the bumped price."""

import pytest

from bot.core.exposure import Exposure
from bot.core.hedger import deviation_coin
from bot.dashboard.triggers import slope_coin_per_percent, triggers
from bot.quant.conventions import Convention
from tests.dashboard.scenes import Scene, plan


def exposed(scene: Scene, index_usd: float) -> Exposure:
    seen = scene.quoted(index_usd=index_usd).exposures["main"]
    assert isinstance(seen, Exposure)
    return seen


def scene_with(convention: Convention, perp: str, **hedge: float) -> Scene:
    scene = Scene(book=plan(convention, **hedge), perp_native=perp)
    scene.connect()
    return scene


@pytest.mark.parametrize("perp", ["0", "40000"])
@pytest.mark.parametrize("ratio", [1.0, 0.5])
@pytest.mark.parametrize("convention", [Convention.COIN, Convention.BOOK])
def test_the_slope_is_what_the_core_sees_when_the_price_moves(
    convention: Convention, ratio: float, perp: str
) -> None:
    scene = scene_with(convention, perp, ratio=ratio, band_low_coin=-50.0, band_high_coin=50.0)
    middle = exposed(scene, 100_000.0)
    up, down = exposed(scene, 100_100.0), exposed(scene, 99_900.0)

    hedge = scene.book.hedge
    measured = (deviation_coin(up, hedge) - deviation_coin(down, hedge)) / 0.2

    slope = slope_coin_per_percent(middle, scene.book)
    assert slope == pytest.approx(measured, rel=2e-3)


def test_in_the_usd_convention_the_equity_moves_as_well() -> None:
    coin = scene_with(Convention.COIN, "0", band_low_coin=-50.0, band_high_coin=50.0)
    usd = scene_with(Convention.USD, "0", band_low_coin=-50.0, band_high_coin=50.0)
    seen, in_usd = exposed(coin, 100_000.0), exposed(usd, 100_000.0)

    more = slope_coin_per_percent(in_usd, usd.book) - slope_coin_per_percent(seen, coin.book)

    # Equity earns the coin delta for each unit of relative move, and usd delta contains equity.
    assert more == pytest.approx(0.01 * seen.delta_coin)


def test_a_short_gamma_book_sells_below_and_buys_above() -> None:
    scene = scene_with(Convention.COIN, "44000", band_low_coin=-0.05, band_high_coin=0.05)
    found = {trigger.edge: trigger for trigger in triggers(exposed(scene, 100_000.0), scene.book)}

    assert found["high"].index_usd < 100_000.0 < found["low"].index_usd
    assert found["high"].hedge_coin == pytest.approx(-0.05)
    assert found["low"].hedge_coin == pytest.approx(0.05)


def test_a_book_outside_its_band_waits_for_no_price() -> None:
    scene = scene_with(Convention.COIN, "0")

    assert triggers(exposed(scene, 100_000.0), scene.book) == []
