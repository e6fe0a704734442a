"""`exchange`: the embedded exchange as a process, until it is told to end."""

import asyncio
import gc
import os
import socket
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from bot.cli.answer import AsJson, Exit, VerbError, complain, deliver, print_json

if TYPE_CHECKING:
    from bot.exchange.server import ExchangeOptions, ExchangeServer

SYNTHETIC = "synthetic"


class LimitsName(StrEnum):
    """Whose rate limits hold."""

    GENEROUS = "generous"
    VENUE = "venue"


def moment(text: str) -> datetime:
    """Read a UTC time such as 2025-12-10T18:35.

    Raises:
        typer.BadParameter: it is none.
    """
    try:
        read = datetime.fromisoformat(text)
    except ValueError as error:
        raise typer.BadParameter(f"{text!r} is no time such as 2025-12-10T18:35 (UTC)") from error
    return read.replace(tzinfo=UTC) if read.tzinfo is None else read.astimezone(UTC)


Port = Annotated[
    int, typer.Option(min=0, max=65_535, help="Port on 127.0.0.1; 0 takes a free one.")
]
Seed = Annotated[int, typer.Option(help="Seed of the synthetic market.")]
Market = Annotated[
    str,
    typer.Option(metavar="synthetic|PATH", help="A market made up from the seed, or a chain file."),
]
From = Annotated[
    datetime | None,
    typer.Option(
        "--from", parser=moment, metavar="TIME", help="Where the market clock starts (UTC)."
    ),
]
Speed = Annotated[float, typer.Option(help="Market seconds that pass in one second.")]
BookAtStart = Annotated[
    str,
    typer.Option(
        "--book",
        metavar="demo|demo-all|none|FILE",
        help="Positions at the start; `demo` is BTC only.",
    ),
]
Equity = Annotated[
    float | None,
    typer.Option(metavar="COINS", help="The account's equity; comfortable for the book if absent."),
]
Sim = Annotated[bool, typer.Option("--sim", help="Serve /sim: the venue's ledger, shocks, faults.")]
Limits = Annotated[
    LimitsName,
    typer.Option(
        help="Requests that are taken: the venue's own limits, or a thousand times as many."
    ),
]


class MarginModelName(StrEnum):
    """How the accounts are margined, in the venue's words."""

    SEGREGATED_SM = "segregated_sm"
    SEGREGATED_PM = "segregated_pm"
    CROSS_SM = "cross_sm"
    CROSS_PM = "cross_pm"


MarginModel = Annotated[
    MarginModelName,
    typer.Option(
        "--margin-model",
        help="Standard (sm) or portfolio margin (pm); each currency by itself, or all (cross).",
    ),
]
WithParent = Annotated[
    int | None, typer.Option("--with-parent", metavar="PID", hidden=True, help="End with it.")
]


def exchange(
    port: Port = 8090,
    seed: Seed = 7,
    market: Market = SYNTHETIC,
    start: From = None,
    speed: Speed = 1.0,
    book: BookAtStart = "demo",
    equity: Equity = None,
    sim: Sim = False,
    limits: Limits = LimitsName.GENEROUS,
    margin_model: MarginModel = MarginModelName.SEGREGATED_SM,
    with_parent: WithParent = None,
    as_json: AsJson = False,
) -> None:
    """Serve an exchange of your own on 127.0.0.1 that speaks Deribit's protocol.

    API key `demo`, secret `demo-secret`; `demo-read` may only read, `demo-sub` is of a subaccount
    (their secrets end in `-secret` too). Ends at SIGTERM or Ctrl-C.
    """

    def work() -> None:
        _refuse_taken(port)
        gc.disable()  # until all is loaded, which stays
        from bot.exchange import rules
        from bot.wiring.exchange import ExchangeOptions

        options = ExchangeOptions(
            port=port,
            seed=seed,
            market=None if market == SYNTHETIC else Path(market),
            from_ms=None if start is None else round(start.timestamp() * 1000),
            speed=speed,
            book=book,
            equity_coin=equity,
            sim=sim,
            limits=limits.value,
            margin_model=rules.MarginModel(margin_model.value),
        )
        built = _built(options)
        gc.freeze()
        gc.enable()
        asyncio.run(_serve(built, options, with_parent, as_json))

    deliver(work, as_json=as_json)


def _refuse_taken(port: int) -> None:
    """Say that a port is taken before a market is built; the server itself has the last word."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise VerbError(
                f"exchange: cannot listen on 127.0.0.1:{port}: {error.strerror}; choose another "
                "with --port"
            ) from error


def _built(options: "ExchangeOptions") -> "ExchangeServer":
    from bot.wiring.exchange import build_exchange

    try:
        return build_exchange(options, complain)
    except ValueError as error:
        raise VerbError(f"exchange: {error}", exit_code=Exit.USAGE) from error
    except OSError as error:
        raise VerbError(
            f"exchange: {error.filename or 'a file'} cannot be read: {error.strerror or error}",
            exit_code=Exit.USAGE,
        ) from error


async def _serve(
    server: "ExchangeServer", options: "ExchangeOptions", parent: int | None, as_json: bool
) -> None:
    from bot.cli.leaving import on_signals, parent_gone

    stop = asyncio.Event()
    with on_signals(stop):
        try:
            await server.start()
        except OSError as error:
            raise VerbError(f"exchange: {error.strerror or error}") from error
        try:
            _say_ready(server.port, options, as_json)
            waits = [asyncio.create_task(stop.wait()), asyncio.create_task(server.wait())]
            if parent is not None:
                waits.append(asyncio.create_task(parent_gone(parent)))
            ended, rest = await asyncio.wait(waits, return_when=asyncio.FIRST_COMPLETED)
            for task in rest:
                task.cancel()
            await asyncio.gather(*rest, return_exceptions=True)
            for task in ended:
                task.result()  # what broke the exchange, if something did
        finally:
            await server.stop()


def _say_ready(port: int, options: "ExchangeOptions", as_json: bool) -> None:
    ready: dict[str, Any] = {
        "rest_url": f"http://127.0.0.1:{port}",
        "ws_url": f"ws://127.0.0.1:{port}/ws/api/v2",
        "port": port,
        "pid": os.getpid(),
        "market": SYNTHETIC if options.market is None else str(options.market),
        "seed": options.seed,
        "speed": options.speed,
        "sim": options.sim,
        "limits": options.limits,
        "margin_model": options.margin_model.value,
    }
    if as_json:
        print_json(ready)
    else:
        print(
            f"exchange ready: {ready['rest_url']} and {ready['ws_url']} "
            f"(market {ready['market']}, seed {options.seed}, speed {options.speed:g}; "
            "key demo, secret demo-secret)",
            flush=True,
        )
