"""What OpenAPI says about requests and answers, beyond their schemas."""

from typing import Any

from service.api.problems import MEDIA_TYPE
from service.api.schemas import Problem

_IMAGE = {"schema": {"type": "string", "format": "binary"}}
_FILES = {"type": "array", "items": {"type": "string", "format": "binary"}}
_BASE64_IMAGE = {
    "type": "object",
    "required": ["data"],
    "properties": {"data": {"type": "string", "format": "byte"}},
}


def image_body(example_options: dict[str, Any]) -> dict[str, Any]:
    """The three ways to send images, for a route's `openapi_extra`."""
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
                "properties": {"images": {"type": "array", "items": _BASE64_IMAGE}},
            },
            "example": {"images": [{"data": "/9j/4AAQSkZJRgABAQ…"}], **example_options},
        },
    }
    return {
        "requestBody": {
            "required": True,
            "description": "An image, or several; options of the body override the query's.",
            "content": content,
        }
    }


PROBLEMS: dict[int | str, dict[str, Any]] = {
    "default": {
        "description": "Problem details (RFC 9457)",
        "content": {MEDIA_TYPE: {"schema": Problem.model_json_schema()}},
    }
}
