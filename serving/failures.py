"""What is said when a request is not answered, to the one who asked and in the log.

There is one shape for every refusal. The log gets an exception's type and the places it came through, and never its
words: an exception may quote the value it stumbled over, and that value may be something about a child.
"""

from __future__ import annotations

import logging
import traceback
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, TracebackType

import orjson

from features.problems import NotFound, Problem, Refused, Unavailable
from serving.contract import NoModel, NotYours

log = logging.getLogger("homeroom.serving")

_NONE: Mapping[str, str] = MappingProxyType({})


@dataclass(frozen=True, slots=True)
class Failure:
    """A refusal: a status, a word for programs, a sentence for people and a way out."""

    status: int
    code: str
    message: str
    hint: str
    problems: Sequence[Problem] = ()
    headers: Mapping[str, str] = field(default_factory=lambda: _NONE)

    def body(self, request_id: str) -> bytes:
        """Return the refusal as JSON. The request id finds the entry in the log, if there is one."""
        error = {
            "code": self.code,
            "message": self.message,
            "hint": self.hint,
            "problems": [problem.as_dict() for problem in self.problems],
            "request_id": request_id,
        }
        return orjson.dumps({"error": error})


NO_ROUTE = Failure(404, "unknown_route", "There is nothing at this address.", "GET /docs.json lists what there is.")
NO_KEY = Failure(
    401,
    "no_key",
    "This needs a key.",
    "Send the header 'Authorization: Bearer <key>'. Your school's administrator makes keys.",
    headers=MappingProxyType({"WWW-Authenticate": "Bearer"}),
)
BAD_KEY = Failure(
    401,
    "bad_key",
    "This key is not known here, or it was revoked.",
    "Check that it was copied whole; a new one can be made at any time.",
    headers=MappingProxyType({"WWW-Authenticate": 'Bearer error="invalid_token"'}),
)
NOT_JSON_TYPE = Failure(
    400, "not_json", "The body is not declared as JSON.", "Send the header 'Content-Type: application/json'."
)
NOT_FORM_TYPE = Failure(400, "not_form", "This is not a form.", "Send it from the page that it belongs to.")
COMPRESSED = Failure(400, "compressed", "Compressed bodies are not read.", "Send the JSON as it is.")
SLOW_SENDER = Failure(408, "slow_sender", "The body did not arrive in time.", "Send it again, in smaller parts.")
BUSY = Failure(
    429,
    "too_many",
    "More requests are waiting than this service can hold.",
    "Try again in a second; several students fit into one request.",
    headers=MappingProxyType({"Retry-After": "1"}),
)
TOO_SLOW = Failure(504, "too_slow", "The answer took too long and was given up.", "Send fewer students at a time.")

#: What an answer that somebody else produced is rewritten to; its own words are dropped.
_BY_STATUS: Mapping[int, Failure] = {
    400: Failure(400, "malformed", "The request could not be read.", "GET /docs.json shows the form it must have."),
    404: NO_ROUTE,
    405: Failure(405, "wrong_method", "This address does not take this method.", "GET /docs.json lists the methods."),
    429: BUSY,
    503: Failure(503, "not_ready", "The service is not ready.", "Try again in a moment."),
    504: TOO_SLOW,
}


def failure_of_status(status: int, request_id: str) -> Failure:
    """Return the refusal for a bare status."""
    if status in _BY_STATUS:
        return _BY_STATUS[status]
    return _BY_STATUS[400] if status < 500 else _our_fault(request_id)


def wrong_method(allowed: Sequence[str]) -> Failure:
    """Return the refusal of a method, with those that would do."""
    methods = ", ".join(sorted(allowed))
    return Failure(
        405,
        "wrong_method",
        "This address does not take this method.",
        f"Use {methods}.",
        headers=MappingProxyType({"Allow": methods}),
    )


def too_large(limit: int) -> Failure:
    """Return the refusal of a body above the limit."""
    return Failure(
        413,
        "too_large",
        f"The body is larger than {limit:,} bytes.",
        "Send the students in several requests.",
    )


def failure_of_error(error: Exception, request_id: str) -> Failure:
    """Return what the sender is told about an exception. One that nobody meant to raise is logged, wordless."""
    match error:
        case Refused():
            return _refusal(error)
        case NoModel():
            return Failure(
                503,
                "no_model",
                str(error) or "No model has been promoted yet.",
                "Train a model and promote it: homeroom train, homeroom promote.",
            )
        case NotYours():
            return Failure(403, "not_yours", str(error), "Ask with a key of the school that it belongs to.")
        case NotFound():
            return Failure(404, "not_found", str(error), "Check the name; GET /docs.json lists the addresses.")
        case Unavailable():
            # Its words name folders and addresses of the operator's, who finds the places in the log.
            log.error("Request %s failed: %s", request_id, places(error))
            return Failure(
                503, "unavailable", "The models cannot be reached at the moment.", "Try again in a moment.",
                headers=MappingProxyType({"Retry-After": "10"}),
            )  # fmt: skip
        case _:
            log.error("Request %s failed: %s", request_id, places(error))
            return _our_fault(request_id)


def places(error: BaseException) -> str:
    """Return an exception's type and the places it passed, and those of its causes, without any of their words."""
    told = []
    seen: set[int] = set()
    cause: BaseException | None = error
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        frames = traceback.extract_tb(cause.__traceback__)
        passed = " > ".join(f"{'/'.join(Path(frame.filename).parts[-2:])}:{frame.lineno}" for frame in frames)
        told.append(f"{type(cause).__module__}.{type(cause).__qualname__} at {passed or 'an unknown place'}")
        cause = cause.__cause__ or cause.__context__
    return ", after ".join(told)


class WithoutValues(logging.Filter):
    """Takes the words out of every log record that carries an exception, whoever wrote it.

    BentoML logs the exceptions of an API function with their traceback, and a validation error there quotes its
    input. Nothing of ours reaches that place, as far as we know; this is for what we do not know.
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Replace the message by the exception's type and places; let every record through."""
        if record.exc_info:
            error = record.exc_info[1]
            record.msg = f"An exception in {record.name}: {places(error) if error else 'of an unknown type'}"
            record.args = ()
            record.exc_info = None
        record.exc_text = None
        record.stack_info = None
        return True


class Outlived:
    """Where exceptions of work in the background end: where it went wrong is all that is logged.

    Args:
        to: the log.
        said: what did not come about, with one place for where.

    """

    def __init__(self, to: logging.Logger, said: str) -> None:
        self._log, self._said = to, said

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        if not isinstance(error, Exception):
            return False
        self._log.warning(self._said, places(error))
        return True


def silence_values() -> None:
    """Put :class:`WithoutValues` on every handler there is. Called once the service has started.

    Not earlier: what goes wrong at the start is read by the operator, knows no student, and needs its words.
    """
    loggers = [logging.getLogger(), *(logging.getLogger(name) for name in logging.Logger.manager.loggerDict)]
    for handler in {handler for logger in loggers for handler in logger.handlers}:
        handler.addFilter(WithoutValues())


def _refusal(error: Refused) -> Failure:
    """Return what is said of what was refused: 403 where it is not among somebody's rights, 422 for all that is wrong."""
    if any(one.code == "not_permitted" for one in error.problems):
        return Failure(403, "not_permitted", f"{error.what}.", error.problems[0].hint, error.problems)
    told = "Every problem that was found is listed; nothing was scored."
    return Failure(422, "refused", f"{error.what}.", told, error.problems)


def _our_fault(request_id: str) -> Failure:
    return Failure(500, "internal", "Something went wrong on our side.", f"Tell us the request id {request_id}.")
