"""`check`: is this configuration right, and what does it come to?"""

from bot.cli.answer import Answer, AsJson, Exit, VerbError, deliver
from bot.cli.configured import ConfigFile, Overrides, load


def check(config: ConfigFile, overrides: Overrides = None, as_json: AsJson = False) -> None:
    """Check a configuration and show every value in force and where it comes from.

    Looks for the secrets it names too, and shows none of them. Talks to nobody.
    """

    def work() -> Answer:
        from bot import settings
        from bot.cli import screens

        loaded = load(config, overrides or ())
        try:
            loaded.credentials()
            loaded.dashboard_token()
        except settings.ConfigError as error:
            raise VerbError(str(error), exit_code=Exit.USAGE) from error
        values = [
            {"key": one.key, "value": one.value, "source": one.source}
            for one in settings.effective(loaded)
        ]
        payload = {
            "ok": True,
            "config": loaded.file,
            "mode": loaded.mode.value,
            "digest": loaded.digest(),
            "values": values,
        }
        return Answer(payload=payload, screen=screens.plain(settings.check_report(loaded)))

    deliver(work, as_json=as_json)
