"""From a file to settings: read, override, validate, check, and only then use."""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import PrivateAttr, ValidationError
from typing_extensions import override

from bot.core.engine import Policy
from bot.settings import alert_checks, checks, credentials, overrides, policies
from bot.settings.alert_checks import AlertSecrets
from bot.settings.credentials import Credentials, NoSecret
from bot.settings.document import Document, read
from bot.settings.expectations import explain
from bot.settings.models import Config, RunMode
from bot.settings.problems import ConfigError, KeyPath, Place, Problem, problem_at
from bot.settings.sections import SecretReference

DIGEST_BYTES = 16
NOT_IN_DIGEST: Any = {
    "venue": {"key", "secret"},
    "watchdog": {"key", "secret"},
    "dashboard": {"token"},
    "alerts": {"channels": {"__all__": {"token", "url"}}, "heartbeat": {"url"}},
}


class Settings(Config):
    """A complete, consistent configuration that knows where each value was written."""

    _document: Document = PrivateAttr()

    @override
    def model_post_init(self, context: Any, /) -> None:
        assert isinstance(context, Document), "settings are made by load()"
        self._document = context

    @property
    def file(self) -> str:
        """The file the settings came from."""
        return self._document.file

    @property
    def external_book(self) -> str:
        """Name of the book that owns changes nobody here made."""
        return self.external_changes_to or self.books[0].name

    def origin(self, path: KeyPath) -> Place | None:
        """Return where a value was written, or None if it is a default."""
        for length in range(len(path), 0, -1):
            place = self._document.places.get(path[:length])
            if place is not None:
                inside = length == len(path) or place.file.startswith("--set")
                return place if inside else None
        return None

    def policy(self) -> Policy:
        """Return everything the core is told to obey."""
        return policies.policy(self, external_book=self.external_book)

    def credentials(self, environ: Mapping[str, str] = os.environ) -> Credentials:
        """Fetch the API key and secret from where the configuration says they are.

        Raises:
            ConfigError: one of them is not there; names file, line, key and the variable or path.
        """
        # A checked configuration lacks them in a rehearsal only.
        pair = {"key": self.venue.key, "secret": self.venue.secret}
        return self._credentials("venue", pair, environ) or credentials.DEMO

    def watchdog_credentials(self, environ: Mapping[str, str] = os.environ) -> Credentials | None:
        """Fetch the watchdog's own API key and secret; None where it has none.

        Raises:
            ConfigError: one of them is not there.
        """
        pair = {"key": self.watchdog.key, "secret": self.watchdog.secret}
        found = self._credentials("watchdog", pair, environ)
        is_rehearsal = self.mode is RunMode.REHEARSAL
        return credentials.DEMO if found is None and is_rehearsal else found

    def _credentials(
        self,
        section: str,
        pair: Mapping[str, SecretReference | None],
        environ: Mapping[str, str],
    ) -> Credentials | None:
        found: dict[str, str] = {}
        problems: list[Problem] = []
        for name, reference in pair.items():
            if reference is None:
                return None
            text = self._secret((section, name), reference, environ)
            if isinstance(text, Problem):
                problems.append(text)
            else:
                found[name] = text
        if problems:
            raise ConfigError(problems)
        return Credentials(key=found["key"], secret=found["secret"])

    def dashboard_token(self, environ: Mapping[str, str] = os.environ) -> str | None:
        """Fetch the bearer token of the daemon's API; None if the daemon is to make one itself.

        Raises:
            ConfigError: the configuration names a token that is not there.
        """
        if self.dashboard.token is None:
            return None
        text = self._secret(("dashboard", "token"), self.dashboard.token, environ)
        if isinstance(text, Problem):
            raise ConfigError([text])
        return text

    def alert_secrets(self, environ: Mapping[str, str] = os.environ) -> AlertSecrets:
        """Fetch the tokens and addresses of everybody who is told of alerts.

        Raises:
            ConfigError: with every one that is not there, or is no address to post to.
        """
        found: dict[KeyPath, str] = {}
        problems: list[Problem] = []
        for path, reference in alert_checks.references(self.alerts):
            text = self._secret(path, reference, environ)
            if isinstance(text, Problem):
                problems.append(text)
            elif path[-1] == "url" and (trouble := alert_checks.address_trouble(text)):
                source = reference.env or reference.file
                place = self._document.place(path)
                problems.append(problem_at(place, path, f"{source} {trouble}"))
            else:
                found[path] = text
        if problems:
            raise ConfigError(problems)
        return alert_checks.gathered(self.alerts, found)

    def _secret(
        self, path: KeyPath, reference: SecretReference, environ: Mapping[str, str]
    ) -> str | Problem:
        secret = credentials.resolve(reference, environ)
        if isinstance(secret, NoSecret):
            return problem_at(self._document.place(path), path, secret.reason)
        return secret.text

    def redacted(self) -> dict[str, Any]:
        """Return every value in force as JSON-ready data; secrets appear as references."""
        return self.model_dump(mode="json", exclude_none=True)

    def digest(self) -> str:
        """Return a fingerprint (32 hex digits) of all values but the places of secrets."""
        values = self.model_dump(mode="json", exclude=NOT_IN_DIGEST)
        canonical = json.dumps(values, sort_keys=True, separators=(",", ":"), allow_nan=False)
        return hashlib.blake2b(canonical.encode(), digest_size=DIGEST_BYTES).hexdigest()


def load(path: Path | str, overrides_given: Sequence[str] = ()) -> Settings:
    """Read a configuration, replace single values (`a.b.c=value`), and check all of it.

    Secrets are not fetched here but by `Settings.credentials`: a file can be checked anywhere.

    Raises:
        ConfigError: with every problem that was found.
    """
    document = read(Path(path))
    overrides.apply(document, overrides_given)
    settings = _validated(document)
    if settings is not None:
        for place, message in checks.findings(settings):
            document.report(place, message)
    if document.problems or settings is None:
        raise ConfigError(document.problems)
    return settings


def ledger_named(path: Path | str) -> str:
    """Return `journal.path` of a file, whatever else is wrong in it.

    Who halts a daemon must not have to mend first what somebody was writing for the next start.

    Raises:
        ConfigError: the file cannot be read as one, or names no ledger.
    """
    document = read(Path(path))
    section = document.tree.get("journal")
    named = section.get("path") if isinstance(section, dict) else None
    if not isinstance(named, str) or not named:
        document.report(("journal", "path"), "names no ledger")
        raise ConfigError(document.problems)
    return named


def _validated(document: Document) -> Settings | None:
    try:
        return Settings.model_validate(document.tree, context=document)
    except ValidationError as error:
        explain(error, document)
        return None
