"""Pages of a list: size, beginning, and the sealed token that says where the next one begins."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from google.protobuf.message import Message

from chassis import call
from chassis.errors import InvalidPageToken
from chassis.sealing import Seal

Row = TypeVar("Row")

# Contract, rule 10.
DEFAULT_SIZE = 50
MOST = 1000
KEPT_SECONDS = 24 * 3600


@dataclass(frozen=True, slots=True)
class Page:
    """One page: at most ``size`` rows, of those behind the sort key ``after`` (None: from the top).

    Ask the repository for ``fetch`` rows: one more than shown tells whether another page follows.
    """

    size: int
    after: tuple[str, ...] | None
    _seal: Callable[[Sequence[str]], str]

    @property
    def fetch(self) -> int:
        return self.size + 1

    def cut(
        self, rows: Sequence[Row], key: Callable[[Row], Sequence[Any]]
    ) -> tuple[list[Row], str]:
        """Return the rows to show and the next page's token, empty on the last page.

        ``key`` gives a row's sort key, of which the text forms are sealed.
        """
        shown = list(rows[: self.size])
        if len(rows) <= self.size:
            return shown, ""
        return shown, self.behind(key(shown[-1]))

    def behind(self, key: Sequence[Any]) -> str:
        """Return the token of the page that begins behind the sort key ``key``."""
        return self._seal([str(each) for each in key])


class Paging:
    """Opens and seals page tokens: a token serves its own caller, method and filter for a day.

    Caller, tenant, method and filter are authenticated, not carried.
    """

    def __init__(self, secret: bytes) -> None:
        self._seal = Seal(secret, "page tokens")

    def page(self, request: Message) -> Page:
        """Read the page that ``request`` asks for, by its ``page_size`` and ``page_token``.

        Raises InvalidPageToken for one that is foreign, changed, expired or of another query.
        """
        given: Any = request
        query = _fingerprint(request)
        size = min(given.page_size or DEFAULT_SIZE, MOST)
        after = self._open(given.page_token, query) if given.page_token else None
        return Page(size, after, lambda key: self._token(key, query))

    def _token(self, key: Sequence[str], query: bytes) -> str:
        content = json.dumps([int(time.time()) + KEPT_SECONDS, *key]).encode()
        return base64.urlsafe_b64encode(self._seal.close(content, query)).decode()

    def _open(self, token: str, query: bytes) -> tuple[str, ...]:
        try:
            sealed = base64.b64decode(token, altchars=b"-_", validate=True)
            expires, *key = json.loads(self._seal.open(sealed, query))
        except (binascii.Error, ValueError) as error:
            raise InvalidPageToken from error
        if expires < time.time():
            raise InvalidPageToken
        return tuple(key)


def _fingerprint(request: Message) -> bytes:
    """Identify the query: who asks, by which method, for what, wherever the page begins."""
    query: Any = type(request)()
    query.CopyFrom(request)
    query.page_token, query.page_size = "", 0
    current = call.current()
    method, principal = (current.method, current.principal) if current else ("", None)
    # A method that is open to anybody has one page token for everybody.
    caller = f"{principal.user_id}|{principal.tenant_id}" if principal else "anybody"
    who = f"{method}|{caller}|".encode()
    return hashlib.sha256(who + query.SerializeToString(deterministic=True)).digest()
