"""No secret leaves by a log line, whoever prints it and however it is dressed."""

import io
import json
import logging
import subprocess
import sys
import warnings

import pytest
import structlog

from bot.runtime.redaction import MASK, Redactor
from bot.runtime.telemetry import LogFormat, configure

CANARY = 'canary/"Zz9\\+key=='
SECOND = "second-canary-7731"


@pytest.fixture
def _logging_as_before():
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(False)
    structlog.reset_defaults()
    sys.excepthook = sys.__excepthook__


def everything_that_could_leak() -> None:
    log = structlog.get_logger("bot.test")
    log.info("connecting", key=CANARY, nested={"deep": [CANARY, {"er": SECOND}]})
    log.warning("url", url=f"https://x/?api={SECOND}&signature=deadbeefcafe")
    log.info("positional %s", CANARY)
    logging.getLogger("ccxt").warning("headers: {'Authorization': 'deri-hmac-sha256 id=a,sig=b77'}")
    logging.getLogger("ccxt").error("OK-ACCESS-PASSPHRASE: hunter2hunter2 %s", SECOND)
    try:
        secret = CANARY
        raise ValueError(f"bad answer to {secret!r} with access_token=eyJabc.def")
    except ValueError:
        log.exception("failed")
        logging.getLogger("aiohttp").exception("failed again")
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        warnings.warn(f"deprecated: {SECOND}", stacklevel=1)


LEAKS = ("canary", "Zz9", SECOND, "deadbeefcafe", "b77", "hunter2", "eyJabc")


@pytest.mark.usefixtures("_logging_as_before")
@pytest.mark.parametrize("log_format", list(LogFormat))
def test_planted_canaries_never_reach_the_log(log_format):
    stream = io.StringIO()
    configure(
        level="debug", log_format=log_format, redact=Redactor([CANARY, SECOND]), stream=stream
    )
    everything_that_could_leak()
    said = stream.getvalue()
    assert [leak for leak in LEAKS if leak in said] == []
    assert said.count(MASK) >= 8
    assert "connecting" in said
    assert "Traceback" in said
    assert "ValueError: bad answer" in said


@pytest.mark.usefixtures("_logging_as_before")
def test_without_the_redactor_the_same_lines_would_leak():
    stream = io.StringIO()
    configure(level="debug", log_format=LogFormat.CONSOLE, redact=lambda text: text, stream=stream)
    everything_that_could_leak()
    assert [leak for leak in LEAKS if leak not in stream.getvalue()] == []


@pytest.mark.usefixtures("_logging_as_before")
def test_a_json_line_is_one_object_with_the_level_and_the_logger():
    stream = io.StringIO()
    configure(level="info", log_format=LogFormat.JSON, redact=Redactor(), stream=stream)
    structlog.get_logger("bot.test").info("folded", folds=3)
    structlog.get_logger("bot.test").debug("not at this level")
    logging.getLogger("somebody.else").warning("careful")
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert (first["event"], first["folds"], first["level"]) == ("folded", 3, "info")
    assert (second["event"], second["logger"]) == ("careful", "somebody.else")


def test_an_unknown_level_is_named():
    with pytest.raises(ValueError, match="no such log level: loud"):
        configure(level="loud", log_format=LogFormat.JSON, redact=Redactor())


def test_the_traceback_that_ends_the_process_is_redacted_too():
    code = (
        "from bot.runtime.redaction import Redactor, guard_last_words\n"
        f"secret = {SECOND!r}\n"
        "guard_last_words(Redactor([secret]))\n"
        "raise RuntimeError('login failed for ' + secret)\n"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 1
    assert "RuntimeError: login failed for [redacted]" in ended.stderr
    assert SECOND not in ended.stderr.replace(f"secret = '{SECOND}'", "")


@pytest.mark.parametrize(
    "innocent",
    [
        "delta +0.3120 outside the band, hedge sell 31,200 USD",
        "order db000012 closed: filled",
        "run -> hold: own delta differs from the venue's by +0.2000 coin",
        "designed=3 assignment: signal",
    ],
)
def test_ordinary_lines_stay_as_they_are(innocent):
    assert Redactor(["short", CANARY])(innocent) == innocent
