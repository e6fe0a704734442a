"""Logging: structured lines on standard error, ours and everybody else's, all redacted."""

import logging
import sys
from enum import StrEnum
from typing import Final, TextIO

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from bot.runtime.redaction import Redact, guard_last_words


class LogFormat(StrEnum):
    """For people or for machines."""

    CONSOLE = "console"
    JSON = "json"


# Chatty at INFO about things that the daemon says better itself.
_QUIETER: Final = ("aiohttp.access", "uvicorn.access", "httpx", "numba")

_STAMPED: Final[tuple[Processor, ...]] = (
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
)


def configure(
    *, level: str, log_format: LogFormat, redact: Redact, stream: TextIO | None = None
) -> None:
    """Send every log line of this process, redacted, to one stream.

    Args:
        level: debug, info, warning, error or critical.
        log_format: How a line looks.
        redact: Masks secrets in the finished line, exception text included.
        stream: Standard error if None.

    Raises:
        ValueError: no such level.
    """
    out = stream or sys.stderr
    threshold = logging.getLevelNamesMapping().get(level.upper())
    if threshold is None:
        raise ValueError(f"no such log level: {level}")
    handler = logging.StreamHandler(out)
    handler.setFormatter(_formatter(log_format, redact, colors=out.isatty()))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(threshold)
    for name in _QUIETER:
        logging.getLogger(name).setLevel(max(threshold, logging.WARNING))
    logging.captureWarnings(True)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_STAMPED,
            structlog.stdlib.PositionalArgumentsFormatter(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,  # modules made their loggers before this was called
    )
    guard_last_words(redact)


def _formatter(log_format: LogFormat, redact: Redact, *, colors: bool) -> logging.Formatter:
    """Finish every line, ours and those of libraries, in the same way."""
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=[*_STAMPED, structlog.stdlib.ExtraAdder()],
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            *_rendering(log_format, colors=colors),
            _Redaction(redact),
        ],
    )


def _rendering(log_format: LogFormat, *, colors: bool) -> list[Processor]:
    match log_format:
        case LogFormat.JSON:
            return [
                structlog.processors.format_exc_info,
                structlog.processors.JSONRenderer(ensure_ascii=False),
            ]
        case LogFormat.CONSOLE:
            plain = structlog.dev.plain_traceback  # the pretty one prints local variables
            return [structlog.dev.ConsoleRenderer(colors=colors, exception_formatter=plain)]


class _Redaction:
    """The last processor: sees the finished line, so nothing can be added behind its back."""

    def __init__(self, redact: Redact) -> None:
        self._redact = redact

    def __call__(self, _: WrappedLogger, __: str, line: str | EventDict) -> str:
        return self._redact(str(line))
