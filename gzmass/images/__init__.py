"""Images of galaxies in one band: read, cut and resampled, and stretched to 8 bits (no Keras)."""

from gzmass.images.cutout import crop_centre, resample
from gzmass.images.read import read_image
from gzmass.images.stretch import SKY_GREY, log_stretch, sky_statistics

__all__ = ["SKY_GREY", "crop_centre", "log_stretch", "read_image", "resample", "sky_statistics"]
