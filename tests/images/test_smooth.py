import numpy as np
import pytest
from scipy import ndimage

from gzmass.images.smooth import smoothed


@pytest.mark.parametrize("shape", [(200, 63), (64, 65), (7, 130), (2, 3), (1, 4)])
@pytest.mark.parametrize("sigma", [0.7, 1.3, 6.0])
def test_smoothing_is_that_of_scipy_in_blocks_at_edges_and_in_images_smaller_than_the_kernel(shape, sigma):
    image = np.random.default_rng(1).normal(size=shape).astype(np.float32)
    smooth = smoothed(image, sigma)
    assert smooth.dtype == np.float32
    assert np.allclose(smooth, ndimage.gaussian_filter(image, sigma), atol=1e-6)
    assert np.allclose(smoothed(np.full(shape, 3, np.float32), sigma), 3)
