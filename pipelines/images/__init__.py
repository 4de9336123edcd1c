"""The one reader of image files; see `pipelines.images.reading`."""

from pipelines.images.reading import (
    LEAST_SIDE,
    decode_image,
    decode_photo,
    decode_upright_image,
    open_annotated,
    open_image,
    peek_image,
    peek_photo,
)

__all__ = [
    "LEAST_SIDE",
    "decode_image",
    "decode_photo",
    "decode_upright_image",
    "open_annotated",
    "open_image",
    "peek_image",
    "peek_photo",
]
