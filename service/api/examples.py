"""Answers as OpenAPI shows them; the tests hold them against the schemas."""

from typing import Any

_ID = "5f0c6a1de0c64d3f9f0e6f6f2f6a7d10"
_HEAD = {"request_id": _ID, "model": {"name": "efficientnet_lite0", "version": 1}}
_TIMINGS = {"read": 0.1, "decode": 2.4, "queue": 0.1, "inference": 9.0}

PROBLEM: dict[str, Any] = {
    "type": "urn:seewhy:corrupt-image",
    "title": "Corrupt image",
    "status": 422,
    "detail": "the JPEG is broken or cut off: image file is truncated",
    "request_id": _ID,
}

_CLASSIFIED = {
    "image_id": f"{_ID}/0",
    "predictions": [
        {"label": "tiger cat", "index": 282, "probability": 0.386},
        {"label": "tabby, tabby cat", "index": 281, "probability": 0.241},
    ],
    "calibrated": False,
    "timings_ms": {**_TIMINGS, "postprocess": 0.2, "total": 12.3},
}

_EXPLANATION: dict[str, Any] = {
    "method": "gradcam",
    "target": {"label": "tiger cat", "index": 282, "probability": 0.386},
    "against": None,
    # A map of a real model has the side of its crop.
    "map": {
        "dtype": "float32",
        "shape": [2, 3],
        "data": [[0.0, 0.52, 0.13], [0.0, 1.31, 0.0]],
        "min": 0.0,
        "max": 1.31,
    },
    "box": [120.5, 33.0, 410.25, 298.75],
    "passes": 1,
    "completeness_gap": None,
    "quality": None,
    "note": None,
}

_EXPLAINED = {
    "image_id": f"{_ID}/0",
    "explanation": _EXPLANATION,
    "timings_ms": {**_TIMINGS, "explain": 32.8, "total": 45.1},
}

_EXPLAINED_TARGETS = {
    "image_id": f"{_ID}/0",
    "explanations": [_EXPLANATION, _EXPLANATION],
    "timings_ms": {**_TIMINGS, "explain": 32.8, "total": 45.1},
}

_CHECKED = {
    "image_id": f"{_ID}/0",
    "prediction": {"label": "tiger cat", "index": 282, "probability": 0.386},
    "robustness": {
        "verdict": "fragile",
        "reason": "fgsm@linf:1/255 turns 'tiger cat' into 'lynx, catamount' (31%)",
        "checks": [
            {
                "check": "fgsm@linf:1/255",
                "survived": False,
                "answer": {"label": "lynx, catamount", "index": 287, "probability": 0.31},
                "threat": {
                    "norm": "linf",
                    "eps": 0.00392156862745098,
                    "targeted": False,
                    "white_box": True,
                    "attack": "fgsm, cross-entropy, 1 steps of 1 eps, momentum 0, from the image",
                },
                "distance": 0.00392156862745098,
                "only_in_floats": False,
                "certificate": None,
                "passes": 3,
                "milliseconds": 45.2,
                "note": None,
            },
        ],
        "seed": 0,
    },
    "timings_ms": {**_TIMINGS, "robustness": 46.0, "total": 58.1},
}

_FAILED = {"image_id": f"{_ID}/1", "error": PROBLEM}

CLASSIFY: dict[str, Any] = {
    "one image": {"value": {**_HEAD, **_CLASSIFIED}},
    "several images, one of them broken": {"value": {**_HEAD, "results": [_CLASSIFIED, _FAILED]}},
}

EXPLAIN: dict[str, Any] = {
    "one image": {"value": {**_HEAD, **_EXPLAINED}},
    "one image, several targets": {"value": {**_HEAD, **_EXPLAINED_TARGETS}},
    "several images, one of them broken": {"value": {**_HEAD, "results": [_EXPLAINED, _FAILED]}},
}

ROBUSTNESS: dict[str, Any] = {
    "one image": {"value": {**_HEAD, **_CHECKED}},
    "several images, one of them broken": {"value": {**_HEAD, "results": [_CHECKED, _FAILED]}},
}
