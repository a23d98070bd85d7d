"""Survey frames: which of them show a place in the sky, and an image of that place cut out of them."""

import bz2
import gzip
import warnings
import weakref
from contextlib import ExitStack
from dataclasses import dataclass
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.nddata import Cutout2D
from astropy.stats import sigma_clipped_stats
from astropy.wcs import WCS
from astropy.wcs.utils import pixel_to_pixel
from scipy.ndimage import map_coordinates
from scipy.spatial import cKDTree

from gzmass.errors import DataError
from gzmass.images.fits_image import FitsImage, find_image, reading
from gzmass.images.header import celestial_wcs, flux_unit, pixel_scale, refuse_unknown_sky
from gzmass.images.read import LinearImage, check_pixels

__all__ = ["FrameIndex", "cut_from_frames", "index_frames"]

_OPEN_FRAMES = 8  # a place where four frames meet, and as many again; only .gz and .bz2 are held in memory whole
_SAME_SCALE = 0.01  # relative difference of pixel scales up to which the flux in a pixel may be mixed
_SAME_GRID = 0.02  # in pixels: grids that differ by less than this from whole pixels are shifted, not interpolated
_MIN_OVERLAP = 100  # in pixels: with fewer common ones the sky of each frame is measured on its own


@dataclass(frozen=True, eq=False)
class FrameIndex:
    """Where on the sky the frames of a survey lie; small, and can be pickled.

    Attributes
    ----------
    paths : tuple of pathlib.Path
        The n frames that can be used.
    inward : numpy.ndarray of float
        Shape (n, 4, 3): unit vectors (ICRS) normal to the planes through the frame's four edges and the centre of the
        sphere, pointing to the frame's side.
    centres : scipy.spatial.cKDTree
        Unit vectors (ICRS) of the centres of the frames.
    radius : float
        Largest angle between the centre and a corner of a frame, in radians.
    pixel_scale_arcsec : numpy.ndarray of float
        Shape (n,): side of a pixel.
    set_aside : tuple of (pathlib.Path, str)
        The frames that can not be used, each with the reason.
    hdu, plane, mask : int or str or None
        Where in each file the image and its mask are, as for `gzmass.images.read_image`.
    """

    paths: tuple
    inward: np.ndarray
    centres: cKDTree
    radius: float
    pixel_scale_arcsec: np.ndarray
    set_aside: tuple = ()
    hdu: int | str | None = None
    plane: int | str | None = None
    mask: int | str | None = None

    def __len__(self):
        return len(self.paths)


def index_frames(paths, hdu=None, plane=None, mask=None):
    """Learn from the headers alone where the frames of a survey lie.

    Parameters
    ----------
    paths : iterable of (str or pathlib.Path)
        FITS files of one survey in one band, plain or compressed.
    hdu, plane, mask : int or str, optional
        Where in each file the image and its mask are, as for `gzmass.images.read_image`.

    Returns
    -------
    FrameIndex
        What `cut_from_frames` needs; frames that can not be read or have no celestial WCS are set aside in it.

    Raises
    ------
    DataError
        There is no frame, or none of them can be used.
    """
    kept, rows, set_aside = [], [], []
    for path in map(Path, paths):
        try:
            rows.append(_footprint(path, hdu, plane, mask))
            kept.append(path)
        except DataError as error:
            set_aside.append((path, str(error)))
    if not kept:
        first = f" The first: {set_aside[0][1]}" if set_aside else ""
        raise DataError(f"None of {len(set_aside)} survey frames can be used.{first}")
    centres, inward, radii, scales = map(np.array, zip(*rows, strict=True))
    return FrameIndex(
        tuple(kept), inward, cKDTree(centres), float(radii.max()), scales, tuple(set_aside), hdu, plane, mask
    )


def cut_from_frames(index, ra, dec, side_arcsec):
    """Cut the image of a place in the sky out of the survey frames that show it.

    The image has the pixel grid of the frame in which the place lies deepest; the place is within half a pixel of its
    centre, and the WCS says where exactly. Pixels that this frame does not have are taken from the others, the deepest
    first: shifted by whole pixels where the grids allow it, otherwise interpolated bilinearly. Their sky is brought to
    the level of the first frame by the median difference of the pixels that both have. The flux scale of the frames
    is taken to be the same, so a frame with another unit, or with a pixel scale that differs by more than 1 %, is not
    mixed in.

    The frames stay open for the next place, up to 8 of them in a process; of a frame that is not compressed as a
    whole (``.gz``, ``.bz2``) only the rows around the place are read.

    Parameters
    ----------
    index : FrameIndex
        The frames.
    ra, dec : float
        The place, in degrees (ICRS).
    side_arcsec : float
        Side of the square to cut out, in arcsec; rounded to whole pixels.

    Returns
    -------
    LinearImage
        Square; NaN where no frame has a pixel.

    Raises
    ------
    DataError
        No frame covers the place or has a pixel within one pixel of it; the position or side is not possible; a frame
        can not be read; or the image is flat.
    """
    place = f"RA {ra}, Dec {dec}"
    if not (np.isfinite(ra) and -360 <= ra <= 360 and np.isfinite(dec) and -90 <= dec <= 90):
        raise DataError(f"A position is given in degrees, the declination within -90 and 90. Received: {place}.")
    if not (np.isfinite(side_arcsec) and side_arcsec > 0):
        raise DataError(f"The side of a cutout must be a positive number of arcsec. Received: {side_arcsec!r}.")
    position = SkyCoord(ra, dec, unit="deg")
    found = _overlapping(index, position, side_arcsec)
    if not found:
        raise DataError(f"None of {len(index)} survey frames covers {place}.")
    base = _open(index, found[0])
    scale = index.pixel_scale_arcsec[found[0]]
    cut = _cut(base, position, max(1, round(side_arcsec / scale)))
    pixels = cut.data
    for number in found[1:]:
        if not np.isnan(pixels).any():
            break
        if abs(index.pixel_scale_arcsec[number] / scale - 1) < _SAME_SCALE:
            other = _open(index, number)
            if other.unit == base.unit:
                pixels = _fill(pixels, cut.wcs, other)
    n = len(pixels)
    middle = slice(max(0, n // 2 - 1), n // 2 + 2)
    if np.isnan(pixels[middle, middle]).all():
        raise DataError(f"No survey frame has a pixel at {place}; the frame there is {str(base.path)!r}.")
    check_pixels(pixels, f"The image at {place} from {str(base.path)!r}")
    return LinearImage(pixels, float(scale), base.unit, cut.wcs.to_header(relax=True))


@dataclass(frozen=True, eq=False)
class _Frame:
    path: Path
    image: FitsImage
    wcs: WCS
    unit: str | None

    def read(self, x, y):
        """Read the pixels around the positions (x, y); also the position (x0, y0) of the first of them."""
        ny, nx = self.image.shape
        x0, x1 = int(np.clip(np.floor(np.min(x)) - 1, 0, nx)), int(np.clip(np.ceil(np.max(x)) + 2, 0, nx))
        y0, y1 = int(np.clip(np.floor(np.min(y)) - 1, 0, ny)), int(np.clip(np.ceil(np.max(y)) + 2, 0, ny))
        if x0 == x1 or y0 == y1:
            return np.empty((0, 0), dtype=np.float32), x0, y0
        with reading(self.path):
            return self.image.read(slice(y0, y1), slice(x0, x1)), x0, y0


def _open(index, number):
    path = index.paths[number]
    with reading(path):
        state = path.stat()
    return _open_frame(path, index.hdu, index.plane, index.mask, (state.st_size, state.st_mtime_ns))


@lru_cache(maxsize=_OPEN_FRAMES)
def _open_frame(path, hdu, plane, mask, state=None):  # noqa: ARG001  a file that was replaced is another one
    """Open a frame and leave it open until it falls out of the cache."""
    with reading(path), ExitStack() as stack:
        hdus = stack.enter_context(fits.open(_decompressed(path), memmap=False, uint=False))
        image = find_image(hdus, path, hdu, plane, mask)
        frame = _Frame(path, image, celestial_wcs(image.hdu.header), flux_unit(image.hdu.header, hdus[0].header))
        weakref.finalize(frame, stack.pop_all().close)
    return frame


def _decompressed(path):
    """Return the file itself, or in memory what is compressed as a whole and can not be read in parts."""
    opener = _opener(path)
    if opener is open:
        return path
    with opener(path, "rb") as file:
        return BytesIO(file.read())


def _opener(path):
    with path.open("rb") as file:
        magic = file.read(3)
    return bz2.open if magic == b"BZh" else gzip.open if magic[:2] == b"\x1f\x8b" else open


def _footprint(path, hdu, plane, mask):
    """Centre, inward normals of the edges, radius and pixel scale of a frame, from its header."""
    if not path.is_file():
        raise DataError(f"The survey frame {str(path)!r} does not exist.")
    with reading(path):
        header, (ny, nx) = _header(path, hdu, plane, mask)
        wcs, scale = celestial_wcs(header), pixel_scale(header, what=f"The survey frame {str(path)!r}")
    if wcs is None or scale is None:
        raise DataError(f"The survey frame {str(path)!r} has no celestial WCS that can be used.")
    refuse_unknown_sky(wcs, f"The survey frame {str(path)!r}")
    x = np.array([nx / 2, 0, nx, nx, 0]) - 0.5
    y = np.array([ny / 2, 0, 0, ny, ny]) - 0.5
    vectors = wcs.pixel_to_world(x, y).icrs.cartesian.xyz.value.T
    if not np.isfinite(vectors).all():
        raise DataError(f"The survey frame {str(path)!r} has corners that its WCS does not place on the sky.")
    centre, corners = vectors[0], vectors[1:]
    inward = np.cross(corners, np.roll(corners, -1, axis=0))
    inward *= np.sign(inward @ centre)[:, None] / np.linalg.norm(inward, axis=1, keepdims=True)
    radius = 2 * np.arcsin(np.linalg.norm(corners - centre, axis=1).max() / 2)
    return centre, inward, radius, scale


def _header(path, hdu, plane, mask):
    """Header and shape of the image; of a compressed file no more than its first header is decompressed if it can."""
    opener = _opener(path)
    if opener is not open and hdu in {None, 0} and plane is None and mask is None:
        with opener(path, "rb") as file:
            header = fits.Header.fromfile(file)
        if header.get("NAXIS") == 2:
            return header, (header["NAXIS2"], header["NAXIS1"])
    with fits.open(path, memmap=False, uint=False) as hdus:
        image = find_image(hdus, path, hdu, plane, mask)
        return image.hdu.header, image.shape


def _overlapping(index, position, side_arcsec):
    """Numbers of the frames that show some of the square, the deepest first; none if none shows its centre."""
    vector = position.cartesian.xyz.value
    half_diagonal = np.radians(side_arcsec / 3600) / np.sqrt(2)
    reach = 2 * np.sin(min(index.radius + half_diagonal, np.pi) / 2)
    near = np.sort(np.array(index.centres.query_ball_point(vector, reach), dtype=int))
    depth = np.arcsin(np.clip(index.inward[near] @ vector, -1, 1)).min(axis=1, initial=np.pi)
    order = np.argsort(-depth, kind="stable")
    if not len(near) or depth[order[0]] < 0:
        return []
    return [int(near[i]) for i in order if depth[i] > -half_diagonal]


def _cut(frame, position, n):
    """Square of n x n pixels of a frame; NaN beyond its edges."""
    x, y = (float(v) for v in frame.wcs.world_to_pixel(position))
    reach = np.array([-n, n]) / 2
    piece, x0, y0 = frame.read(x + reach, y + reach)
    wcs = frame.wcs.slice((slice(y0, None), slice(x0, None)))
    try:
        return Cutout2D(piece, (x - x0, y - y0), n, wcs=wcs, mode="partial", fill_value=np.nan, copy=True)
    except ValueError as error:  # also astropy's NoOverlapError
        raise DataError(f"The survey frame {str(frame.path)!r} does not show the place: {error}.") from None


def _fill(pixels, wcs, frame):
    """Fill the missing pixels from another frame, its sky brought to the level of the pixels that are there."""
    seen = _resampled(frame, wcs, pixels.shape)
    have, has = ~np.isnan(pixels), ~np.isnan(seen)
    both = have & has
    if not (has & ~have).any():
        return pixels
    if both.sum() >= _MIN_OVERLAP:
        step = np.median(pixels[both] - seen[both])
    elif have.any():
        step = sigma_clipped_stats(pixels[have])[1] - sigma_clipped_stats(seen[has])[1]
    else:
        step = 0.0
    return np.where(have, pixels, seen + np.float32(step))


def _resampled(frame, wcs, shape):
    """Interpolate the pixels of a frame on another grid; NaN beyond its edges."""
    rows, columns = np.indices(shape)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a distortion that can not be inverted leaves NaN
        x, y = pixel_to_pixel(wcs, frame.wcs, columns, rows)
    ny, nx = frame.image.shape
    inside = (x > -0.5) & (x < nx - 0.5) & (y > -0.5) & (y < ny - 0.5)
    seen = np.full(shape, np.nan, dtype=np.float32)
    if inside.any():
        x, y = x[inside], y[inside]
        piece, x0, y0 = frame.read(x, y)
        shifted = max(np.abs(x - np.rint(x)).max(), np.abs(y - np.rint(y)).max()) < _SAME_GRID
        seen[inside] = map_coordinates(piece, [y - y0, x - x0], order=0 if shifted else 1, mode="nearest")
    return seen
