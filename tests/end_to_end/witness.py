"""How long the machine stood still meanwhile, so that nobody is judged by that."""

import http.client
import threading
import time
from typing import Self
from urllib.parse import urlsplit

LOOK_SECONDS = 0.02
ANSWER_SECONDS_MAX = 60.0


class Witness:
    """Asks some servers again and again; remembers the longest that each kept it waiting.

    What this process itself stood still is in it as well. On a quiet machine it comes to some
    milliseconds.
    """

    def __init__(self, *addresses: str) -> None:
        """Ask at these addresses, each by a thread of its own."""
        self._over = threading.Event()
        self._worst_seconds = dict.fromkeys(addresses, 0.0)
        self._threads = [threading.Thread(target=self._ask, args=(at,)) for at in addresses]

    @property
    def stood_ms(self) -> float:
        """What the longest standstills of all of them add up to, once it is over."""
        return 1_000.0 * sum(self._worst_seconds.values())

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _ask(self, address: str) -> None:
        split = urlsplit(address)
        assert split.hostname is not None
        line = http.client.HTTPConnection(split.hostname, split.port, timeout=ANSWER_SECONDS_MAX)
        known = time.monotonic()
        while not self._over.wait(LOOK_SECONDS):
            try:
                line.request("GET", split.path)
                line.getresponse().read()
            except (OSError, http.client.HTTPException):
                line.close()
                continue  # nobody answered: it goes on standing still
            now = time.monotonic()
            took = now - known - LOOK_SECONDS
            self._worst_seconds[address] = max(self._worst_seconds[address], took)
            known = now
        took = time.monotonic() - known - LOOK_SECONDS
        self._worst_seconds[address] = max(self._worst_seconds[address], took)
        line.close()
