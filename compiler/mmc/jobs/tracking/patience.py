"""Limits of time and size for what a tracking server or a database answers, so that it cannot stall or fill a job."""

import time
from collections.abc import Callable
from concurrent.futures import Future
from functools import cache
from threading import Thread
from typing import Any, ParamSpec, TypeVar

PATIENCE_S = 30.0
"""The time that a job waits for its store, in all, beyond the time that its calls usually take."""
REQUEST_S = 10
"""The time for a request and its answer."""
ANSWER_BYTES = 32 * 2**20
"""The size of the largest answer that is read; the largest known, a thousand runs with all parameters, has a few MB."""
CHUNK_BYTES = 2**14

Result = TypeVar("Result")
Arguments = ParamSpec("Arguments")


class OutOfPatienceError(Exception):
    """The store took too long."""


class Patience:
    """Calls of functions that may hang.

    Each runs in a thread of its own, because nothing else ends the wait for a name server, a database or a server that
    sends one byte a second. A thread that hangs is left behind; it does not keep the process from ending.
    """

    def __init__(self) -> None:
        self.left = PATIENCE_S

    def call(
        self,
        usual_s: float,
        function: Callable[Arguments, Result],
        *args: Arguments.args,
        **kwargs: Arguments.kwargs,
    ) -> Result:
        """The result of a function.

        :param usual_s: the time that the call may take without using up patience
        :raises OutOfPatienceError: when it takes too long
        :raises Exception: the function's own errors
        """
        future: Future[Result] = Future()

        def work() -> None:
            try:
                future.set_result(function(*args, **kwargs))
            except BaseException as error:
                future.set_exception(error)

        started = time.monotonic()
        Thread(target=work, daemon=True).start()
        try:
            return future.result(usual_s + self.left)
        except TimeoutError:
            if future.done():  # the function's own
                raise
            raise OutOfPatienceError(f"the store has not answered for {time.monotonic() - started:.0f} s") from None
        finally:
            self.left = max(0.0, self.left - max(0.0, time.monotonic() - started - usual_s))


@cache
def limit_answers() -> None:
    """Limit the time and the size of every answer that ``requests`` reads in this process.

    The timeout of ``requests`` is that of each read, so a server that goes on sending is never done.
    """
    from requests import ConnectionError as NoAnswerError
    from requests.adapters import HTTPAdapter

    send = HTTPAdapter.send

    def send_and_read(self: HTTPAdapter, request: Any, *args: Any, **kwargs: Any) -> Any:
        request.headers["Accept-Encoding"] = "identity"  # a compressed answer may be a thousand times as large
        started = time.monotonic()
        response = send(self, request, *args, **kwargs)
        try:
            content = _content(response, started + REQUEST_S)
        except BaseException as error:
            response.close()
            if isinstance(error, _AnswerError):
                raise NoAnswerError(str(error)) from error
            raise
        response._content, response._content_consumed = content, True
        return response

    HTTPAdapter.send = send_and_read  # type: ignore[method-assign]


class _AnswerError(Exception):
    """An answer is not read."""


def _content(response: Any, deadline: float) -> bytes:
    if response.headers.get("Content-Encoding", "identity") != "identity":
        raise _AnswerError("the server's answer is compressed, which was not asked for")
    content = bytearray()
    for chunk in response.raw.stream(CHUNK_BYTES, decode_content=False):
        content += chunk
        if len(content) > ANSWER_BYTES:
            raise _AnswerError(f"the server's answer is larger than {ANSWER_BYTES >> 20} MB")
        if time.monotonic() > deadline:
            raise _AnswerError(f"the server's answer takes longer than {REQUEST_S} s")
    return bytes(content)
