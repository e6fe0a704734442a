"""`check`: is this configuration right, and with `--online`, is the venue as it must be?"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from bot.cli.answer import Answer, AsJson, Exit, VerbError, deliver
from bot.cli.configured import ConfigFile, Overrides, Understood, confirm_live, load, uncalled

if TYPE_CHECKING:
    from bot.settings import Credentials, Problem, Settings
    from bot.wiring.acceptance import Finding, Outcome

Online = Annotated[
    bool,
    typer.Option(
        "--online",
        help="Ask the venue, too: key, rights, clock, instruments, margin, cancel-on-disconnect. "
        "Places one order that cannot fill.",
    ),
]


Alerted = Annotated[
    bool,
    typer.Option(
        "--alerts",
        help="Send a test message to every channel of `alerts`, and a beat to its heartbeat.",
    ),
]


def check(
    config: ConfigFile,
    overrides: Overrides = None,
    online: Online = False,
    alerts: Alerted = False,
    i_understand_live: Understood = False,
    as_json: AsJson = False,
) -> None:
    """Check a configuration and show every value in force and where it comes from.

    Looks for the secrets it names too, and shows none of them. Talks to nobody, unless --online or
    --alerts is given: then every item is ok, failed or not checked, and exit code 0 means that all
    are ok.
    """

    def work() -> Answer:
        loaded = load(config, overrides or ())
        if i_understand_live and not online:
            raise VerbError("--i-understand-live is for --online", exit_code=Exit.USAGE)
        if alerts and online:
            raise VerbError("--online and --alerts are two checks", exit_code=Exit.USAGE)
        _find_secrets(loaded)
        if alerts:
            return _called(loaded)
        if not online:
            return _values(loaded)
        confirm_live(loaded, understood=i_understand_live, why="places an order with real money")
        return _accepted(loaded)

    deliver(work, as_json=as_json)


def _find_secrets(loaded: "Settings") -> None:
    """Refuse a configuration that names secrets which are not there, all of them at once."""
    from bot.settings import ConfigError

    problems: list[Problem] = []
    for look in (loaded.credentials, loaded.dashboard_token, loaded.alert_secrets):
        try:
            look()
        except ConfigError as error:
            problems += error.problems
    if problems:
        raise VerbError(str(ConfigError(problems)), exit_code=Exit.USAGE)


def _called(loaded: "Settings") -> Answer:
    from bot.wiring.alert_trial import tried
    from bot.wiring.daemon import configure_logging, secrets_of

    if not loaded.alerts.channels and loaded.alerts.heartbeat is None:
        raise VerbError(f"{loaded.file}: alerts names no channel and no heartbeat to try")
    secrets = secrets_of(loaded)
    configure_logging(loaded, secrets)
    head = f"channels of {loaded.file}, mode {loaded.mode}"
    return _found(loaded, head, asyncio.run(tried(loaded, secrets.alerts)))


def _values(loaded: "Settings") -> Answer:
    from bot import settings
    from bot.cli import screens

    values = [
        {"key": one.key, "value": one.value, "source": one.source}
        for one in settings.effective(loaded)
    ]
    note = uncalled(loaded)
    payload = {
        "ok": True,
        "config": loaded.file,
        "mode": loaded.mode.value,
        "digest": loaded.digest(),
        "note": note,
        "values": values,
    }
    lines = [*settings.check_report(loaded), *filter(None, (note,))]
    return Answer(payload=payload, screen=screens.plain(lines))


def _accepted(loaded: "Settings") -> Answer:
    from bot.wiring.daemon import configure_logging, secrets_of

    secrets = secrets_of(loaded)
    configure_logging(loaded, secrets)
    head = f"{loaded.mode} at {loaded.venue.rest_url}"
    return _found(loaded, head, _asked(loaded, secrets.credentials))


def _found(loaded: "Settings", head: str, findings: "tuple[Finding, ...]") -> Answer:
    from bot.cli import screens
    from bot.wiring.acceptance import Outcome

    counts = Counter(found.outcome for found in findings)
    ok = counts[Outcome.OK] == len(findings)
    payload = {
        "ok": ok,
        "config": loaded.file,
        "mode": loaded.mode.value,
        "venue": loaded.venue.rest_url,
        "counts": {outcome.value: counts[outcome] for outcome in Outcome},
        "items": [
            {"item": found.item, "outcome": found.outcome.value, "said": found.said}
            for found in findings
        ],
    }
    screen = screens.plain(_told(head, findings, counts))
    return Answer(payload=payload, screen=screen, exit_code=Exit.DONE if ok else Exit.FAILED)


def _asked(loaded: "Settings", credentials: "Credentials") -> "tuple[Finding, ...]":
    """Ask while no daemon runs: it would halt at an order under its prefix that is not its own."""
    from pathlib import Path

    from bot.runtime.account_lock import AccountTakenError
    from bot.runtime.clock import WireClock
    from bot.runtime.journal import LedgerRefusedError
    from bot.runtime.ledger_lock import kept_away
    from bot.wiring.acceptance import accept
    from bot.wiring.alive import alone

    try:
        with kept_away(Path(loaded.journal.path)), alone(loaded, credentials, WireClock()):
            return asyncio.run(accept(loaded, credentials))
    except (AccountTakenError, LedgerRefusedError) as error:
        raise VerbError(f"check --online: {error}; stop it first") from error


def _told(head: str, findings: "Sequence[Finding]", counts: "Counter[Outcome]") -> list[str]:
    width = max(len(found.item) for found in findings)
    lines = [head, ""]
    lines += [
        f"  {found.outcome.value:<11}  {found.item:<{width}}  {found.said}" for found in findings
    ]
    total = ", ".join(f"{count} {outcome.value}" for outcome, count in counts.items() if count)
    return [*lines, "", total]
