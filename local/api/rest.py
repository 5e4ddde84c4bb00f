"""`/rest/v1`: handed on to PostgREST, bytes as they come."""

from collections.abc import Callable
from typing import IO, Any, cast
from urllib.parse import parse_qsl, urlencode

import urllib3
from werkzeug import Request, Response

from local.api.errors import as_json
from local.ports import HOST

# Seconds.
CONNECT, READ = 5, 120
CHUNK = 1 << 16
# Headers of one connection alone (RFC 9110, 7.6.1), and those that the gateway writes itself.
NOT_PASSED_ON = {
    *("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "te", "trailer", "upgrade"),
    *("transfer-encoding", "host", "apikey", "server", "date"),
}
LENGTH = "Content-Length"


class Rest:
    """PostgREST behind its port."""

    def __init__(self, port: int) -> None:
        self._address = f"http://{HOST}:{port}"
        timeout = urllib3.Timeout(connect=CONNECT, read=READ)
        self._http = urllib3.PoolManager(maxsize=20, timeout=timeout, retries=False)

    def answer(self, request: Request, path: str, token: str) -> Response:
        """PostgREST's answer.

        :param path: below the prefix, as it was sent
        :param token: who asks
        """
        query = _without_key(request.query_string.decode("latin-1"))
        headers = {name: value for name, value in request.headers if _passes(name) and name != LENGTH}
        headers["Authorization"] = f"Bearer {token}"
        body = None if request.method in ("GET", "HEAD") else cast(IO[Any], _Body(request.stream))
        # The length is that of what is handed on, or else what is behind it would be the next caller's request.
        chunked = body is not None and request.content_length is None
        if body is not None and request.content_length is not None:
            headers[LENGTH] = str(request.content_length)
        try:
            found = self._http.request(
                request.method,
                f"{self._address}/{path}{'?' if query else ''}{query}",
                body=body,
                headers=headers,
                chunked=chunked,
                preload_content=False,
                redirect=False,
                decode_content=False,
            )
        except urllib3.exceptions.HTTPError as error:
            timed_out = isinstance(error, urllib3.exceptions.ReadTimeoutError)
            said = "PostgREST took too long" if timed_out else "PostgREST doesn't answer; ./vpb logs --api says why"
            return as_json({"message": said}, 504 if timed_out else 503)
        passed = [(name, value) for name, value in found.headers.items() if _passes(name)]
        answer = Response(found.stream(CHUNK, decode_content=False), found.status, passed)
        return closed_after(answer, request, found.close)


def closed_after(answer: Response, request: Request, close: Callable[[], object]) -> Response:
    """An answer whose source is closed when it is sent, or at once where nothing of it is: a part of it may be left."""
    if request.method == "HEAD" or answer.status_code in (204, 304):
        close()
    else:
        answer.call_on_close(close)
    return answer


class _Body:
    """What is sent, as urllib3 reads it: a file that can't go back."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream

    def read(self, size: int = CHUNK) -> bytes:
        return cast(bytes, self._stream.read(size))


def _passes(name: str) -> bool:
    lower = name.lower()
    return lower not in NOT_PASSED_ON and not lower.startswith("access-control-")


def _without_key(query: str) -> str:
    """A query as it is, but for the key of the API: PostgREST would take it for a column."""
    if "apikey=" not in query:
        return query
    return urlencode([pair for pair in parse_qsl(query, keep_blank_values=True) if pair[0] != "apikey"])


def ready(port: int) -> bool:
    """Whether PostgREST has a connection and knows the structure, as its own port for administrators says."""
    try:
        with urllib3.PoolManager(retries=False, timeout=2) as http:
            return bool(http.request("GET", f"http://{HOST}:{port}/ready").status == 200)
    except urllib3.exceptions.HTTPError:
        return False
