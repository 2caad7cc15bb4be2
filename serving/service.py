"""The BentoML service: the only file that imports BentoML.

It holds no rule of its own. :mod:`serving.guard` decides what comes in, the desk works, this file connects the two
and sets BentoML so that it logs no request, traces none and tells nobody outside that it runs.
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

# BentoML reports its use to its makers. It reads this when it is imported.
os.environ["BENTOML_DO_NOT_TRACK"] = "True"

import bentoml
import orjson
from bentoml import IODescriptor
from pydantic import ConfigDict, Field
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.routing import Route

from features.problems import Unavailable
from serving import pages, system_card
from serving.cases.keys import Keyring
from serving.cases.oidc import open_provider
from serving.contract import FIRST_LANGUAGE, Desk, NoModel, ServeSettings, open_chosen_desk
from serving.failures import Failure, log, silence_values
from serving.guard import CALL, ENTRIES, Boundary, Call, Entry, Guard
from serving.home import home_page
from serving.measures import Measures
from serving.reference import reference
from serving.review.reception import Reception, addresses
from training import card_page

SETTINGS = ServeSettings.from_environment()


class _Known(IODescriptor):  # type: ignore[misc]
    """A request body that the guard has read, parsed and checked.

    BentoML would parse it a second time, through pydantic, whose errors quote what they could not read.
    """

    @classmethod
    async def from_http_request(cls, request: object, serde: object) -> IODescriptor:
        """Return the body that the guard left in the call, as it is."""
        body = CALL.get().body
        return cls.model_construct(**{name: body.get(name) for name in cls.model_fields})


class ScoreRequest(_Known):
    """Students with their records, to be looked at from one day. `language` names that of the answer, English by default."""

    model_config = ConfigDict(extra="allow")

    as_of: str = Field(description="The day to look from, as YYYY-MM-DD. Nothing learned after it is used.")
    students: list[dict[str, object]] = Field(
        description="One object per student: a student_id, and the rows of each table by the table's name. For the model of "
        "a flat file: a student_id and a row, its columns as in the file; `target` names the model where several are in use."
    )


class StoredRequest(_Known):
    """Students whose records are here. `language` names that of the answer, English by default."""

    student_ids: list[str] = Field(description="Keys of students of your school.")


class ScoreAnswer(IODescriptor):  # type: ignore[misc]
    """What is said of each student, for the audience of the key."""

    model_config = ConfigDict(extra="allow")


def _answered(work: Callable[[Call], dict[str, object]]) -> Response:
    """Return the answer to the call at hand. Of a failure, the guard writes the words."""
    call = CALL.get()
    with Boundary(call):
        return Response(orjson.dumps(work(call), option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")
    return Response(status_code=500)


def _home(request: Request) -> Response:
    return HTMLResponse(home_page(request.headers.get("host", ""), request.url.scheme))


def _metrics(request: Request) -> Response:
    page, kind = request.app.state.measures().page()
    return Response(page, media_type=kind)


def _reference(request: Request) -> Response:
    if not hasattr(request.app.state, "reference"):
        found = cast("Any", Homeroom).openapi_spec.asdict()
        request.app.state.reference = orjson.dumps(reference(found), option=orjson.OPT_NON_STR_KEYS)
    return Response(request.app.state.reference, media_type="application/json")


def _card(request: Request, find: Callable[[Desk, Call], dict[str, object]], page: Callable[..., str]) -> Response:
    """Return a card as its asker wants it: JSON, or a page for an audience."""
    call, desk = CALL.get(), request.app.state.desk
    with Boundary(call):
        asked = pages.asked(request.query_params, request.headers.get("accept", ""), call.caller.audience)
        found = find(desk, call)
        if asked.format == "json":
            return Response(orjson.dumps(found, option=orjson.OPT_SERIALIZE_NUMPY), media_type="application/json")
        text = page(found, asked.audience)
        return HTMLResponse(pages.html(text)) if asked.format == "html" else Response(text, media_type="text/markdown")
    return Response(status_code=500)


def _model_card(request: Request) -> Response:
    target, prediction = request.path_params["target"], request.query_params.get("prediction_id")
    return _card(request, lambda desk, call: desk.model_card(target, prediction, call.caller.tenant), card_page.page)


def _system_card(request: Request) -> Response:
    return _card(request, lambda desk, call: desk.system_card(call.caller.tenant), system_card.page)


def _review(request: Request) -> Response:
    call = CALL.get()
    with Boundary(call):
        return RECEPTION.answer(request, call.form, call.request_id)
    return Response(status_code=500)


#: The routes that are not API functions. Mounted at /, they also take the place of BentoML's own page there.
PAGES = Starlette(
    routes=[
        Route("/", _home),
        Route("/metrics", _metrics),
        Route("/docs.json", _reference),
        Route("/model-card/{target}", _model_card),
        Route("/system-card", _system_card),
        # The reception reads addresses itself: a key of a school may hold a stroke.
        Route("/{rest:path}", _review, methods=["GET", "POST"]),
    ]
)
KEYS = Keyring(SETTINGS.database_url)
RECEPTION = Reception(
    SETTINGS.home, SETTINGS.tenant, KEYS.open, lambda: cast("Desk", PAGES.state.desk), SETTINGS.review,
    lambda: datetime.now(UTC), open_provider(SETTINGS.oidc), warms=True,
)  # fmt: skip
_MEASURES: list[Measures] = []


def _measures() -> Measures:
    """Return this worker's measures, made when first asked for (see :class:`~serving.measures.Measures`)."""
    if not _MEASURES:
        _MEASURES.append(Measures(SETTINGS.home))
    return _MEASURES[0]


def _note(route: str, status: int, seconds: float) -> None:
    _measures().note(route, status, seconds)


PAGES.state.measures = _measures


@bentoml.service(
    name="homeroom",
    workers=SETTINGS.workers,
    threads=1,  # scoring holds the interpreter: two threads of it would only be slower together; use workers
    # The guard gives up after timeout_s twice, once reading and once answering; this is behind it, for what hangs.
    traffic={"timeout": 2 * SETTINGS.timeout_s + 10},
    metrics={"enabled": False, "namespace": "bentoml_service"},
    logging={"access": {"enabled": False}},
    tracing={"excluded_urls": ".*"},
)
class Homeroom:
    """Scores of students with their reasons. Decision support only."""

    def __init__(self) -> None:
        KEYS.open()
        self.desk = open_chosen_desk(SETTINGS.home)
        PAGES.state.desk = self.desk
        try:
            self.desk.example()  # the first score of a process is slow, and no caller should have to wait for it
        except NoModel:
            log.warning("No model has been promoted yet: /score answers 503 and /readyz says so until one is.")
        except Unavailable as error:
            log.warning("%s /score answers 503 and /readyz says so until it can.", error)
        RECEPTION.open()
        silence_values()
        # What is imported and loaded by now stays for good. Walking it again and again in search of garbage is what
        # makes one request in a hundred slow: 150 ms instead of 10 at the 99th percentile.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 50, 100)

    @bentoml.api(route="/score", input_spec=ScoreRequest, output_spec=ScoreAnswer)  # type: ignore[untyped-decorator]
    def score(self, as_of: str, students: list[dict[str, object]]) -> Response:
        """Score students from the records in the request: risk, reasons, gaps in skills and help that exists.

        The same code computes the features as in training. Nothing is stored.
        """
        return _answered(lambda call: self.desk.score(call.body, call.caller.tenant, call.caller.audience))

    @bentoml.api(route="/students/score", input_spec=StoredRequest, output_spec=ScoreAnswer)  # type: ignore[untyped-decorator]
    def score_stored(self, student_ids: list[str]) -> Response:
        """Score the latest stored records of students that the school of this key owns."""

        def work(call: Call) -> dict[str, object]:
            language = call.body.get("language", FIRST_LANGUAGE)
            return self.desk.score_stored(student_ids, call.caller.tenant, call.caller.audience, language)

        return _answered(work)

    def __is_ready__(self) -> bool:
        """Tell whether an example student can be scored right now. BentoML asks this for /readyz."""
        call = CALL.get()
        with Boundary(call):
            self.desk.example()
            return True
        if call.failure and call.failure.status != 503:
            call.failure = Failure(503, "not_ready", "The example could not be scored.", call.failure.hint)
        return False


# The decorator has turned the class into BentoML's own Service, which mypy cannot see.
cast("Any", Homeroom).mount_asgi_app(PAGES, path="/")
cast("Any", Homeroom).add_asgi_middleware(
    Guard, settings=SETTINGS, keys=KEYS, measure=_note, refused=RECEPTION.refused,
    entries=(*ENTRIES, *(Entry(path, method, page=True) for path, method in addresses())),
)  # fmt: skip
