"""The sections `process` and `watchdog`: how the daemon lives on its host, and who watches it."""

from typing import Annotated

from pydantic import Field

from bot.settings.sections import SecretReference, Section


class Process(Section):
    """The daemon as a process: how long it may take to stop, and what it may use up."""

    stop_seconds: Annotated[float, Field(ge=1, le=120)] = 10.0
    """After SIGTERM orders under way are resolved and resting ones cancelled for at most this long.
    Real seconds."""
    stall_max_seconds: Annotated[float, Field(ge=5, le=300)] = 30.0
    """An interpreter or a loop that stands for so long is ended, with a trace, and started again
    by its supervisor. Real seconds."""
    memory_max_mb: Annotated[int, Field(ge=100, le=1_000_000)] = 1_500
    """With more resident memory than this many megabytes it stops in order, to be started again."""
    files_max: Annotated[int, Field(ge=64, le=1_000_000)] = 512
    """The same for open files and sockets."""
    tasks_max: Annotated[int, Field(ge=100, le=1_000_000)] = 2_000
    """The same for tasks of the event loop."""


class Watchdog(Section):
    """The process that `deltaband watchdog` runs: it cancels what a silent daemon left resting.

    A key of its own, with trade:read_write and no more. A rehearsal without key and secret uses the
    embedded exchange's demo key.
    """

    key: SecretReference | None = None
    """API key of the watchdog; not the daemon's."""
    secret: SecretReference | None = None
    """Its secret."""
    silent_seconds: Annotated[float, Field(ge=1, le=300)] = 5.0
    """A daemon that has not beaten for so long has its orders cancelled. Real seconds."""
    prove_seconds: Annotated[float, Field(ge=1, le=3600)] = 60.0
    """Time between two proofs that the watchdog could cancel. Real seconds."""
