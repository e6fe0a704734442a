"""A message is read by somebody who was asleep: what happened, what was done, what to do."""

import pytest

from bot.core.actions import Severity, Topic
from bot.runtime import page_words, scenes
from bot.runtime.page_words import ADVICE, Scene
from bot.runtime.paging import PageKind
from tests.builders import CALL, World
from tests.runtime.call_builders import SCENE, page


def test_a_call_says_what_happened_what_was_done_what_to_do_and_what_it_costs() -> None:
    text = page_words.worded(page(), SCENE, "1-7").fitted(4_096)

    assert text.splitlines() == [
        "CRITICAL: hold (deltaband live deribit BTC dbl)",
        "run -> hold: order db-1 is unprovable; cleared by: a person resumes",
        "The daemon sends no orders and keeps watching. Delta is NOT hedged.",
        f"You: {ADVICE[Topic.HOLD].do}.",
        "Now: hold.",
        "Book main: delta +0.5231 coin, +523 USD if +1 %",
        "#7, 2026-01-01 03:02:05 UTC, repeated until: deltaband ack",
    ]


@pytest.mark.parametrize("topic", [topic for topic in Topic if topic is not Topic.OTHER])
def test_there_is_advice_on_everything_that_a_person_is_called_about(topic: Topic) -> None:
    advice = ADVICE[topic]

    assert advice.did.endswith(".")
    assert advice.do
    assert not advice.do.endswith(".")


@pytest.mark.parametrize(
    ("kind", "counts", "head", "foot"),
    [
        (PageKind.REPEAT, (3, 0), "CRITICAL still: hold", "told 3 times"),
        (PageKind.MORE, (2, 41), "CRITICAL again: hold", "41 more of these"),
    ],
)
def test_a_repeat_says_that_it_is_one(
    kind: PageKind, counts: tuple[int, int], head: str, foot: str
) -> None:
    told, more = counts
    text = page_words.worded(page(kind=kind, told=told, more=more), SCENE, "1").fitted(4_096)

    assert text.startswith(head)
    assert foot in text.splitlines()[-1]


def test_that_somebody_has_heard_is_told_without_advice() -> None:
    heard = page("heard by ann: on it", Severity.INFO, Topic.OTHER, PageKind.HEARD)
    text = page_words.worded(heard, SCENE, "1").fitted(4_096)

    assert text.startswith("INFO heard: somebody looks into it (")
    assert "You:" not in text
    assert "repeated until" not in text


@pytest.mark.parametrize("letter", ["x", "é", "𝄞"])
@pytest.mark.parametrize("chars_max", [2_000, 900])
def test_a_long_reason_is_cut_and_the_advice_is_not(letter: str, chars_max: int) -> None:
    told = page_words.worded(page("why " + letter * 5_000), SCENE, "1")
    text = told.fitted(chars_max)

    assert len(text.encode("utf-16-le")) // 2 <= chars_max
    assert "Now: hold, order db-1 is unprovable." in text
    assert "…" in text
    assert "You: deltaband status" in text
    assert text.endswith("repeated until: deltaband ack")


def test_what_comes_from_outside_is_one_paragraph() -> None:
    text = page_words.worded(page("html\n\n<b>\x00 503\r\n  twice"), SCENE, "1").what

    assert "\n" not in text
    assert text.startswith("html <b>")


def test_a_daemon_of_fifty_books_tells_of_a_few() -> None:
    scene = Scene(daemon="d", mode="run", books=tuple(f"Book {n}" for n in range(50)))
    told = page_words.worded(page(), scene, "1")

    assert told.now == ("Now: run.", *(f"Book {n}" for n in range(5)), "and 45 more books")


def test_the_scene_tells_what_one_percent_means_for_each_book() -> None:
    world = World()
    world.begin({CALL: "-10"})
    (certain,) = scenes.lines(world.quotes())
    (in_flight,) = scenes.lines(world.quotes())

    assert certain == "Book main: delta -2.8716 coin, -2,872 USD if +1 %"
    assert in_flight.startswith("Book main: delta -2.8716 coin (between -2.8716 and ")


def test_the_scene_of_a_book_without_a_delta_says_why() -> None:
    world = World()
    (line,) = scenes.lines(world.begin({CALL: "-10"}))

    assert line.startswith("Book main: no delta now, ")


def test_who_has_seen_no_fold_says_nothing_of_the_mode() -> None:
    scene = scenes.scene_of("watchdog of d", None, "On host, --journal /l")
    called = page("no heartbeat of process 7", topic=Topic.WATCHDOG)

    assert page_words.worded(called, scene, "1").fitted(4_096).splitlines() == [
        "CRITICAL: watchdog (watchdog of d)",
        "no heartbeat of process 7",
        f"The daemon {ADVICE[Topic.WATCHDOG].did}",
        f"You: {ADVICE[Topic.WATCHDOG].do}.",
        "#7, 2026-01-01 03:02:05 UTC, repeated until it is over",
        "On host, --journal /l",
    ]


def test_who_has_ended_is_in_no_mode_and_repeats_nothing() -> None:
    ended = page("ended: a task died", topic=Topic.ENDED)
    text = page_words.worded(ended, SCENE, "1").fitted(4_096)

    assert "Now: " not in text
    assert "repeated until" not in text
    assert SCENE.books[0] in text


@pytest.mark.parametrize("topic", [Topic.DEGRADED, Topic.MARGIN, Topic.EXTERNAL])
def test_advice_fits_every_reason_of_its_topic(topic: Topic) -> None:
    """A slow disk degrades as short margin does; the venue moves positions as strangers do."""
    words = f"{ADVICE[topic].did} {ADVICE[topic].do}"
    told = {
        Topic.DEGRADED: ("bring delta nearer", "Margin: add collateral", "look after the machine"),
        Topic.MARGIN: ("only what lowers its use", "not at all"),
        Topic.EXTERNAL: ("neither you nor", "the venue"),
    }

    assert [piece for piece in told[topic] if piece not in words] == []


def test_an_all_clear_does_not_claim_that_the_daemon_hedges() -> None:
    over = page("process 7 beats again", Severity.INFO, Topic.RUN, PageKind.CLEARED)
    text = page_words.worded(over, SCENE, "1").fitted(4_096)

    assert "hedges" not in text
    assert "You: nothing." in text
    assert "Now: hold, order db-1 is unprovable." in text
