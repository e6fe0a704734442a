"""All that a stress test shows of one account: reckoned here, shown elsewhere."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from bot.core.margin.distance import Distance, Range, funding_hours, spot_range, theta_hours
from bot.core.margin.gating import nodes_of
from bot.core.margin.gating_stages import GatePolicy
from bot.core.margin.modelling import Unmodelled
from bot.core.margin.nodes import Matrix, Node, Subject, matrix, node_at, profit_by_instrument
from bot.core.margin.relief import Offer, Relief, Standing, Wanted, ground_of, reliefs
from bot.core.margin.shocks import Shock, Smile

SPOTS: Final = (-0.6, -0.45, -0.3, -0.2, -0.1, -0.05, 0.0, 0.05, 0.1, 0.2, 0.3, 0.45, 0.6)
VOLS: Final = (0.6, 0.4, 0.2, 0.1, 0.0, -0.1, -0.2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is asked of an account.

    `expiries` says by instrument which column a position belongs to (its expiry, or that it has
    none); `history` are the shocks that happened; `rates` the funding of each perpetual.
    """

    policy: GatePolicy
    expiries: Mapping[str, str]
    history: Sequence[tuple[str, Shock]]
    rates: Mapping[str, float]
    offers: Mapping[str, Offer]
    buy_back_options: bool = False
    spots: tuple[float, ...] = SPOTS
    vols: tuple[float, ...] = VOLS
    smile: Smile = Smile.STICKY_MONEYNESS


@dataclass(frozen=True, slots=True, kw_only=True)
class Expiry:
    """What the positions of one expiry make by spot, in the money that they settle in."""

    label: str
    profits: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """One account, stressed. Money is in its settlement currency."""

    subject: Subject
    question: Question
    now: Node
    matrix: Matrix
    expiries: tuple[Expiry, ...]
    history: tuple[tuple[str, Node], ...]
    reach: Range
    reach_stressed: Range
    theta: Distance
    funding: Distance
    standing: Standing
    reliefs: tuple[Relief, ...]
    doubts: tuple[str, ...]


def picture(subject: Subject, question: Question) -> Picture | Unmodelled:
    """Reckon everything; or say what the model lacks for the account."""
    policy = question.policy
    ground = ground_of(subject, nodes_of(policy.stress))
    if isinstance(ground, Unmodelled):
        return ground
    wanted = Wanted(
        usage=policy.warn,
        stressed_usage=policy.stressed_warn or 1.0,
        buy_back_options=question.buy_back_options,
    )
    return Picture(
        subject=subject,
        question=question,
        now=node_at(subject, Shock()),
        matrix=matrix(subject, question.spots, question.vols, question.smile),
        expiries=tuple(_expiries(subject, question)),
        history=tuple((name, node_at(subject, shock)) for name, shock in question.history),
        reach=spot_range(subject, smile=question.smile),
        reach_stressed=spot_range(subject, vol_points=policy.stress_vol, smile=question.smile),
        theta=theta_hours(subject, policy.warn),
        funding=funding_hours(subject, question.rates, policy.warn),
        standing=ground.standing(),
        reliefs=reliefs(ground, question.offers, wanted),
        doubts=ground.now.valued.report.doubts,
    )


def _expiries(subject: Subject, question: Question) -> Iterable[Expiry]:
    """Yield what each expiry makes at each spot, volatility as it is; the nearest first."""
    made: dict[str, list[float]] = {}
    for at, spot in enumerate(question.spots):
        shock = Shock(spot=spot, smile=question.smile)
        for name, profit in profit_by_instrument(subject.account, shock).items():
            row = made.setdefault(question.expiries[name], [0.0] * len(question.spots))
            row[at] += profit
    held = {
        question.expiries[name]: True
        for pair in subject.account.pairs
        for name, size in zip(pair.names, pair.sizes.tolist(), strict=True)
        if size
    }
    for label in sorted(made):
        if label in held:
            yield Expiry(label=label, profits=tuple(made[label]))
