"""The one reader of image files; see `pipelines.images.reading`."""

from pipelines.images.reading import (
    LARGEST_PHOTO,
    LEAST_SIDE,
    MOST_PIXELS,
    decode_image,
    decode_photo,
    decode_upright_image,
    open_annotated,
    open_image,
    open_picture,
    peek_image,
    peek_photo,
    peek_stored,
)

__all__ = [
    "LARGEST_PHOTO",
    "LEAST_SIDE",
    "MOST_PIXELS",
    "decode_image",
    "decode_photo",
    "decode_upright_image",
    "open_annotated",
    "open_image",
    "open_picture",
    "peek_image",
    "peek_photo",
    "peek_stored",
]
