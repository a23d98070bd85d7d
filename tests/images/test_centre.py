import math

import numpy as np
import pytest
from sky import add_star, exponential_disc

from gzmass.errors import DataError
from gzmass.images import find_centre


def test_a_galaxy_at_its_position_is_ok_to_a_fraction_of_a_pixel():
    centre = find_centre(exponential_disc(x=60.4, y=59.3) + 1000)
    assert centre.status == "ok"
    assert (centre.x, centre.y) == pytest.approx((60.4, 59.3), abs=0.3)
    assert centre.offset == pytest.approx(np.hypot(0.4, 0.7), abs=0.3)


def test_a_galaxy_beside_its_position_is_corrected():
    image = exponential_disc(x=67, y=55)
    centre = find_centre(image)
    assert centre.status == "corrected"
    assert (centre.x, centre.y) == pytest.approx((67, 55), abs=0.4)
    assert centre.offset == pytest.approx(np.hypot(7, 5), abs=0.5)
    assert find_centre(image, near=(67, 55)).status == "ok"


def test_a_bright_star_beside_the_galaxy_does_not_move_it():
    inside = find_centre(add_star(exponential_disc(), 67, 56, 500))
    assert inside.status == "uncertain"
    assert (inside.x, inside.y) == (60, 60)
    assert inside.offset == pytest.approx(np.hypot(7, 4), abs=0.5)
    further = find_centre(add_star(exponential_disc(), 80, 60, 5000))
    assert further.status == "ok"
    assert (further.x, further.y) == pytest.approx((60, 60), abs=0.4)


def test_nothing_is_looked_for_beyond_the_largest_offset():
    image = exponential_disc(x=67, y=60, scale=3)
    assert find_centre(image, max_offset=5).status == "uncertain"
    assert find_centre(image, max_offset=9).status == "corrected"


def test_noise_is_no_centre_and_missing_pixels_do_not_count():
    noise = np.random.default_rng(1).normal(size=(80, 80))
    centre = find_centre(noise)
    assert (centre.x, centre.y, centre.status) == (39.5, 39.5, "uncertain")
    assert math.isnan(centre.offset)
    image = exponential_disc()
    image[:40], image[60, 62] = np.nan, np.nan
    assert find_centre(image).status == "ok"


@pytest.mark.parametrize("shift", range(0, 13, 3))
def test_the_offset_is_that_of_the_galaxy_in_every_direction(shift):
    for angle in (0.3, 2.0, 4.5):
        x, y = 60 + shift * np.cos(angle), 60 + shift * np.sin(angle)
        centre = find_centre(exponential_disc(x=x, y=y, axis_ratio=0.9))
        assert centre.status == ("ok" if shift == 0 else "corrected")
        assert (centre.x, centre.y) == pytest.approx((x, y), abs=0.5)


def test_what_can_not_be_checked_is_refused():
    with pytest.raises(DataError, match="does not lie in the image of 121 x 121"):
        find_centre(exponential_disc(), near=(200, 3))
    with pytest.raises(DataError, match=r"must be positive\. Received: 0"):
        find_centre(exponential_disc(), max_offset=0)
    with pytest.raises(DataError, match="flat"):
        find_centre(np.ones((50, 50)))
