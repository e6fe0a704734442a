"""The daemon's HTTP interface: questions are answered from the window, commands enter as facts."""

from collections.abc import Callable
from http import HTTPStatus
from typing import Annotated, TypeVar

from fastapi import FastAPI, Query, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse, PlainTextResponse, Response, StreamingResponse
from pydantic import BaseModel
from starlette.exceptions import HTTPException

from bot.core.engine import Step
from bot.core.events import Command, CommandGiven
from bot.core.standing import Standing, open_orders
from bot.core.state import Mode
from bot.dashboard import metrics
from bot.dashboard.guard import Guard, Rules
from bot.dashboard.models import (
    CommandAnswered,
    CommandAsked,
    Decisions,
    Explanation,
    Health,
    Status,
    Vital,
)
from bot.dashboard.window import DECISIONS_KEPT, Window

SEEN_SECONDS_MAX = 2.0
CANCELLED_SECONDS_MAX = 1.0  # so long a halt waits for the venue to say that nothing rests

Shown = TypeVar("Shown", bound=BaseModel)
Post = Callable[[CommandGiven], None]

NEXT = {
    Command.PAUSE: "no new hedges until resume; orders in flight are followed to their end",
    Command.RESUME: "the account is read afresh, then hedging goes on if nothing else forbids it",
    Command.HALT: "nothing is sent, across restarts, until resume; a flatten is called off",
    Command.FLATTEN: "hedge positions are closed with reduce-only orders, then everything halts",
    Command.ACK: "alerts raised so far are not repeated; nothing else changes",
}
WAITS = "it is halted: NOTHING IS CLOSED until `deltaband resume --reason WHY` begins the flatten"


def build(window: Window, post: Post, rules: Rules) -> FastAPI:
    """Return the application. It has no documentation pages, no CORS and no cookies."""
    app = FastAPI(title="deltaband", docs_url=None, redoc_url=None, openapi_url=None)
    app.add_middleware(Guard, rules=rules)
    _answer_errors_in_json(app)
    _questions(app, window)
    _commands(app, window, post)
    _vitals(app, window)
    return app


def _questions(app: FastAPI, window: Window) -> None:
    @app.get("/api/v1/status")
    async def status() -> Status:
        return _started(window.status())

    @app.get("/api/v1/explain")
    async def explain() -> Explanation:
        return _started(window.explanation())

    @app.get("/api/v1/decisions")
    async def decisions(limit: Annotated[int, Query(ge=1, le=DECISIONS_KEPT)] = 100) -> Decisions:
        return window.decisions(limit)

    @app.get("/api/v1/stream")
    async def stream() -> StreamingResponse:
        if window.stream.is_full:
            raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "too many listen already")
        told = window.stream.listen(window.step.state if window.step is not None else None)
        headers = {"Cache-Control": "no-store"}
        return StreamingResponse(told, media_type="text/event-stream", headers=headers)


def _commands(app: FastAPI, window: Window, post: Post) -> None:
    @app.post("/api/v1/commands", status_code=HTTPStatus.ACCEPTED)
    async def command(asked: CommandAsked) -> CommandAnswered:
        post(
            CommandGiven(
                command=asked.command,
                command_id=asked.command_id,
                actor=asked.actor,
                note=asked.note,
            )
        )

        def obeyed(step: Step) -> bool:
            return asked.command_id in step.state.standing.commands_seen

        seen = await window.until(obeyed, SEEN_SECONDS_MAX)
        if seen and asked.command is Command.HALT:
            await window.until(_rests_nothing, CANCELLED_SECONDS_MAX)
        mode = window.step.state.mode if window.step is not None else Mode.RECONCILING
        coming = _coming(asked.command, window.step.state.standing if window.step else None)
        return CommandAnswered(
            accepted=True,
            command=asked.command.value,
            command_id=asked.command_id,
            mode=mode.value,
            next=f"{coming}; mode now {mode}" if seen else f"waits for the loop, then {coming}",
        )


def _coming(command: Command, known: Standing | None) -> str:
    """Say what comes of a command, by what holds once it was obeyed."""
    if known is not None and command is Command.FLATTEN and known.halt_reason:
        return WAITS
    if command is Command.HALT:
        return f"{NEXT[command]}; {_cancelled(known)}"
    if known is not None and command is Command.RESUME and known.flatten_reason:
        return f"the flatten goes on: {NEXT[Command.FLATTEN]}; `deltaband halt` calls it off"
    if known is not None and command is Command.PAUSE and known.flatten_reason:
        return f"the flatten rests, and goes on with the resume: {NEXT[Command.PAUSE]}"
    return NEXT[command]


def _rests_nothing(step: Step) -> bool:
    return not open_orders(step.state.standing.orders)


def _cancelled(known: Standing | None) -> str:
    """Say of the orders of a halted daemon what is known, which is what the venue has said."""
    if known is None:
        return "whether orders rest is not known: the venue has not been read yet"
    if not (left := open_orders(known.orders)):
        return "no order of this daemon rests at the venue"
    names = ", ".join(order.order_id for order in left)
    return (
        f"{len(left)} orders are NOT known to be cancelled ({names}): it was asked, and the venue "
        "has not confirmed it; look again with `deltaband status`, and at the venue's own page"
    )


def _vitals(app: FastAPI, window: Window) -> None:
    @app.get("/healthz")
    async def healthz() -> Response:
        return _vital(window.alive())

    @app.get("/readyz")
    async def readyz() -> Response:
        return _vital(window.ready())

    @app.get("/metrics")
    def exposition() -> Response:
        # In a thread: thousands of lines of text a minute are no reason to let a quote wait.
        return PlainTextResponse(metrics.exposition(window), media_type=metrics.MEDIA_TYPE)


def _started(answer: Shown | None) -> Shown:
    if answer is None:
        raise HTTPException(HTTPStatus.SERVICE_UNAVAILABLE, "the daemon has not stepped yet")
    return answer


def _vital(vital: Vital) -> Response:
    ok = vital.health is Health.OK
    status = HTTPStatus.OK if ok else HTTPStatus.SERVICE_UNAVAILABLE
    return JSONResponse(vital.model_dump(mode="json"), status_code=status)


def _answer_errors_in_json(app: FastAPI) -> None:
    @app.exception_handler(HTTPException)
    async def refused(_: Request, error: HTTPException) -> Response:
        return _error(error.status_code, str(error.detail))

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> Response:
        wrong = "; ".join(
            f"{'.'.join(str(part) for part in one['loc'][1:])}: {one['msg']}".removeprefix(": ")
            for one in error.errors()
        )
        return _error(HTTPStatus.UNPROCESSABLE_ENTITY, wrong)

    @app.exception_handler(Exception)
    async def failed(_: Request, error: Exception) -> Response:
        return _error(
            HTTPStatus.INTERNAL_SERVER_ERROR, f"could not answer ({type(error).__name__})"
        )


def _error(status: int, reason: str) -> Response:
    return JSONResponse({"error": reason, "status": int(status)}, status_code=status)
