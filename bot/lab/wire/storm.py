"""Every strike in turn against one daemon, each judged by what the venue saw of it."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass

from bot.lab.wire.harm import Harm
from bot.lab.wire.processes import WireLabError
from bot.lab.wire.rig import Rig
from bot.lab.wire.strikes import Strike


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What one fault came to.

    `orders` are the attempts that the ledger has of it, `requests` those that reached the venue,
    `lost` those that a fault swallowed on the way. `healed_seconds`: until the daemon ran, knew
    every fate, was inside its band and agreed with the venue, None if that took too long.
    """

    fault: str
    ids: str
    struck: int
    orders: int
    requests: int
    lost: int
    healed_seconds: float | None
    why: str = ""

    @property
    def ok(self) -> bool:
        """Whether nothing went wrong."""
        return not self.why


def stormed(pair: Rig, strikes: Iterable[Strike], tell: Callable[[Outcome], None]) -> list[Outcome]:
    """Let every strike befall a running pair; stop at one after which the daemon is gone."""
    found: list[Outcome] = []
    for strike in strikes:
        found.append(befallen(pair, strike))
        tell(found[-1])
        if not pair.running.lives:
            break
    return found


def befallen(pair: Rig, strike: Strike) -> Outcome:
    """Let one strike befall a running pair, mend it, and judge."""
    before = pair.rested()
    struck, took_seconds, why = 0, None, ""
    try:
        struck = _strike(pair, strike)
        pair.clear()
        took_seconds = pair.gets_well("all is well again")
        pair.see_sound()
        pair.hedges_again()
        after = pair.tallied(before.lost, lost_max=struck if strike.swallows else 0)
        why = _late(took_seconds, pair.heal_seconds)
    except (OSError, WireLabError) as error:
        after, why = pair.tally(), str(error)
    return Outcome(
        fault=strike.name,
        ids=strike.ids,
        struck=struck,
        orders=after.orders - before.orders,
        requests=after.requests - before.requests,
        lost=len(after.lost - before.lost),
        healed_seconds=took_seconds,
        why=why,
    )


def _strike(pair: Rig, strike: Strike) -> int:
    """Arm all, shake until the last has struck as often as it should; return how often it did."""
    for body in strike.arms:
        pair.venue.ask("/sim/faults", body)
    last = strike.arms[-1]
    pair.shaken(f"{last['kind']} strikes", lambda: pair.strikes_until(strike.times, **last))
    if strike.until_held:
        pair.shaken("it says why it holds", lambda: _says(pair, strike.until_held))
    if strike.lasts_seconds:
        pair.stays(strike.lasts_seconds, lambda: pair.running.lives)
    return pair.struck()


def _says(pair: Rig, words: str) -> bool:
    return words in pair.why_it_held() or pair.decided(words)


def harmed(pair: Rig, harms: Iterable[Harm], tell: Callable[[Outcome], None]) -> list[Outcome]:
    """Do each harm to the daemon's process or disk; stop at one after which nobody is left."""
    found: list[Outcome] = []
    for harm in harms:
        found.append(judged(pair, harm))
        tell(found[-1])
        if not pair.running.lives:
            break
    return found


def judged(pair: Rig, harm: Harm) -> Outcome:
    """Do one harm to the daemon's process or disk, mend it, and judge."""
    before = pair.rested()
    took_seconds, why = None, ""
    try:
        took_seconds = harm.done(pair)
        pair.see_sound()
        pair.hedges_again()
        after = pair.tallied(before.lost, lost_max=1 if harm.swallows else 0)
        why = _late(took_seconds, pair.heal_seconds)
    except (OSError, WireLabError) as error:
        after, why = pair.tally(), str(error)
    return Outcome(
        fault=harm.name,
        ids=harm.ids,
        struck=1,
        orders=after.orders - before.orders,
        requests=after.requests - before.requests,
        lost=len(after.lost - before.lost),
        healed_seconds=took_seconds,
        why=why,
    )


def _late(took_seconds: float, seconds_max: float) -> str:
    """Say so if healing took too long; a look that found all well may itself have been slow."""
    if took_seconds <= seconds_max:
        return ""
    return f"all was well after {took_seconds:.1f} s only, not within {seconds_max:g} s"
