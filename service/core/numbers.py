"""Numbers as clients send them: JSON's true and false are none, though Python counts them."""

from typing import Any

from pydantic import BeforeValidator
from pydantic_core import PydanticCustomError


def _no_truth_value(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("number", "Input should be a number, not true or false")
    return value


NotTruth = BeforeValidator(_no_truth_value)
