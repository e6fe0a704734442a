"""Faults in words: what `POST /sim/faults` takes, what it refuses and why, and what each kind does.

`GET /sim/faults?describe` answers `described()`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from bot.exchange.faults import (
    HTTP_REQUEST,
    WS_OPENING,
    WS_PUSH,
    WS_REQUEST,
    Armed,
    Fault,
    FaultKind,
    Harm,
    Place,
    Quota,
    Stage,
    Target,
)
from bot.exchange.protocol import Json, Params, Transport, invalid_param

HTTP_ERROR_MIN: Final = 400
HTTP_ERROR_MAX: Final = 599
WAIT_MS_MAX: Final = 600_000.0
HARM: Final = Harm()

ASKED: Final = frozenset({HTTP_REQUEST, WS_REQUEST})
SAID: Final = frozenset({HTTP_REQUEST, WS_REQUEST, WS_PUSH})
SOCKET: Final = frozenset({WS_REQUEST, WS_PUSH})
DOOR: Final = frozenset({HTTP_REQUEST, WS_OPENING})


@dataclass(frozen=True, slots=True, kw_only=True)
class Trait:
    """What a kind does, where it can strike, and which particulars it takes.

    `method` and `channel` are the prefixes where the caller names neither.
    """

    about: str
    places: frozenset[Place]
    particulars: tuple[str, ...] = ()
    required: tuple[str, ...] = ()
    harm: Harm = HARM
    method: str = ""
    channel: str = ""


TRAITS: Final[Mapping[FaultKind, Trait]] = MappingProxyType(
    {
        FaultKind.DROP_AFTER_ACCEPT: Trait(
            about="The request is processed, its answer never sent. `cut` (true): the line is cut, "
            "so that nothing else tells of it; false: the answer alone is lost.",
            places=ASKED,
            particulars=("cut",),
        ),
        FaultKind.DROP_BEFORE: Trait(
            about="The request is never processed, as if it had not arrived. `cut` (true): the "
            "line is cut; false: silence.",
            places=ASKED | {WS_OPENING},
            particulars=("cut",),
        ),
        FaultKind.DELAY: Trait(
            about="An answer or a push waits `delay_ms` while others overtake it; `before` "
            "(false): the request itself waits, and is processed late.",
            places=SAID | {WS_OPENING},
            particulars=("before",),
            required=("delay_ms",),
        ),
        FaultKind.DUPLICATE: Trait(about="An answer or a push is sent twice.", places=SOCKET),
        FaultKind.REORDER: Trait(
            about="A push changes places with the next one that the fault fits, or comes a "
            "second late if there is none.",
            places=frozenset({WS_PUSH}),
        ),
        FaultKind.TRUNCATE: Trait(
            about="Half a frame or half an HTTP body, then the line is cut. `whole` (false): over "
            "WebSocket, a whole frame with half the text, and the line lives.",
            places=SAID,
            particulars=("whole",),
        ),
        FaultKind.CORRUPT_COMPRESSION: Trait(
            about="Over HTTP a body that says it is gzip and is not; over WebSocket a binary "
            "frame of garbage in place of the answer or push.",
            places=SAID,
        ),
        FaultKind.WRONG_SCHEMA: Trait(
            about="An answer or a push of another shape: objects where numbers were, and fields "
            "that nobody knows. Errors stay as they are.",
            places=SAID,
        ),
        FaultKind.HTML_200: Trait(
            about="A page of HTML with status 200. `processed` (false): the request is carried "
            "out nevertheless.",
            places=DOOR,
            particulars=("processed",),
        ),
        FaultKind.EMPTY_200: Trait(
            about="Nothing, with status 200; `processed` as above.",
            places=DOOR,
            particulars=("processed",),
        ),
        FaultKind.HTTP_STATUS: Trait(
            about="`status` (503; 400 to 599) with `content` html or json; `processed` as above; "
            "json carries `code` and `message`.",
            places=DOOR,
            particulars=("status", "content", "processed", "code", "message"),
            harm=Harm(code=-32000, message="internal_server_error"),
        ),
        FaultKind.ERROR_FRAME: Trait(
            about="A JSON-RPC error without id (`code` 10028, `message`) comes before the answer "
            "or push.",
            places=SOCKET,
            particulars=("code", "message"),
            harm=Harm(code=10028, message="too_many_requests"),
        ),
        FaultKind.SILENT_STALL: Trait(
            about="Pushes are not sent, while pings, heartbeats and requests are answered. "
            "`channel` names the dead ones; without it all are.",
            places=frozenset({WS_PUSH}),
        ),
        FaultKind.STUCK_TIMESTAMP: Trait(
            about="Pushes go on with the `timestamp` of the first one struck on each channel. "
            "`whole` (false): the whole of that first one is repeated.",
            places=frozenset({WS_PUSH}),
            particulars=("whole",),
        ),
        FaultKind.SEQUENCE_GAP: Trait(
            about="A change of a book is lost, so that change ids skip.",
            places=frozenset({WS_PUSH}),
            channel="book.",
        ),
        FaultKind.HALF_OPEN: Trait(
            about="From the struck moment on the whole socket takes everything and says nothing, "
            "not even goodbye; the struck request is not processed. Method `connect`: the "
            "handshake is never answered.",
            places=SAID | {WS_OPENING},
        ),
        FaultKind.SLOW_READER: Trait(
            about="The exchange stops reading the socket for `delay_ms`, at the struck request; "
            "what it says goes on.",
            places=frozenset({WS_REQUEST}),
            required=("delay_ms",),
        ),
        FaultKind.TOKEN_EXPIRY: Trait(
            about="Every token is dead: at once, or before a request if a method is named.",
            places=ASKED,
        ),
        FaultKind.RATE_LIMIT: Trait(
            about="Requests are refused with `code` (10028) and not processed. `cut` (true): the "
            "sessions that were refused are closed when the fault is over.",
            places=ASKED,
            particulars=("code", "message", "cut"),
            harm=Harm(code=10028, message="too_many_requests"),
        ),
        FaultKind.MAINTENANCE: Trait(
            about="For `window_ms` trading is refused with 11051 while market data go on; channel "
            "platform_state says so, and says when it is over. At once, or before a request.",
            places=ASKED,
            required=("window_ms",),
        ),
        FaultKind.BUST: Trait(
            about="A trade of the account is taken back, and what it bought or sold is gone: the "
            "last one, or `trade_id`; at once, or before a request if a method is named.",
            places=ASKED,
            particulars=("trade_id",),
        ),
        FaultKind.CLOCK_STEP: Trait(
            about="public/get_time is answered `step_ms` market milliseconds away from the truth.",
            places=ASKED,
            required=("step_ms",),
            method="public/get_time",
        ),
    }
)

AT_ONCE: Final = frozenset({FaultKind.TOKEN_EXPIRY, FaultKind.MAINTENANCE, FaultKind.BUST})
COMMON: Final[Mapping[str, str]] = MappingProxyType(
    {
        "kind": "one of the kinds below",
        "method": "prefix of the methods concerned, such as private/buy; connect is the opening "
        "of a WebSocket",
        "channel": "prefix of the channels concerned, such as user.changes",
        "transport": "http or ws",
        "connection": "number of a WebSocket, as it was opened: 1, 2, ...",
        "count": "how often it strikes at most; once, if neither rate nor window_ms is given",
        "rate": "chance of each moment that fits, above 0, at most 1",
        "window_ms": "how long it may strike, wire milliseconds from now",
        "after": "how many moments that fit pass unharmed first",
        "seed": "of the chance; the same seed strikes the same moments",
    }
)


def read_fault(body: Mapping[str, object]) -> Fault:
    """The fault that a request asks for. RpcError names the field and what was expected."""
    params = Params(body)
    kind = params.choice("kind", FaultKind)
    trait = TRAITS[kind]
    known = {*COMMON, *trait.particulars, *trait.required}
    for name in body:
        if name not in known:
            raise invalid_param(name, f"{kind} takes only {', '.join(sorted(known))}")
    for name in trait.required:
        if not params.has(name):
            raise invalid_param(name, f"{kind} needs it")
    return Fault(
        kind=kind,
        target=_target(params, kind, trait),
        quota=_quota(params, kind),
        harm=_harm(params, trait),
    )


def strikes_at_once(fault: Fault) -> bool:
    """Whether the fault waits for no moment."""
    return fault.kind in AT_ONCE and not fault.target.method and fault.quota.after == 0


def _target(params: Params, kind: FaultKind, trait: Trait) -> Target:
    method, channel = params.text("method", ""), params.text("channel", "")
    if not method and not channel:
        method, channel = trait.method, trait.channel
    places = trait.places
    if channel:
        places = frozenset(place for place in places if place.stage is Stage.PUSH)
        if method:
            raise invalid_param("channel", "a fault is about a method or a channel, not both")
        if not places:
            raise invalid_param("channel", f"{kind} concerns requests: name a method")
        if not channel.startswith(trait.channel):
            raise invalid_param("channel", f"must begin with {trait.channel!r}, got {channel!r}")
    elif method:
        places = frozenset(place for place in places if place.stage is not Stage.PUSH)
        if not places:
            raise invalid_param("method", f"{kind} concerns pushes: name a channel")
    if params.has("transport"):
        transport = params.choice("transport", Transport)
        places = frozenset(place for place in places if place.transport is transport)
        if not places:
            raise invalid_param("transport", f"{kind} does not strike over {transport} there")
    connection = params.optional_integer("connection")
    return Target(places=places, method=method, channel=channel, connection=connection)


def _quota(params: Params, kind: FaultKind) -> Quota:
    count = params.optional_integer("count")
    rate = None if not params.has("rate") else float(params.decimal("rate"))
    window_ms = None if not params.has("window_ms") else float(params.decimal("window_ms"))
    after = params.integer("after", 0)
    if count is not None and count < 1:
        raise invalid_param("count", f"must be at least 1, got {count}")
    if rate is not None and not 0.0 < rate <= 1.0:
        raise invalid_param("rate", f"must be above 0 and at most 1, got {rate:g}")
    if window_ms is not None and window_ms <= 0.0:
        raise invalid_param("window_ms", f"must be above 0, got {window_ms:g}")
    if after < 0:
        raise invalid_param("after", f"must be at least 0, got {after}")
    if count is None and (kind in AT_ONCE or (rate is None and window_ms is None)):
        count = 1
    return Quota(
        count=count, rate=rate, window_ms=window_ms, after=after, seed=params.integer("seed", 0)
    )


def _harm(params: Params, trait: Trait) -> Harm:
    default = trait.harm
    harm = replace(
        default,
        cut=params.flag("cut", default=default.cut),
        processed=params.flag("processed", default=default.processed),
        before=params.flag("before", default=default.before),
        whole=params.flag("whole", default=default.whole),
        delay_ms=float(params.decimal("delay_ms")) if params.has("delay_ms") else 0.0,
        step_ms=params.integer("step_ms", 0),
        status=params.integer("status", default.status),
        content=params.text("content", default.content),
        code=params.integer("code", default.code),
        message=params.text("message", default.message),
        trade_id=params.text("trade_id", ""),
    )
    if params.has("delay_ms") and not 0.0 < harm.delay_ms <= WAIT_MS_MAX:
        raise invalid_param("delay_ms", f"must be above 0 and at most {WAIT_MS_MAX:.0f}")
    if not HTTP_ERROR_MIN <= harm.status <= HTTP_ERROR_MAX:
        raise invalid_param("status", f"must be from 400 to 599, got {harm.status}")
    if harm.content not in {"html", "json"}:
        raise invalid_param("content", f"must be html or json, got {harm.content!r}")
    return harm


def shown(armed: Armed, now_ns: int) -> dict[str, Json]:
    """One fault as `GET /sim/faults` shows it; limits that it does not have are left out."""
    fault = armed.fault
    trait, quota, target = TRAITS[fault.kind], fault.quota, fault.target
    limits: dict[str, Json] = {
        "method": target.method or None,
        "channel": target.channel or None,
        "connection": target.connection,
        "count": quota.count,
        "rate": quota.rate,
        "window_ms": quota.window_ms,
        "after": quota.after or None,
        "seed": quota.seed if quota.rate is not None else None,
    }
    particulars = {
        name: getattr(fault.harm, name)
        for name in (*trait.particulars, *trait.required)
        if name not in limits
    }
    return {
        "id": armed.number,
        "kind": fault.kind.value,
        **{name: value for name, value in limits.items() if value is not None},
        **particulars,
        "seen": armed.seen,
        "struck": armed.struck,
        "over": armed.is_over(now_ns),
    }


def described() -> dict[str, Json]:
    """Every kind in words, and what all of them take."""
    return {
        "every_fault_takes": dict(COMMON),
        "kinds": {
            kind.value: {
                "does": trait.about,
                "strikes": sorted({f"{each.stage} over {each.transport}" for each in trait.places}),
                "takes": list(trait.particulars),
                "needs": list(trait.required),
            }
            for kind, trait in TRAITS.items()
        },
        "clear": 'DELETE /sim/faults disarms all, DELETE /sim/faults?id=N one; so does {"kind": '
        '"clear"} or {"kind": "clear", "id": N}',
    }
