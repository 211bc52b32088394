"""One file by https: whose redirects are few, stay with https, and do not lead from a public host to a private one.

In: what fsspec asks for.  Out: an aiohttp session, and what it saw: the headers of the answer.
Not here: bringing the file and what errors mean (fetching.py), which addresses are read (addresses.py).
"""

from __future__ import annotations

import ipaddress
import socket
import ssl
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote, urlsplit
from urllib.request import getproxies

from liftune.errors import DataError

#: A browser follows 20; a file that is kept well needs two or three.
MOST_REDIRECTS = 10
#: Seconds to connect, and between two pieces of what arrives.
CONNECT_SECONDS, SILENT_SECONDS = 30.0, 60.0
#: What may stand in an address as it is; % begins what is quoted already.
_PLAIN = "%/:?#[]@!$&'()*+,;=~"


class Visit:
    """What one download may do, and what it saw.

    Args:
        location: the address; its host is the one that the user named.
        shown: what messages call it.
    """

    def __init__(self, location: str, shown: str) -> None:
        self._shown = shown
        self._named = (urlsplit(quoted(location)).hostname or "").rstrip(".")
        self._named_is_private: bool | None = None
        proxies = (urlsplit(each if "//" in each else f"//{each}").hostname for each in getproxies().values())
        self._proxies = frozenset(proxies)
        self.headers: Mapping[str, str] = {}
        """Of the answer."""
        self.status = 0
        self.last = ""
        """The address that answered, which may hold a secret."""

    async def session(self, **_: Any) -> Any:
        """The aiohttp.ClientSession that fsspec uses."""
        import aiohttp

        tracing = aiohttp.TraceConfig()
        tracing.on_request_redirect.append(self._on_redirect)
        tracing.on_request_end.append(self._on_end)
        return aiohttp.ClientSession(
            # What is named .gz must arrive as it is: whatever a server packs is recognised by its first bytes.
            headers={"Accept-Encoding": "identity"},
            auto_decompress=False,
            # As curl and pip do: HTTPS_PROXY, NO_PROXY and ~/.netrc count.
            trust_env=True,
            requote_redirect_url=False,  # a signature covers the address as it was written
            connector=aiohttp.TCPConnector(
                ssl=ssl.create_default_context(), resolver=_resolver(self), use_dns_cache=False
            ),
            timeout=patience(),
            trace_configs=[tracing],
        )

    async def _on_redirect(self, session: Any, context: Any, params: Any) -> None:
        """Refuse a redirect that leaves https, before it is followed."""
        from yarl import URL

        answer = params.response
        target = URL(answer.headers.get("Location") or answer.headers.get("URI") or "", encoded=True)
        if target.scheme and target.scheme != "https":
            raise DataError(
                f"the server redirects from https to {target.scheme}, which is not followed",
                where=self._shown,
                hint="look where it leads (curl -sSLI ADDRESS), and give the address of the file itself",
            )
        if target.raw_host:
            self.meets(target.raw_host, [target.raw_host])

    async def _on_end(self, session: Any, context: Any, params: Any) -> None:
        answer = params.response
        self.headers, self.last, self.status = answer.headers, str(answer.url), answer.status

    def meets(self, host: str, found: Sequence[str]) -> None:
        """Refuse a host on a private network that somebody else than the user named.

        Who names such a host himself may be led to others. A proxy resolves names itself: only where an address stands
        in the place of a name can this be seen then.

        Args:
            found: its addresses; a name among them says nothing.

        Raises:
            DataError: a redirect led to it.
        """
        known = [each.is_global for each in map(_ip, found) if each is not None]
        if known and self._named_is_private is None and host.rstrip(".") == self._named:
            self._named_is_private = not any(known)  # what it is later does not count
        elif not all(known) and not self._named_is_private and host not in self._proxies:
            raise DataError(
                f"the server redirects to {host}, which is on a private network",
                where=self._shown,
                hint="give that address itself, if you mean it",
            )


def patience() -> Any:
    """The aiohttp.ClientTimeout of a file: as long as it takes, if something arrives."""
    import aiohttp

    return aiohttp.ClientTimeout(total=None, sock_connect=CONNECT_SECONDS, sock_read=SILENT_SECONDS)


def _ip(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """An IP address; of one that only wraps an IPv4 address, that."""
    try:
        found = ipaddress.ip_address(text.strip("[]").partition("%")[0])
    except ValueError:
        return None
    if isinstance(found, ipaddress.IPv6Address):
        packed = found.packed
        if found.ipv4_mapped is not None:
            return found.ipv4_mapped
        if found.sixtofour is not None:
            return found.sixtofour
        if packed[:12] == bytes.fromhex("0064ff9b") + bytes(8):  # NAT64
            return ipaddress.IPv4Address(packed[12:])
    return found


def _resolver(visit: Visit) -> Any:
    """Names -> addresses as the system finds them, each one seen by the visit before anything connects to it."""
    import aiohttp

    class Seen(aiohttp.ThreadedResolver):
        async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> Any:
            found = await super().resolve(host, port, family)
            visit.meets(host, [each["host"] for each in found])
            return found

    return Seen()


def quoted(location: str) -> str:
    """An address whose spaces and letters beyond ASCII are quoted, and all else is as it was written.

    >>> quoted("https://b\\u00fccher.example:8000/my r\\u00f6ws.csv?sig=a%2Fb")
    'https://xn--bcher-kva.example:8000/my%20r%C3%B6ws.csv?sig=a%2Fb'
    """
    host = urlsplit(location).netloc
    return quote(location if host.isascii() else location.replace(host, host.encode("idna").decode(), 1), safe=_PLAIN)
