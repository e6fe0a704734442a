"""Secrets: read from the environment or from files only their owner can read, and shown nowhere."""

import os
import stat
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bot.settings.sections import SecretReference

SECRET_BYTES_MAX = 4_096


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """An API key and its secret. Neither is in the `repr`."""

    key: str = field(repr=False)
    secret: str = field(repr=False)


DEMO = Credentials(key="demo", secret="demo-secret")  # noqa: S106  (the embedded exchange's, and public)


@dataclass(frozen=True, slots=True, kw_only=True)
class Secret:
    """A secret that was found."""

    text: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NoSecret:
    """Why there is none, without a word of what was found."""

    reason: str


def resolve(reference: SecretReference, environ: Mapping[str, str]) -> Secret | NoSecret:
    """Return the secret that a reference points at, without surrounding white space."""
    if reference.env is not None:
        return _from_environment(reference.env, environ)
    assert reference.file is not None, "a checked reference has one source"
    return _from_file(Path(reference.file).expanduser(), _granted(reference.file, environ))


def _granted(file: str, environ: Mapping[str, str]) -> int:
    """Return the bits of a mode that open no file to others here, though they look like it.

    systemd's LoadCredential hands a file over by an access list, whose mask then stands where the
    group's rights do; the directory that it names is closed to everybody else.
    """
    directory = environ.get("CREDENTIALS_DIRECTORY", "")
    is_handed_over = directory.startswith("/") and Path(file).is_relative_to(directory)
    return stat.S_IRGRP if is_handed_over else 0


def _from_environment(name: str, environ: Mapping[str, str]) -> Secret | NoSecret:
    text = environ.get(name, "").strip()
    if not text:
        state = "is empty" if name in environ else "is not set"
        return NoSecret(reason=f"environment variable {name} {state}")
    return _checked(text, f"environment variable {name}")


def _from_file(path: Path, granted: int) -> Secret | NoSecret:
    try:
        with path.open("rb") as stream:
            found = os.fstat(stream.fileno())
            raw = stream.read(SECRET_BYTES_MAX + 1)
    except OSError as error:
        return NoSecret(reason=f"{path} cannot be read: {error.strerror or error}")
    if found.st_mode & (stat.S_IRWXG | stat.S_IRWXO) & ~granted:
        mode = stat.S_IMODE(found.st_mode)
        return NoSecret(reason=f"{path} is open to other users (mode {mode:04o}); make it 0600")
    if len(raw) > SECRET_BYTES_MAX:
        return NoSecret(reason=f"{path} is larger than {SECRET_BYTES_MAX:,} bytes; is it a secret?")
    text = raw.decode("utf-8", errors="replace").strip()
    if not text:
        return NoSecret(reason=f"{path} is empty")
    return _checked(text, str(path))


def _checked(text: str, source: str) -> Secret | NoSecret:
    if not text.isascii() or not text.isprintable() or " " in text:
        return NoSecret(
            reason=f"{source} holds spaces, line breaks or characters that no secret has"
        )
    return Secret(text=text)
