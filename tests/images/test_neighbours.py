from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sky import add_star, exponential_disc

from gzmass.errors import DataError
from gzmass.images import fill_neighbours, log_stretch, read_image
from gzmass.images.detection import detection_image
from gzmass.images.sources import find_foreign

DATA = Path(__file__).parents[2].parent / "shared" / "data" / "sdss_g_mass"

ROWS, COLUMNS = np.mgrid[:121, :121]


@pytest.mark.parametrize("fill", ["symmetric", "sky"])
@pytest.mark.parametrize("sky", [0.0, 1000.0])
def test_stars_beside_the_galaxy_go_and_leave_sky(fill, sky):
    clean = exponential_disc() + sky
    image = add_star(add_star(clean.copy(), 20, 95, 300), 100, 30, 12)
    filled, replaced = fill_neighbours(image, fill=fill)
    assert filled.dtype == np.float32
    for x, y in ((20, 95), (100, 30)):
        part = filled[y - 4 : y + 5, x - 4 : x + 5]
        assert replaced[y, x]
        assert np.mean(part) - sky == pytest.approx(0, abs=0.5)
        assert np.std(part) == pytest.approx(1, rel=0.25)
    assert (filled[~replaced] == image[~replaced].astype(np.float32)).all()
    assert replaced.mean() < 0.05


def test_a_galaxy_alone_is_left_as_it_is():
    image = exponential_disc(noise=0.5)
    filled, replaced = fill_neighbours(image)
    assert not replaced.any()
    assert (filled == image.astype(np.float32)).all()


def test_a_bright_star_on_the_disc_goes_and_the_galaxy_below_it_comes_back():
    clean = exponential_disc()
    image = add_star(clean.copy(), 74, 64, 60)
    filled, replaced = fill_neighbours(image)
    assert replaced[64, 74]
    assert replaced.sum() < 350
    around = np.s_[61:68, 71:78]
    assert filled[around].mean() == pytest.approx(clean[around].mean(), rel=0.2)
    assert image[around].mean() > 1.5 * clean[around].mean()


def test_arms_knots_and_bars_stay():
    disc = exponential_disc(side=151, scale=14, axis_ratio=1.0, noise=0.1)  # deep: all that is drawn is significant
    rows, columns = np.mgrid[:151, :151] - 75
    radius, angle = np.hypot(rows, columns), np.arctan2(rows, columns)
    arms = 8 * np.exp(-radius / 20) * (1 + np.cos(2 * (angle - np.log(radius + 5) * 4))) * (radius > 6)
    knots = disc + arms
    for x, y in ((95, 80), (66, 99), (51, 62)):  # star formation: unresolved, and fainter than the nucleus
        add_star(knots, x, y, 12)
    bar = exponential_disc(side=151, scale=14, axis_ratio=1.0)
    for x in (55, 95):  # the two ends of a bar are alike
        add_star(bar, x, 75, 60)
    for image in (knots, bar):
        _, replaced = fill_neighbours(image)
        assert replaced.mean() < 0.002


def test_a_neighbour_brighter_than_the_galaxy_goes_and_the_galaxy_at_the_position_stays():
    image = exponential_disc() + exponential_disc(x=25, y=30, peak=200, scale=6, noise=0)
    filled, replaced = fill_neighbours(image)
    assert replaced[30, 25]
    assert not replaced[50:71, 50:71].any()
    other, replaced = fill_neighbours(image, x=25, y=30)
    assert not replaced[25:36, 20:31].any()
    assert replaced[60, 60]
    assert filled[30, 25] < 10 < other[30, 25]


def test_where_the_opposite_side_is_taken_or_outside_the_profile_and_the_sky_fill():
    image = add_star(add_star(exponential_disc(), 25, 25, 200), 95, 95, 200)  # opposite each other
    filled, replaced = fill_neighbours(image)
    assert replaced[25, 25]
    assert replaced[95, 95]
    noise = filled[replaced]
    assert noise.mean() == pytest.approx(0, abs=0.4)
    assert noise.std() == pytest.approx(1, rel=0.25)
    image = add_star(exponential_disc(x=45, y=45), 110, 110, 200)
    filled, replaced = fill_neighbours(image, x=45, y=45)
    assert replaced[110, 110]
    assert abs(filled[replaced].mean()) < 0.5


@given(seed=st.integers(0, 200), unit=st.integers(-40, 40))
@settings(max_examples=15, deadline=None)
def test_the_same_image_gives_the_same_bytes_in_any_unit(seed, unit):
    image = add_star(exponential_disc(seed=seed), 20, 95, 300)
    filled, replaced = fill_neighbours(image)
    for fill in ("symmetric", "sky"):
        first, again = (fill_neighbours(image.copy(), fill=fill)[0] for _ in range(2))
        assert first.tobytes() == again.tobytes()
    other, replaced_too = fill_neighbours(image * 2.0**unit)
    assert (replaced_too == replaced).all()
    assert np.allclose(other / 2.0**unit, filled, rtol=1e-5, atol=1e-5)


def test_missing_pixels_stay_missing_and_large_images_are_searched_on_a_coarser_grid():
    image = add_star(exponential_disc(side=600, scale=40), 100, 480, 300, sigma=4)
    image[470:475, 90:95] = np.nan
    image[300, 310] = np.nan
    filled, replaced = fill_neighbours(image)
    assert (np.isnan(filled) == np.isnan(image)).all()
    assert not (replaced & np.isnan(image)).any()
    assert np.nanmax(filled[470:490, 90:110]) < 8


@pytest.mark.parametrize(
    "missing",
    [
        ROWS < 12,
        (COLUMNS < 8) | (COLUMNS > 112),
        ROWS + COLUMNS < 75,
        np.random.default_rng(0).random(ROWS.shape) < 0.3,
    ],
    ids=["an edge", "two edges", "a corner", "scattered"],
)
def test_missing_pixels_do_not_lower_the_noise_of_the_sky(missing):
    image = add_star(exponential_disc(), 80, 95, 200)
    sigma, whole = detection_image(image.astype(np.float32))[2], fill_neighbours(image)[1]
    image[missing] = np.nan
    assert detection_image(image.astype(np.float32))[2] == pytest.approx(sigma, rel=0.15)
    _, replaced = fill_neighbours(image)
    assert replaced[whole & ~missing].mean() > 0.9
    assert replaced[~whole].mean() < 0.005


def test_what_has_lost_its_counterpart_to_missing_pixels_stays():
    image = exponential_disc(axis_ratio=1, noise=0.5)
    for x in (36, 84):  # ends of a bar
        add_star(image, x, 60, 60, sigma=3)
    assert not fill_neighbours(image)[1].any()
    image[np.hypot(COLUMNS - 36, ROWS - 60) < 10] = np.nan
    assert not fill_neighbours(image)[1].any()


@pytest.mark.parametrize("side", [100, 110, 111, 260])  # searched pixel by pixel, and in averages of 4 and of 9
def test_what_goes_and_what_stays_does_not_depend_on_the_size_of_the_image(side):
    scale = side / 12
    image = exponential_disc(side=side, scale=scale, noise=0.5)
    on_disc, beside = (side // 2, side // 2 + round(1.6 * scale)), (side // 8, side // 8)
    for y, x in (on_disc, beside):
        add_star(image, x, y, 60, sigma=max(1.4, 0.8 * -(-side // 110)))
    knot = side // 2, side // 2 - round(2 * scale)
    add_star(image, knot[1], knot[0], 5, sigma=2)
    _, replaced = fill_neighbours(image)
    assert replaced[on_disc]
    assert replaced[beside]
    assert not replaced[knot]
    assert replaced.mean() < 0.1


def test_without_a_galaxy_or_without_noise_nothing_breaks():
    noise = np.random.default_rng(3).normal(size=(90, 90))
    assert not fill_neighbours(add_star(noise, 10, 10, 100))[1].any()
    clean = add_star(exponential_disc(noise=0), 20, 95, 300)
    filled, replaced = fill_neighbours(clean)
    assert replaced[95, 20]
    assert filled[95, 20] < 3
    assert fill_neighbours(exponential_disc(side=9, scale=1.5))[0].shape == (9, 9)
    assert fill_neighbours(exponential_disc(side=60)[:, 10:50])[0].shape == (60, 40)


def test_what_can_not_be_filled_is_refused():
    with pytest.raises(DataError, match=r"'symmetric' or 'sky'\. Received: 'zero'"):
        fill_neighbours(exponential_disc(), fill="zero")
    with pytest.raises(DataError, match="does not lie in the image of 121 x 121"):
        fill_neighbours(exponential_disc(), x=121)
    with pytest.raises(DataError, match="two axes"):
        fill_neighbours(np.zeros(7))
    with pytest.raises(DataError, match="flat"):
        fill_neighbours(np.zeros((7, 7)))


@pytest.mark.parametrize("side", [100, 180])  # pixel by pixel, and in averages
def test_an_image_that_is_no_square_is_filled_where_the_mask_is(side):
    image = add_star(exponential_disc(side=side, noise=0.5), side // 8, side // 2, 200)[: side - 14].astype(np.float32)
    foreign, places, _ = find_foreign(image, (side - 1) / 2, (side - 1) / 2)
    assert foreign[side // 2, side // 8]
    assert places.tolist() == np.flatnonzero(foreign).tolist()
    filled, replaced = fill_neighbours(image, (side - 1) / 2, (side - 1) / 2)
    assert np.array_equal(filled != image, replaced)


@pytest.mark.skipif(not DATA.is_dir(), reason=f"the data {DATA} are not beside the checkout")
def test_on_real_galaxies_stars_go_and_galaxies_stay():
    # object: a star's place (x, y), and whether it goes; stars beside the galaxy, on it, and knots of its arms
    places = {
        "1237645943978983579": [((110, 112), True), ((15, 136), True), ((104, 104), False)],
        "1237648673459667002": [((88, 93), True), ((0, 87), True), ((54, 82), False), ((81, 54), False)],
        "1237648674532492137": [((101, 88), False), ((80, 105), False), ((151, 25), True)],
        "1237648675066675556": [((94, 67), True), ((99, 105), False)],
    }
    for name, sources in places.items():
        image = read_image(DATA / f"{name}-g.fits")
        filled, replaced = fill_neighbours(image)
        for (x, y), goes in sources:
            assert replaced[y, x] == goes, (name, x, y)
        ny, nx = image.shape
        middle = np.s_[ny // 2 - 3 : ny // 2 + 4, nx // 2 - 3 : nx // 2 + 4]
        assert (filled[middle] == image[middle]).all()
        assert log_stretch(filled)[0].shape == image.shape
