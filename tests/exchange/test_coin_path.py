import math

import numpy as np
import pytest

from bot.exchange.coin_path import BTC_COIN, ETH_COIN, STEP_YEARS, CoinPath

MONTH = np.array([30 / 365])


def coins(seed: int) -> tuple[CoinPath, CoinPath]:
    btc = CoinPath(BTC_COIN, np.random.default_rng([seed, 1]))
    return btc, CoinPath(ETH_COIN, np.random.default_rng([seed, 2]), leader=btc)


def stepped(seed: int, steps: int) -> tuple[CoinPath, CoinPath]:
    btc, eth = coins(seed)
    for _ in range(steps):
        btc.step()
        eth.step()
    return btc, eth


def returns(steps: int) -> np.ndarray:
    btc, eth = coins(3)
    told = []
    for _ in range(steps):
        btc.step()
        eth.step()
        told.append((btc.log_return, eth.log_return))
    return np.array(told).T


def test_a_coin_is_the_same_whoever_follows_it():
    btc, eth = stepped(5, 300)
    alone, _ = coins(5)
    for _ in range(300):
        alone.step()

    assert alone.spot_usd == btc.spot_usd
    assert (alone.expected_variance(MONTH) == btc.expected_variance(MONTH)).all()
    again = stepped(5, 300)[1]
    assert (again.spot_usd, again.noises.tolist()) == (eth.spot_usd, eth.noises.tolist())
    assert eth.spot_usd != stepped(6, 300)[1].spot_usd


def test_eth_moves_more_than_btc_and_mostly_with_it():
    btc, eth = returns(4_000)
    vols = [returned.std() / math.sqrt(STEP_YEARS) for returned in (btc, eth)]

    assert 0.5 < vols[0] < 0.95
    assert vols[1] > 1.1 * vols[0]
    assert 0.75 < np.corrcoef(btc, eth)[0, 1] < 0.95


def test_what_is_expected_of_a_follower_is_its_own_and_its_share_of_the_leader_s():
    btc, eth = stepped(2, 10)
    before = eth.expected_variance(MONTH)
    year = eth.expected_variance(12 * MONTH)

    own = before - 1.15**2 * btc.expected_variance(MONTH)
    assert 0.15**2 < own[0] / MONTH[0] < 0.8**2
    assert year[0] > 8 * before[0]
    assert (eth.expected_variance(MONTH) == before).all()
    btc.step()
    eth.step()
    assert eth.expected_variance(MONTH) != before
    assert eth.variance > 1.15**2 * btc.variance


def test_a_shock_moves_one_coin_and_leaves_its_smile_behind_and_no_other_s():
    calm, shocked = stepped(4, 10), stepped(4, 10)
    shocked[0].shock(-0.04)
    for pair in (calm, shocked):
        for coin in pair:
            coin.step()

    assert shocked[0].spot_usd == pytest.approx(0.96 * calm[0].spot_usd, rel=1e-9)
    assert shocked[1].spot_usd == calm[1].spot_usd
    ladder, phi = np.linspace(-0.3, 0.3, 7), np.array([5.0])
    assert (shocked[1].smile(phi, ladder) == calm[1].smile(phi, ladder)).all()
    held = shocked[0].smile(phi, ladder - math.log(0.96))
    assert held == pytest.approx(calm[0].smile(phi, ladder), rel=0.02)


def test_a_hundred_fresh_coins_start_within_their_bounds_and_not_alike():
    starts = [coins(seed)[0] for seed in range(100)]
    spots = [coin.spot_usd for coin in starts]
    vols = [math.sqrt(coin.variance) for coin in starts]

    assert 80_000 <= min(spots) < max(spots) <= 100_000
    assert max(spots) - min(spots) > 15_000
    assert 0.6 < min(vols) < max(vols) < 0.83
    assert max(vols) - min(vols) > 0.1
    assert np.mean([coin.stress for coin in starts]) == pytest.approx(1.0, abs=0.05)
