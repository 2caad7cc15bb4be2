"""The OpenAPI document at /docs.json: BentoML's own, corrected to what really answers here.

BentoML describes the two API functions. It does not know the keys, the shape of our refusals or the routes beside
its own, and it names itself as the contact and lists addresses that the guard keeps closed.
"""

from __future__ import annotations

from typing import Any

from serving.contract import SCORE_EXAMPLE, STORED_EXAMPLE
from serving.guard import ENTRIES
from serving.listed import BANDS
from serving.pages import FORMATS
from serving.requests import PREVIOUS_KEYS
from training.card_page import AUDIENCES
from training.targets import TARGETS

_SAYS = (
    "Scores of students with their reasons, gaps in skills and help that exists. Decision support only: a score is a "
    "reason to look and to ask, never a finding about a student."
)

_REFUSALS = {
    "400": "The body is malformed.",
    "401": "There is no key, or a bad one.",
    "403": "It belongs to somebody else.",
    "404": "There is no such thing.",
    "413": "The body is too large.",
    "422": "The records were refused; every problem is listed.",
    "429": "Too many requests are waiting.",
    "500": "Something went wrong on our side.",
    "503": "No model has been promoted yet.",
    "504": "The answer took too long.",
}

_ERROR: dict[str, Any] = {
    "type": "object",
    "required": ["error"],
    "properties": {
        "error": {
            "type": "object",
            "required": ["code", "message", "hint", "problems", "request_id"],
            "properties": {
                "code": {"type": "string", "description": "A word for programs."},
                "message": {"type": "string", "description": "What went wrong."},
                "hint": {"type": "string", "description": "What to do about it."},
                "request_id": {"type": "string", "description": "Finds the request in the log."},
                "problems": {
                    "type": "array",
                    "items": {
                        "type": "object",
                        "required": ["where", "problem", "hint"],
                        "properties": {
                            "where": {"type": "string"},
                            "problem": {"type": "string"},
                            "hint": {"type": "string"},
                            "code": {"type": "string"},
                        },
                    },
                },
            },
        }
    },
}

_KEY: dict[str, Any] = {"type": ["string", "null"], "description": "Key of the unit; one that is left out fits any."}

#: What a student of ``POST /score`` may bring of an earlier answer.
_PREVIOUS: dict[str, Any] = {
    "type": "array",
    "description": "What an earlier answer said of this student: its `risks`, or these keys of each. Whoever was on the list "
    "stays on it down to a lower line, and `changed_since` is told. Without it nobody was on a list.",
    "items": {
        "type": "object",
        "required": ["target", "band"],
        "properties": {
            "target": {"type": "string", "enum": sorted(TARGETS)},
            "band": {"type": "string", "enum": list(BANDS)},
            "enrolment_id": _KEY,
            "section_id": _KEY,
            "skill_id": _KEY,
            "as_of": {"type": ["string", "null"], "format": "date", "description": "The day of that answer."},
            "probability": {"type": ["number", "null"], "minimum": 0, "maximum": 1},
        },
    },
}
assert set(_PREVIOUS["items"]["properties"]) == set(PREVIOUS_KEYS)

#: What an answer says of the list before.
_CHANGED: dict[str, Any] = {
    "type": ["object", "null"],
    "description": "What this came to before: on the newest list of an earlier day, for stored students; by `previous_bands`, "
    "for students with their records. Null where nothing was said before, or it was not scored then and now.",
    "required": ["as_of", "text"],
    "properties": {
        "as_of": {"type": ["string", "null"], "format": "date", "description": "That day; null where a request did not say."},
        "probability": {"type": "number", "description": "For counselors and scientists, where it is known."},
        "band": {"type": "string", "enum": list(BANDS), "description": "In place of the probability."},
        "text": {
            "type": "string",
            "description": "Both bands, and for stored students what most of the difference comes from: records that arrived "
            "since, or a newer model. In the language of the answer.",
        },
    },
}

_STUDENT: dict[str, Any] = {
    "type": "object",
    "required": ["student_id"],
    "properties": {
        "student_id": {"type": "string"},
        "name": {"type": "string", "maxLength": 100, "description": "What sentences call the student."},
        "previous_bands": _PREVIOUS,
    },
    "additionalProperties": True,
}

_SCORE: dict[str, Any] = {
    "type": "object",
    "properties": {
        "risks": {
            "type": "array",
            "items": {"type": "object", "properties": {"changed_since": _CHANGED}, "additionalProperties": True},
        }
    },
    "additionalProperties": True,
}

_OPEN_ROUTES = {
    "/": ("This service in a few words.", "text/html"),
    "/livez": ("The process is alive.", "text/plain"),
    "/readyz": ("A model is in use and has just scored an example student.", "text/plain"),
    "/metrics": ("Counts and times of requests, for Prometheus.", "text/plain"),
    "/docs.json": ("This document.", "application/json"),
}

#: How a card is asked for as a page.
_AS_A_PAGE: list[dict[str, Any]] = [
    {
        "name": "format",
        "in": "query",
        "required": False,
        "schema": {"type": "string", "enum": list(FORMATS)},
        "description": "As JSON, as a page, or as its Markdown. By default what the Accept header prefers, else JSON.",
    },
    {
        "name": "audience",
        "in": "query",
        "required": False,
        "schema": {"type": "string", "enum": list(AUDIENCES)},
        "description": "Who reads the page; by default whom the key is for. The JSON is whole for everybody.",
    },
]

_SYSTEM: dict[str, Any] = {
    "description": "The card of the whole system: its models in use, who does what, and how it is stopped.",
    "operationId": "system_card",
    "parameters": _AS_A_PAGE,
}

_CARD: dict[str, Any] = {
    "description": "The model card of the model in use for a target, or of the very version behind a prediction.",
    "operationId": "model_card",
    "parameters": [
        {"name": "target", "in": "path", "required": True, "schema": {"type": "string"}, "example": "dropout"},
        {
            "name": "prediction_id",
            "in": "query",
            "required": False,
            "schema": {"type": "string"},
            "description": "Asks for the card of the version that made this prediction.",
        },
        *_AS_A_PAGE,
    ],
}


def reference(found: dict[str, Any]) -> dict[str, Any]:
    """Return the document, made from the one that BentoML generates for its API functions."""
    schemas = {
        name: schema for name, schema in found["components"]["schemas"].items() if name.startswith(("Score", "Stored", "score"))
    }
    for schema in schemas.values():
        _told(schema)
    paths: dict[str, Any] = {
        path: {"get": {"description": says, "responses": {"200": {"description": says, "content": {kind: {}}}}}}
        for path, (says, kind) in _OPEN_ROUTES.items()
    }
    for path, example in (("/score", SCORE_EXAMPLE), ("/students/score", STORED_EXAMPLE)):
        post = found["paths"][path]["post"]
        for media in post["requestBody"]["content"].values():
            media["example"] = example
            _told(media["schema"])
        for media in post["responses"][200]["content"].values():
            _told(media["schema"])
        post["requestBody"]["required"] = True
        paths[path] = {"post": _guarded(post, post["responses"])}
    page = {"schema": {"type": "string"}}
    content = {"application/json": {"schema": {"type": "object"}}, "text/html": page, "text/markdown": page}
    answer = {"200": {"description": "The card.", "content": content}}
    paths["/model-card/{target}"] = {"get": _guarded(dict(_CARD), answer)}
    paths["/system-card"] = {"get": _guarded(dict(_SYSTEM), answer)}
    assert set(paths) == {entry.path for entry in ENTRIES}, "a route is missing from the reference, or is only there"
    return {
        "openapi": found["openapi"],
        "info": {"title": "Homeroom", "description": _SAYS, "version": "1"},
        "servers": [{"url": "."}],
        "paths": paths,
        "components": {
            "schemas": schemas | {"Error": _ERROR},
            "securitySchemes": {"key": {"type": "http", "scheme": "bearer"}},
        },
    }


def _told(schema: dict[str, Any]) -> None:
    """Add to a schema what BentoML cannot see: what is read of a student, and what an answer says of the list before."""
    if schema["title"] == "ScoreRequest":
        schema["properties"]["students"]["items"] = _STUDENT
    elif schema["title"] == "ScoreAnswer":
        schema["properties"]["scores"] = {"type": "array", "items": _SCORE}


def _guarded(operation: dict[str, Any], answers: dict[Any, Any]) -> dict[str, Any]:
    """Return an operation that needs a key and refuses in our shape."""
    shape = {"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}}
    refusals = {status: {"description": says, "content": shape} for status, says in _REFUSALS.items()}
    good = next(answer for status, answer in answers.items() if str(status) == "200")
    operation.pop("tags", None)
    return operation | {"security": [{"key": []}], "responses": {"200": good} | refusals}
