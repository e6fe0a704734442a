"""Who is called, about what and how often: a table of nights."""

from collections.abc import Callable

import pytest

from bot.core.actions import Alert, Severity, Topic
from bot.runtime import paging
from bot.runtime.paging import Board, Moment, Page, PageKind, PagingPolicy, Route

SECOND_NS = 1_000_000_000
POLICY = PagingPolicy(same_ns=300 * SECOND_NS, repeat_ns=600 * SECOND_NS, calm_ns=60 * SECOND_NS)
CRITICAL, WARNING, INFO = Severity.CRITICAL, Severity.WARNING, Severity.INFO


UNHEDGED = Alert(severity=CRITICAL, text="book main is not hedged", topic=Topic.UNHEDGED)


class Night:
    """Raises alerts and lets seconds pass; remembers each page with the second it came."""

    def __init__(self) -> None:
        self.board = Board()
        self.second = 0
        self.pages: list[tuple[int, Page]] = []

    def at(self, second: int) -> "Night":
        while self.second < second:
            self.second += 1
            self._take(paging.ticked(self.board, self._now(), POLICY))
        return self

    def alert(self, text: str, topic: Topic, severity: Severity = CRITICAL) -> "Night":
        alert = Alert(severity=severity, text=text, topic=topic)
        self._take(paging.raised(self.board, alert, self._now()))
        return self

    def hold(self, why: str = "order db-1 is unprovable") -> "Night":
        return self.alert(f"run -> hold: {why}", Topic.HOLD)

    def halt(self) -> "Night":
        return self.alert("hold -> halt: halted by ann", Topic.HALT)

    def degraded(self) -> "Night":
        return self.alert("hold -> degraded: margin", Topic.DEGRADED, WARNING)

    def reconnecting(self) -> "Night":
        return self.alert("run -> reconciling: line down", Topic.RECONCILING, INFO)

    def run(self) -> "Night":
        return self.alert("hold -> run: all inputs are good", Topic.RUN, INFO)

    def margin(self, percent: int = 51) -> "Night":
        return self.alert(f"BTC margin use {percent} %", Topic.MARGIN, WARNING)

    def margins(self, times: int) -> "Night":
        for number in range(times):
            self.margin(50 + number)
        return self

    def liquidated(self, size: int = -10) -> "Night":
        return self.alert(f"liquidated by the venue: BTC-PERPETUAL {size:+,}", Topic.LIQUIDATED)

    def unhedged(self) -> "Night":
        return self.alert(UNHEDGED.text, UNHEDGED.topic)

    def hedged(self) -> "Night":
        self.board = paging.over(self.board, UNHEDGED, "book main: inside", self._now())
        return self

    def ack(self) -> "Night":
        self._take(paging.heard(self.board, "by ann: on it", self._now()))
        return self

    def told(self) -> str:
        """Return when which kind of page came, shortly."""
        return " ".join(
            f"{second}:{page.kind}" + (f"+{page.more}" if page.more else "")
            for second, page in self.pages
        )

    def _now(self) -> Moment:
        return Moment(wire_ns=self.second * SECOND_NS, epoch_ms=self.second * 1_000)

    def _take(self, paged: paging.Paged) -> None:
        self.board, pages = paged
        self.pages += [(self.second, page) for page in pages]


NIGHTS: dict[str, tuple[Callable[[Night], object], str]] = {
    "a critical alert is repeated until a person has heard": (
        lambda n: n.hold().at(1300).ack().at(4000),
        "0:new 600:repeat 1200:repeat 1300:heard",
    ),
    "a warning is told once": (lambda n: n.margin().at(4000), "0:new"),
    "what is over is not repeated, and the all-clear comes after a minute of calm": (
        lambda n: n.hold().at(20).run().at(4000),
        "0:new 80:cleared",
    ),
    "what a person has heard of is cleared all the same": (
        lambda n: n.hold().at(9).ack().at(20).run().at(4000),
        "0:new 9:heard 80:cleared",
    ),
    "a line that flaps calls once and is cleared once": (
        lambda n: n.hold().at(10).run().at(20).hold().at(30).run().at(4000),
        "0:new 90:cleared+1",
    ),
    "a line that goes on flapping is told again with its count": (
        lambda n: (
            n.hold()
            .at(100)
            .run()
            .at(110)
            .hold()
            .at(200)
            .run()
            .at(210)
            .hold()
            .at(400)
            .run()
            .at(4000)
        ),
        "0:new 300:more+2 460:cleared",
    ),
    "it is not calm while the daemon reconnects": (
        lambda n: n.hold().at(10).run().at(20).reconnecting().at(599).run().at(4000),
        "0:new 20:new 659:cleared",
    ),
    "what fails again after the all-clear calls at once": (
        lambda n: n.hold().at(10).run().at(80).hold().at(81),
        "0:new 70:cleared 80:new",
    ),
    "a worse trouble takes the place of the one before": (
        lambda n: n.hold().at(10).halt().at(610),
        "0:new 10:new 610:repeat",
    ),
    "a lesser trouble takes the place of the one before and calls no more": (
        lambda n: n.hold().at(10).degraded().at(2000).run().at(2060),
        "0:new 10:new 2060:cleared",
    ),
    "equal alerts are counted and told when their time is over": (
        lambda n: n.margins(9).at(4000),
        "0:new 300:more+8",
    ),
    "the same alert much later is a new one": (
        lambda n: n.margin().at(301).margin().at(4000),
        "0:new 301:new",
    ),
    "every trade of a liquidation counts, none is a page of its own": (
        lambda n: n.liquidated().liquidated(-20).liquidated(-30).liquidated(-40).at(1000),
        "0:new 300:more+3 900:repeat",
    ),
    "a liquidation that goes on after somebody has heard calls anew": (
        lambda n: n.liquidated().at(10).ack().at(20).liquidated(-20).at(1000),
        "0:new 10:heard 300:more+1 900:repeat",
    ),
    "a liquidation that somebody has heard of and that is over is forgotten": (
        lambda n: n.liquidated().at(10).ack().at(310).liquidated().at(311),
        "0:new 10:heard 310:new",
    ),
    "there is nothing to hear of but what is critical": (
        lambda n: n.margin().at(10).ack().at(20),
        "0:new",
    ),
    "whoever has heard twice is told once": (
        lambda n: n.hold().at(5).ack().at(6).ack().at(7),
        "0:new 5:heard",
    ),
    "a book that is hedged again is cleared, and calls anew when it is not": (
        lambda n: (
            n.unhedged()
            .at(10)
            .hedged()
            .at(30)
            .unhedged()
            .at(40)
            .hedged()
            .at(200)
            .unhedged()
            .at(201)
        ),
        "0:new 100:cleared+1 200:new",
    ),
    "the end of what nobody was told of is no news": (
        lambda n: n.hedged().at(4000),
        "",
    ),
    "all is well, said where nothing was wrong, is news and no all-clear": (
        lambda n: n.run().at(4000),
        "0:new",
    ),
}


@pytest.mark.parametrize("night", NIGHTS)
def test_a_night_is_told_as_a_person_would_want_it(night: str) -> None:
    happens, told = NIGHTS[night]
    seen = Night()
    happens(seen)

    assert seen.told() == told


def test_the_end_is_told_to_whoever_heard_the_worst_of_it() -> None:
    night = Night().hold().at(10).degraded().at(20).run().at(4000)

    kinds = [(page.kind, page.severity, page.audience) for _, page in night.pages]
    assert kinds == [
        (PageKind.NEW, CRITICAL, CRITICAL),
        (PageKind.NEW, WARNING, CRITICAL),
        (PageKind.CLEARED, INFO, CRITICAL),
    ]
    assert "hold -> run: all inputs are good. It was: hold -> degraded" in night.pages[-1][1].text


def test_equal_alerts_are_told_in_the_words_of_the_latest() -> None:
    night = Night().margin(51).at(10).margin(58).at(300)

    assert [page.text for _, page in night.pages] == ["BTC margin use 51 %", "BTC margin use 58 %"]


def test_alerts_about_different_things_are_different() -> None:
    night = Night().margin().alert("ETH margin use 51 %", Topic.MARGIN, WARNING)
    night.alert("BTC margin use 51 %", Topic.MARGIN, CRITICAL)

    assert [page.number for _, page in night.pages] == [1, 2, 3]


def test_a_flood_of_different_alerts_forgets_warnings_before_what_calls() -> None:
    night = Night().liquidated()
    for number in range(2 * paging.INCIDENTS_MAX):
        letters = "".join(chr(ord("a") + int(digit)) for digit in str(number))
        night.alert(f"book {letters} is not hedged", Topic.UNHEDGED, WARNING)

    assert len(night.board.incidents) == paging.INCIDENTS_MAX
    assert night.board.unheard == 1


def test_suppressed_alerts_and_unheard_calls_are_counted() -> None:
    night = Night().hold().hold().margin().margin().margin()

    assert (night.board.suppressed, night.board.unheard) == (3, 1)
    assert night.ack().board.unheard == 0


ROUTES = (
    Route(name="phone", severity=CRITICAL, fallback="desk"),
    Route(name="desk", severity=WARNING, fallback="mail"),
    Route(name="log", severity=INFO),
    Route(name="mail", severity=None, fallback="phone"),
)


@pytest.mark.parametrize(
    ("severity", "names"),
    [(CRITICAL, "phone desk log"), (WARNING, "desk log"), (INFO, "log")],
)
def test_each_channel_is_told_of_what_is_loud_enough_for_it(severity: Severity, names: str) -> None:
    night = Night().alert("so", Topic.OTHER, severity)

    assert " ".join(paging.addressed(night.pages[0][1], ROUTES)) == names


@pytest.mark.parametrize(
    ("failed", "told", "name"),
    [
        ("phone", {"phone"}, "desk"),
        ("phone", {"phone", "desk", "log"}, "mail"),
        ("phone", {"phone", "desk", "mail"}, None),
        ("mail", {"phone", "desk", "mail"}, None),
        ("desk", {"desk"}, "mail"),
        ("log", {"log"}, None),
        ("mail", {"mail"}, "phone"),
    ],
)
def test_the_next_channel_stands_in_for_one_that_fails_and_nobody_is_told_twice(
    failed: str, told: set[str], name: str | None
) -> None:
    assert paging.stand_in(failed, told, ROUTES) == name
