"""What OpenAPI says about requests and answers, beyond their schemas."""

from typing import Any

from fastapi import FastAPI

from service.api import examples
from service.api.problems import MEDIA_TYPE
from service.api.schemas.images import Options, Problem

_IMAGE = {"schema": {"type": "string", "format": "binary"}}
_FILES = {"type": "array", "items": {"type": "string", "format": "binary"}}
_BASE64_IMAGE = {
    "type": "object",
    "required": ["data"],
    "properties": {"data": {"type": "string", "format": "byte"}},
}


def image_request(options: type[Options], example: dict[str, Any]) -> dict[str, Any]:
    """A route's `openapi_extra`: its options as query parameters, and the three kinds of body."""
    properties = options.model_json_schema()["properties"].items()
    content = {
        "image/*": _IMAGE,
        "application/octet-stream": _IMAGE,
        "multipart/form-data": {
            "schema": {
                "type": "object",
                "required": ["images"],
                "properties": {"images": _FILES, "options": {"type": "object"}},
            },
            "encoding": {"options": {"contentType": "application/json"}},
        },
        "application/json": {
            "schema": {
                "type": "object",
                "required": ["images"],
                "properties": {
                    "images": {"type": "array", "items": _BASE64_IMAGE},
                    **dict(properties),
                },
            },
            "example": {"images": [{"data": "/9j/4AAQSkZJRgABAQ…"}], **example},
        },
    }
    return {
        "parameters": [
            {
                "name": name,
                "in": "query",
                "description": schema.get("description"),
                "schema": {k: v for k, v in schema.items() if k != "description"},
            }
            for name, schema in properties
        ],
        "requestBody": {
            "required": True,
            "description": "An image, or several; options of the body override the query's.",
            "content": content,
        },
    }


PROBLEMS: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "Problem details (RFC 9457)",
        "content": {
            MEDIA_TYPE: {"schema": Problem.model_json_schema(), "example": examples.PROBLEM}
        },
    }
}


def show_examples(app: FastAPI) -> None:
    """Have OpenAPI show answers. They are added to what FastAPI makes, which drops nulls."""
    make = app.openapi

    def openapi() -> dict[str, Any]:
        document = make()
        for path, shown in (
            ("/classify", examples.CLASSIFY),
            ("/explain", examples.EXPLAIN),
            ("/robustness", examples.ROBUSTNESS),
        ):
            answer = document["paths"][path]["post"]["responses"]["200"]
            answer["content"]["application/json"]["examples"] = shown
        return document

    app.openapi = openapi  # type: ignore[method-assign]  # FastAPI's way to extend it
