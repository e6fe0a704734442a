"""What no single key can say: the checks across keys, after every key by itself is right."""

import ipaddress
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import Final, assert_never
from urllib.parse import SplitResult, urlsplit

from bot.core import units
from bot.core.instruments import Kind
from bot.quant.conventions import Convention
from bot.settings import alert_checks, margin_checks, safety_checks
from bot.settings.models import Book, Config, Hedge, RunMode
from bot.settings.problems import Finding, KeyPath
from bot.settings.sections import SecretReference
from bot.settings.selectors import Parsed, may_hold, overlap, parse_name, settles_in

# A coin-settled perpetual moves in lots of US dollars, which are the more coins the lower the
# price. The check takes the lowest price that still deserves a thought; the running daemon compares
# again at the price of the moment. A dollar-settled one moves in lots of coins.
LOT_USD: Final[Mapping[str, float]] = {"BTC": 10.0, "ETH": 1.0}
PRICE_USD_MIN: Final[Mapping[str, float]] = {"BTC": 20_000.0, "ETH": 500.0}
LINEAR_LOT_COIN: Final[Mapping[str, float]] = {"BTC": 0.0001, "ETH": 0.001}
LIVE_DOMAIN: Final = "deribit.com"
TESTNET_HOST: Final = "test.deribit.com"
FRACTION_MAX: Final = 1.5
SHARE_SLACK: Final = 1e-9


def findings(config: Config) -> Iterator[Finding]:
    """Yield everything that does not fit together, as key path and message."""
    yield from _addresses(config)
    yield from _credentials(config)
    yield from _watchdog(config)
    yield from _books(config)
    yield from _shares(config)
    yield from _overlaps(config)
    yield from margin_checks.findings(config)
    yield from _orders(config)
    yield from safety_checks.findings(config)
    yield from _journal(config)
    yield from _dashboard(config)
    yield from alert_checks.findings(config.alerts)


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


def _watchdog(config: Config) -> Iterator[Finding]:
    """A watchdog has a whole key or none; which it needs is asked when one is started."""
    keys = (("key", config.watchdog.key), ("secret", config.watchdog.secret))
    for key, reference in keys:
        yield from _one_source(("watchdog", key), reference)
    missing = [key for key, one in keys if one is None]
    if len(missing) == 1:
        yield ("watchdog", missing[0]), "required, but missing: give both key and secret or neither"


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
        yield from _select((*here, "select"), book, config)
        yield from _hedge((*here, "hedge"), book.hedge, config)
        yield from _counted_twice(here, config, index)
    yield from _owner(config, names)


def _owner(config: Config, names: Sequence[str]) -> Iterator[Finding]:
    """Where books share a hedge instrument, one of them must own what others trade in it."""
    owner = config.external_changes_to
    hedges = [book.hedge.instrument for book in config.books]
    sharing = [book.name for book in config.books if hedges.count(book.hedge.instrument) > 1]
    if owner is None and sharing:
        message = f"required where books share a hedge instrument; one of {', '.join(sharing)}"
        yield ("external_changes_to",), message
    elif owner is not None and owner not in names:
        yield ("external_changes_to",), f'no book is named "{owner}"; one of {", ".join(names)}'


def _select(here: KeyPath, book: Book, config: Config) -> Iterator[Finding]:
    select, hedge = book.select, parse_name(book.hedge.instrument)
    if hedge is not None and hedge.currency not in config.account.currencies:
        hedge = None  # a mistake of its own, told at its own key
    if hedge is not None and select.underlying != hedge.underlying:
        message = (
            f"hedged with {book.hedge.instrument}, a book holds positions on {hedge.underlying}, "
            f"found {select.underlying}"
        )
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
        one = parse_name(name)
        if hedge is not None and one is not None and _apart(one, hedge):
            message = (
                f"{name} is on {one.underlying} and settles in {one.currency}; "
                f"{book.hedge.instrument} hedges {hedge.underlying} settled in {hedge.currency}"
            )
            yield (*here, "include", index), message


def _apart(one: Parsed, hedge: Parsed) -> bool:
    return (one.underlying, one.currency) != (hedge.underlying, hedge.currency)


def _hedge(here: KeyPath, hedge: Hedge, config: Config) -> Iterator[Finding]:
    parsed = parse_name(hedge.instrument)
    if parsed is None or parsed.kind is Kind.OPTION:
        yield (
            (*here, "instrument"),
            (
                "expected a perpetual or future, such as BTC-PERPETUAL or BTC_USDC-PERPETUAL, "
                f"found {hedge.instrument}"
            ),
        )
    elif parsed.currency not in config.account.currencies:
        known = ", ".join(config.account.currencies)
        message = (
            f"{hedge.instrument} settles in {parsed.currency}, which is not among "
            f"account.currencies [{known}]"
        )
        yield (*here, "instrument"), message
    elif parsed.underlying not in LOT_USD:
        message = f"no lots are known of {parsed.underlying}; known: {', '.join(LOT_USD)}"
        yield (*here, "instrument"), message
    else:
        yield from _band(here, hedge, parsed)
    if 0 < hedge.ratio_percent <= FRACTION_MAX:
        meant = hedge.ratio_percent * 100
        yield (
            (*here, "ratio_percent"),
            (
                f"expected 0 or more than {FRACTION_MAX:g} up to 150 (percent), found "
                f"{hedge.ratio_percent:g}; {meant:g} % is written {meant:g}"
            ),
        )


def _band(here: KeyPath, hedge: Hedge, parsed: Parsed) -> Iterator[Finding]:
    """A band narrower than a lot would be left with every hedge."""
    if parsed.is_linear:
        lot_coin = LINEAR_LOT_COIN[parsed.underlying]
        lot = f"{lot_coin:g} coins"
    else:
        lot_usd, price = LOT_USD[parsed.underlying], PRICE_USD_MIN[parsed.underlying]
        lot_coin = lot_usd / price
        lot = (
            f"{lot_usd:g} USD is {lot_coin:g} coins at {price:,.0f} USD "
            "(the lowest price allowed for)"
        )
    for key, edge in (
        ("band_low_coin", hedge.band_low_coin),
        ("band_high_coin", hedge.band_high_coin),
    ):
        if abs(edge) < lot_coin:
            message = (
                f"expected at least one lot on each side of the band: one lot of {lot}, "
                f"found {units.exact(edge):f} coins"
            )
            yield (*here, key), message


def _counted_twice(here: KeyPath, config: Config, index: int) -> Iterator[Finding]:
    """A hedge is counted in the book that asked for it; no selector may count it again."""
    book = config.books[index]
    for other in config.books:
        name = other.hedge.instrument
        if name != book.hedge.instrument and may_hold(book, name):
            message = f"would hold {name}, the hedge of book {other.name}; add it to exclude"
            yield (*here, "select"), message


def _shares(config: Config) -> Iterator[Finding]:
    """Books in one currency divide its collateral; none may be answered for twice."""
    currencies = [settles_in(book) for book in config.books]
    totals: dict[str, float] = {}
    for index, (book, currency) in enumerate(zip(config.books, currencies, strict=True)):
        if currency is None:
            continue
        totals[currency] = totals.get(currency, 0.0) + (book.collateral_share or 0.0)
        alone = currencies.count(currency) == 1
        if _needs_share(book) and book.collateral_share is None and not alone:
            message = (
                f"required with convention {book.convention} and several books in {currency}; "
                "expected a number above 0 up to 1"
            )
            yield ("books", index, "collateral_share"), message
    for currency, total in totals.items():
        if total > 1.0 + SHARE_SLACK:
            message = f"collateral_share adds up to {total:g} over the books in {currency}"
            yield ("books",), f"{message}; expected at most 1"


def _needs_share(book: Book) -> bool:
    parsed = parse_name(book.hedge.instrument)
    linear = parsed is not None and parsed.is_linear
    return book.convention is (Convention.COIN if linear else Convention.USD)


def _overlaps(config: Config) -> Iterator[Finding]:
    for (_, one), (index, other) in combinations(enumerate(config.books), 2):
        shared = overlap(one, other)
        if shared:
            message = f"books {one.name} and {other.name} overlap: {shared}"
            yield ("books", index, "select"), message


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
    least = (
        orders.silence_max_seconds
        + config.safety.clock_skew_max_seconds
        + orders.settle_seconds
        + orders.query_interval_seconds
    )
    if orders.unknown_alert_seconds >= orders.unprovable_seconds:
        yield (
            ("orders", "unknown_alert_seconds"),
            (
                f"expected less than unprovable_seconds {orders.unprovable_seconds:g}, "
                f"found {orders.unknown_alert_seconds:g}"
            ),
        )
    if orders.unprovable_seconds <= least:
        yield (
            ("orders", "unprovable_seconds"),
            (
                "expected more than silence_max + safety.clock_skew_max + settle + query_interval "
                f"= {least:g} seconds, "
                f"found {orders.unprovable_seconds:g}"
            ),
        )


def _journal(config: Config) -> Iterator[Finding]:
    path, tape = config.journal.path, config.journal.tape_path
    if path.rpartition("/")[2] in {"", ".", ".."}:
        yield ("journal", "path"), f"expected the path of a file, found {path}, a directory"
    for key, text in (("path", path), ("tape_path", tape or "")):
        if text.startswith("~"):
            yield ("journal", key), f"~ is not expanded: write the whole path, found {text}"


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
