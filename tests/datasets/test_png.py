"""Decoding of PNGs: by compiled code and by Pillow, to the same pixels, and the reasons where there are none."""

import io
import struct
import tracemalloc
import zlib
from itertools import pairwise

import numpy as np
import pytest
from PIL import Image

from gzmass.datasets import png
from gzmass.datasets.png import decode_png
from gzmass.datasets.write import encode_png
from gzmass.errors import DataError


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def encode(image, filters, pieces=1, extra=b"", kind=(8, 0, 0, 0, 0)):
    """A PNG whose rows have the filters that are asked for, by the formulas of the specification."""
    image = image.astype(int)
    left, above = np.pad(image, ((0, 0), (1, 0)))[:, :-1], np.pad(image, ((1, 0), (0, 0)))[:-1]
    corner = np.pad(image, 1)[:-2, :-2]
    distances = np.abs(np.stack([above - corner, left - corner, left + above - 2 * corner]))
    paeth = np.choose(distances.argmin(axis=0), [left, above, corner])
    predicted = [0 * image, left, above, (left + above) // 2, paeth]
    rows = [bytes([f]) + ((image[y] - predicted[f][y]) % 256).astype(np.uint8).tobytes() for y, f in enumerate(filters)]
    data = zlib.compress(b"".join(rows))
    cuts = np.linspace(0, len(data), pieces + 1).astype(int)
    parts = b"".join(chunk(b"IDAT", data[a:b]) for a, b in pairwise(cuts))
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", *image.shape[::-1], *kind))
    return b"\x89PNG\r\n\x1a\n" + head + extra + parts + chunk(b"IEND", b"")


def pillow(data):
    return np.asarray(Image.open(io.BytesIO(data)))


@pytest.mark.parametrize("filters", [[k] * 9 for k in range(5)] + [[4, 0, 3, 1, 2, 4, 3, 3, 0], [3, *[4] * 8]])
def test_every_filter_gives_what_pillow_gives(filters):
    images = np.random.default_rng(0).integers(0, 256, (20, 9, 9)).astype(np.uint8)
    for number, image in enumerate(images):
        data = encode(image, filters, pieces=1 + number % 3)
        assert (pillow(data) == image).all()
        assert (png._decode_grey(data, len(image)) == image).all()


def test_the_indices_of_a_palette_are_no_grey_levels():
    picture = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8))
    picture = picture.convert("P")
    picture.putpalette([255 - k // 3 for k in range(768)])
    file = io.BytesIO()
    picture.save(file, "PNG")
    with pytest.raises(DataError, match="palette"):
        decode_png(file.getvalue(), 8)


def test_what_is_written_is_decoded_without_pillow(monkeypatch):
    monkeypatch.setattr(png.Image, "open", None)
    image = (np.hypot(*np.mgrid[-34:35, -34:35]) * 3).astype(np.uint8)
    assert (decode_png(encode_png(image), 69) == image).all()


def test_other_pngs_are_left_to_pillow():
    image = np.random.default_rng(0).integers(0, 256, (8, 8)).astype(np.uint8)
    with_text = encode(image, [0] * 8, extra=chunk(b"tEXt", b"a\0b"))
    with io.BytesIO() as buffer:
        Image.fromarray(image // 128 * 255).convert("1").save(buffer, format="PNG")
        black_and_white = buffer.getvalue()
    damaged_head = bytearray(encode(image, [0] * 8))
    damaged_head[30] ^= 1
    for data in (with_text, black_and_white, bytes(damaged_head)):
        assert png._decode_grey(data, 8) is None
    assert (decode_png(with_text, 8) == image).all()
    with pytest.raises(DataError, match=r"8 x 8 pixels of type bool instead of 8 x 8 of 8-bit grey"):
        decode_png(black_and_white, 8)


def test_what_is_not_whole_is_left_to_pillow_and_what_is_too_long_is_not_inflated():
    image = np.arange(64, dtype=np.uint8).reshape(8, 8)
    whole = encode(image, [0] * 8)
    end = len(whole) - 12  # where IEND begins
    no_checksum = whole[:33] + chunk(b"IDAT", whole[41 : end - 8]) + whole[end:]  # all the pixels, and no Adler-32
    assert png._decode_grey(no_checksum, 8) is None
    bomb = whole[:33] + chunk(b"IDAT", zlib.compress(bytes(10_000_000))) + whole[end:]
    tracemalloc.start()
    assert png._decode_grey(bomb, 8) is None
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_the_reason_is_given():
    image = np.arange(64, dtype=np.uint8).reshape(8, 8)
    whole = encode_png(image)
    with pytest.raises(DataError, match="there is no image"):
        decode_png(None, 8)
    with pytest.raises(DataError, match="it is no PNG"):
        decode_png(b"GIF89a", 8)
    with pytest.raises(DataError, match=r"8 x 8 pixels of type uint8 instead of 9 x 9"):
        decode_png(whole, 9)
    nothing = encode(image[:0], [])
    for damaged in (nothing, whole[:20], whole[:50], whole[:50] + bytes(8) + whole[58:], encode(image[:7], [0] * 7)):
        with pytest.raises(DataError, match=r"the image can not be read|7 x 8 pixels .* instead of 8 x 8"):
            decode_png(damaged, 8)


def test_a_filter_of_an_unknown_number_is_no_image():
    image = np.zeros((4, 4), dtype=np.uint8)
    data = encode(image, [0] * 4)
    raw = bytearray(20)
    raw[5] = 7  # of the second row
    bad = data[:33] + chunk(b"IDAT", zlib.compress(bytes(raw))) + chunk(b"IEND", b"")
    assert png._decode_grey(bad, 4) is None
