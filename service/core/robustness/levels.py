"""How thoroughly an image is checked, by a word."""

from collections.abc import Mapping
from typing import Literal

Level = Literal["fast", "standard", "thorough"]

LEVELS: Mapping[Level, str] = {
    "fast": "fgsm@linf:1/255; jpeg",
    "standard": "pgd@linf:1/255; pgd@l2:0.5; deepfool@l2; noise,draws=3; jpeg; crop; rotation; "
    "translation; corruptions",
    "thorough": "apgd@linf:1/255; square:4/255; pgd@linf:1/255,restarts=10; pgd@l2:0.5,restarts=5; "
    "minimal@linf; minimal@l2; smoothing; noise,draws=10; jpeg; crop; rotation,angles=31; "
    "translation; corruptions",
}
"""The checks of each, in `notation`: about 4, 200 and 5000 passes at most."""
