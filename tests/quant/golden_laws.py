"""Laws with published prices: 25-digit quadrature; Heston's agree with QuantLib to 1e-8."""

from dataclasses import dataclass

from bot.quant.processes import AffineLaw, Heston, Svcj

FORWARD = 10_000.0
STRIKES = (5_000.0, 8_000.0, 10_000.0, 12_000.0, 15_000.0)

HESTON = Heston(
    speed=2.0, variance_mean=0.04, vol_of_variance=0.3, correlation=-0.5, variance_start=0.04
)
SVCJ = Svcj(
    heston=HESTON,
    jumps_per_year=0.2,
    jump_mean=-0.05,
    jump_deviation=0.2,
    jump_tilt=-0.3,
    variance_jump_mean=0.1,
)
# As calibrated to BTC chains of 2026 on average.
BTC = Svcj(
    heston=Heston(
        speed=5.0,
        variance_mean=0.105,
        vol_of_variance=1.14,
        correlation=-0.503,
        variance_start=0.234,
    ),
    jumps_per_year=1.484,
    jump_mean=-0.155,
    jump_deviation=0.167,
    jump_tilt=0.0,
    variance_jump_mean=0.15,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Golden:
    """A law, years ahead, and its calls at `STRIKES`, undiscounted."""

    law: AffineLaw
    years: float
    calls: tuple[float, ...]


GOLDEN = {
    "heston": Golden(
        law=HESTON,
        years=0.25,
        calls=(5000.00040637, 2011.30264915, 390.81163908, 6.80787119943, 9.4770787e-4),
    ),
    "svcj": Golden(
        law=SVCJ,
        years=0.25,
        calls=(5000.31236355, 2026.58528356, 421.237406127, 18.0550548978, 1.59129141248),
    ),
    "btc month": Golden(
        law=BTC,
        years=30 / 365,
        calls=(5000.97933417, 2079.70659386, 579.766550234, 50.3251235555, 0.877552318763),
    ),
    "btc quarter": Golden(
        law=BTC,
        years=0.25,
        calls=(5017.63907316, 2296.14457155, 970.326939403, 270.42579545, 26.0556936315),
    ),
}
