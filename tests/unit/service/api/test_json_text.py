import json

import pytest

from service.api.json_text import JsonText, encode


def test_what_is_written_already_stands_in_the_answer_as_it_is() -> None:
    answer = {"a": [JsonText(b"[1.50, -2e3]"), JsonText(b"null")], "é": 0.5, "b": JsonText(b'"x"')}
    assert encode(answer) == '{"a":[[1.50, -2e3],null],"é":0.5,"b":"x"}'.encode()


def test_an_answer_with_nothing_written_is_plain_json() -> None:
    answer = {"label": 'a "quoted" one, \\', "index": 3, "set": [], "note": None, "top": True}
    assert json.loads(encode(answer)) == answer


def test_what_is_no_json_is_refused() -> None:
    with pytest.raises(ValueError, match="object is no JSON"):
        encode({"a": object()})
