"""Images of galaxies in one band: read, cut and resampled, and stretched to 8 bits (no Keras)."""

from gzmass.images.centre import Centre, find_centre
from gzmass.images.cutout import corner_of_square, crop_centre, cut_and_resample, resample
from gzmass.images.flux import Flux, aperture_flux
from gzmass.images.frames import FrameIndex, cut_from_frames, index_frames
from gzmass.images.neighbours import fill_neighbours
from gzmass.images.read import LinearImage, read_image, read_linear_image
from gzmass.images.stretch import SKY_GREY, log_stretch, sky_statistics, stretch

__all__ = [
    "SKY_GREY",
    "Centre",
    "Flux",
    "FrameIndex",
    "LinearImage",
    "aperture_flux",
    "corner_of_square",
    "crop_centre",
    "cut_and_resample",
    "cut_from_frames",
    "fill_neighbours",
    "find_centre",
    "index_frames",
    "log_stretch",
    "read_image",
    "read_linear_image",
    "resample",
    "sky_statistics",
    "stretch",
]
