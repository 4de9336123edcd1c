"""A picture inside a page: WebP as data, so that the page needs no other file."""

import base64
import io
from html import escape

from PIL import Image

QUALITY = 82
"""Of WebP: boundaries stay clean, a picture of a scene takes 10 to 30 kB."""


def img(image: Image.Image, alt: str) -> str:
    """An <img> of the picture at its size.

    Args:
        image: to be shown.
        alt: what one sees, in words.
    """
    buffer = io.BytesIO()
    image.convert("RGB").save(buffer, "WEBP", quality=QUALITY)
    data = base64.b64encode(buffer.getvalue()).decode()
    return (
        f'<img alt="{escape(alt)}" width="{image.width}" height="{image.height}" '
        f'src="data:image/webp;base64,{data}">'
    )
