"""What no single key can say: the checks across keys, after every key by itself is right."""

import ipaddress
from collections.abc import Iterator
from itertools import combinations, pairwise
from typing import Final, assert_never
from urllib.parse import SplitResult, urlsplit

from bot.core import units
from bot.quant.conventions import Convention
from bot.settings.models import Config, Hedge, RunMode, SecretReference, Select
from bot.settings.problems import KeyPath
from bot.settings.selectors import may_hold, overlap, parse_name

# A position in the perpetual moves in lots of 10 US dollars, which are the more coins the lower
# the price. The check takes the lowest price that still deserves a thought; the running daemon
# compares again at the price of the moment.
LOT_USD: Final = 10.0
PRICE_USD_MIN: Final = 20_000.0
LIVE_DOMAIN: Final = "deribit.com"
TESTNET_HOST: Final = "test.deribit.com"
FRACTION_MAX: Final = 1.5
SHARE_SLACK: Final = 1e-9

Finding = tuple[KeyPath, str]


def findings(config: Config) -> Iterator[Finding]:
    """Yield everything that does not fit together, as key path and message."""
    yield from _addresses(config)
    yield from _credentials(config)
    yield from _books(config)
    yield from _shares(config)
    yield from _overlaps(config)
    yield from _margin(config)
    yield from _orders(config)
    yield from _dashboard(config)


def is_loopback(host: str) -> bool:
    """Whether a host name or address can only mean this machine."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def _addresses(config: Config) -> Iterator[Finding]:
    for key, text, schemes in (
        ("rest_url", config.venue.rest_url, ("https", "http")),
        ("ws_url", config.venue.ws_url, ("wss", "ws")),
    ):
        for message in _address(text, schemes, config.mode):
            yield ("venue", key), message


def _address(text: str, schemes: tuple[str, str], mode: RunMode) -> Iterator[str]:
    secure, plain = schemes
    url = _split(text)
    if url is None or url.scheme not in schemes or not url.hostname:
        yield f"expected a URL that begins with {secure}:// (or {plain}:// on this machine)"
        return
    if url.username or url.password or url.query or url.fragment:
        yield "expected a URL without user, password, ? or #; keys belong in venue.key and .secret"
        return
    if secure == "https" and url.path not in {"", "/"}:
        yield f"expected an address without a path, found {url.path}"
    host = url.hostname
    if url.scheme == plain and not is_loopback(host):
        yield f"{plain}:// would send keys in the clear to {host}; expected {secure}://"
    complaint = _wrong_network(host, mode)
    if complaint:
        yield complaint


def _split(text: str) -> SplitResult | None:
    try:
        url = urlsplit(text)
        _ = url.port  # parsed when asked for
    except ValueError:
        return None
    return url


def _wrong_network(host: str, mode: RunMode) -> str | None:
    """Return why a host does not belong to a mode: no key may ever reach the wrong network."""
    testnet = host == TESTNET_HOST
    live = not testnet and (host == LIVE_DOMAIN or host.endswith(f".{LIVE_DOMAIN}"))
    match mode:
        case RunMode.REHEARSAL:
            right, wanted = is_loopback(host), "an address of this machine, such as 127.0.0.1"
        case RunMode.TESTNET:
            right, wanted = testnet, TESTNET_HOST
        case RunMode.LIVE:
            right, wanted = live, f"www.{LIVE_DOMAIN}"
        case _:
            assert_never(mode)
    if right:
        return None
    nature = (
        "this machine"
        if is_loopback(host)
        else "the testnet"
        if testnet
        else "the live venue (real money)"
        if live
        else "not a host of this venue"
    )
    return f"mode {mode} needs {wanted}, found {host}, which is {nature}"


def _credentials(config: Config) -> Iterator[Finding]:
    venue = config.venue
    for key, reference in (("key", venue.key), ("secret", venue.secret)):
        yield from _one_source(("venue", key), reference)
    missing = [key for key, one in (("key", venue.key), ("secret", venue.secret)) if one is None]
    if config.mode is RunMode.REHEARSAL and len(missing) == 2:
        return
    for key in missing:
        why = (
            "give both key and secret or neither"
            if config.mode is RunMode.REHEARSAL
            else f"mode {config.mode} needs it"
        )
        yield (
            ("venue", key),
            f"required, but missing: {why}; expected {{env: NAME}} or {{file: PATH}}",
        )


def _one_source(path: KeyPath, reference: SecretReference | None) -> Iterator[Finding]:
    if reference is not None and (reference.env is None) == (reference.file is None):
        yield path, "expected exactly one of {env: NAME} and {file: PATH}"


def _books(config: Config) -> Iterator[Finding]:
    names = [book.name for book in config.books]
    for index, book in enumerate(config.books):
        here: KeyPath = ("books", index)
        if book.name in names[:index]:
            first = names.index(book.name)
            yield (*here, "name"), f"the name {book.name} is already that of books[{first}]"
        yield from _select((*here, "select"), book.select, config)
        yield from _hedge((*here, "hedge"), book.hedge, config)
        yield from _counted_twice(here, config, index)
    owner = config.external_changes_to
    if owner is None and len(names) > 1:
        yield ("external_changes_to",), f"required with several books; one of {', '.join(names)}"
    elif owner is not None and owner not in names:
        yield ("external_changes_to",), f'no book is named "{owner}"; one of {", ".join(names)}'


def _select(here: KeyPath, select: Select, config: Config) -> Iterator[Finding]:
    currency = config.account.currency
    if select.underlying != currency:
        message = f"a {currency} account holds positions on {currency}, found {select.underlying}"
        yield (*here, "underlying"), message
    low, high = select.expiry_days_min, select.expiry_days_max
    if low is not None and high is not None and low >= high:
        yield (
            (*here, "expiry_days_max"),
            f"expected more than expiry_days_min {low:g}, found {high:g}",
        )
    for index, name in enumerate(select.include):
        if name in select.exclude:
            yield (*here, "include", index), f"{name} is excluded as well"


def _hedge(here: KeyPath, hedge: Hedge, config: Config) -> Iterator[Finding]:
    currency = config.account.currency
    parsed = parse_name(hedge.instrument)
    if parsed is None or parsed.kind == "option" or parsed.underlying != currency:
        yield (
            (*here, "instrument"),
            (
                f"expected a perpetual or future of {currency}, such as {currency}-PERPETUAL, "
                f"found {hedge.instrument}"
            ),
        )
    lot_coin = LOT_USD / PRICE_USD_MIN
    for key, edge in (
        ("band_low_coin", hedge.band_low_coin),
        ("band_high_coin", hedge.band_high_coin),
    ):
        if abs(edge) < lot_coin:
            yield (
                (*here, key),
                (
                    "expected at least one lot on each side of the band: "
                    f"one lot of {LOT_USD:g} USD is {lot_coin:g} coins at {PRICE_USD_MIN:,.0f} USD "
                    f"(the lowest price allowed for), found {units.exact(edge):f} coins"
                ),
            )
    if 0 < hedge.ratio_percent <= FRACTION_MAX:
        meant = hedge.ratio_percent * 100
        yield (
            (*here, "ratio_percent"),
            (
                f"expected 0 or more than {FRACTION_MAX:g} up to 150 (percent), found "
                f"{hedge.ratio_percent:g}; {meant:g} % is written {meant:g}"
            ),
        )


def _counted_twice(here: KeyPath, config: Config, index: int) -> Iterator[Finding]:
    """A hedge is counted in the book that asked for it; no selector may count it again."""
    book = config.books[index]
    for other in config.books:
        name = other.hedge.instrument
        if name != book.hedge.instrument and may_hold(book.select, name):
            message = f"would hold {name}, the hedge of book {other.name}; add it to exclude"
            yield (*here, "select"), message


def _shares(config: Config) -> Iterator[Finding]:
    only = len(config.books) == 1
    total = 0.0
    for index, book in enumerate(config.books):
        total += book.collateral_share or 0.0
        if book.convention is Convention.USD and book.collateral_share is None and not only:
            yield (
                ("books", index, "collateral_share"),
                "required with convention usd and several books; expected a number above 0 up to 1",
            )
    if total > 1.0 + SHARE_SLACK:
        yield (
            ("books",),
            f"collateral_share adds up to {total:g} over the books; expected at most 1",
        )


def _overlaps(config: Config) -> Iterator[Finding]:
    for (_, one), (index, other) in combinations(enumerate(config.books), 2):
        shared = overlap(one.select, other.select)
        if shared:
            message = f"books {one.name} and {other.name} overlap: {shared}"
            yield ("books", index, "select"), message


def _margin(config: Config) -> Iterator[Finding]:
    margin = config.margin
    stages = ("warn_percent", "reduce_only_percent", "hold_percent")
    for lower, upper in pairwise(stages):
        below, above = getattr(margin, lower), getattr(margin, upper)
        if below >= above:
            yield ("margin", upper), f"expected more than {lower} {below:g}, found {above:g}"
    size_before = 0.0
    for index, (size, initial, maintenance) in enumerate(margin.futures_rates):
        here: KeyPath = ("margin", "futures_rates", index)
        if size <= size_before:
            yield here, f"expected a size above {size_before:g}, the row before, found {size:g}"
        if maintenance >= initial:
            yield (
                here,
                f"expected maintenance below initial {initial:g} percent, found {maintenance:g}",
            )
        size_before = size


def _orders(config: Config) -> Iterator[Finding]:
    orders = config.orders
    if orders.silence_max_seconds < orders.lifetime_seconds:
        yield (
            ("orders", "silence_max_seconds"),
            (
                f"expected at least lifetime_seconds {orders.lifetime_seconds:g}, "
                f"found {orders.silence_max_seconds:g}"
            ),
        )
    least = orders.silence_max_seconds + orders.settle_seconds + orders.query_interval_seconds
    if orders.unprovable_seconds <= least:
        yield (
            ("orders", "unprovable_seconds"),
            (
                f"expected more than silence_max + settle + query_interval = {least:g} seconds, "
                f"found {orders.unprovable_seconds:g}"
            ),
        )


def _dashboard(config: Config) -> Iterator[Finding]:
    dashboard = config.dashboard
    yield from _one_source(("dashboard", "token"), dashboard.token)
    if dashboard.bind != "localhost" and not _is_address(dashboard.bind):
        yield (
            ("dashboard", "bind"),
            f'expected an IP address such as 127.0.0.1, found "{dashboard.bind}"',
        )
        return
    if is_loopback(dashboard.bind):
        return
    if not dashboard.allow_remote:
        message = f"{dashboard.bind} lets other machines in; say so with allow_remote: true"
        yield ("dashboard", "bind"), message
    if dashboard.token is None:
        message = f"required: bind {dashboard.bind} lets other machines in; expected {{file: PATH}}"
        yield ("dashboard", "token"), message


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True
