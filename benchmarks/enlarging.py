"""Photos as large as cameras make them, out of small ones."""

from io import BytesIO

from PIL import Image

QUALITY = 90


def enlarge(data: bytes, megapixels: int) -> bytes:
    """An encoded photo with that many million pixels (bicubic), as JPEG."""
    with Image.open(BytesIO(data)) as photo:
        factor = (megapixels * 1e6 / (photo.width * photo.height)) ** 0.5
        size = (round(photo.width * factor), round(photo.height * factor))
        large = photo.convert("RGB").resize(size, Image.Resampling.BICUBIC)
    encoded = BytesIO()
    large.save(encoded, "JPEG", quality=QUALITY)
    return encoded.getvalue()
