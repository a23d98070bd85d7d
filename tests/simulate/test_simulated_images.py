"""Simulated pictures: what the truth says is in them, with its flux, blur and noise."""

import itertools

import numpy as np
import pytest

from gzmass.errors import ConfigError
from gzmass.simulate import draw_population, galaxy_rng, render, render_light
from gzmass.simulate.population import measured
from gzmass.simulate.rendering import WING_SHARE, WING_WIDTH, noise_sigma, pixel_scale

PLAIN = {
    "sim_kind": "disc", "sim_bulge_to_total": 0.15, "sim_sersic_index": 3.0, "sim_axis_ratio": 1.0,
    "sim_inclination_deg": 0.0, "sim_edge_on": False, "sim_position_angle_deg": 30.0, "sim_bar_strength": 0.0,
    "sim_arm_strength": 0.0, "sim_arm_number": 0, "sim_pitch_deg": np.nan, "sim_clumpiness": 0.0,
    "sim_ring_strength": 0.0, "sim_ring_radius": np.nan, "sim_odd_feature": "none", "sim_boxy_bulge": False,
    "sim_dust_lane": 0.0, "sim_side_angle_deg": 40.0, "sim_side_distance": 0.8, "sim_side_flux": 0.6,
    "sim_variant": 0.3, "sim_flux_g": 300.0, "sim_r90_arcsec": 15.0, "sim_seeing_arcsec": 1.3,
}  # fmt: skip


def light(npix=96, seed=0, **changes):
    galaxy = PLAIN | {f"sim_{name}": value for name, value in changes.items()}
    return render_light(galaxy, npix, np.random.default_rng(seed), neighbours=False)


def polar(image):
    y, x = np.indices(image.shape) - (len(image) - 1) / 2
    return np.hypot(x, y) * 4.24 / len(image), np.arctan2(y, x)


def fourier(image, m, inner, outer):
    """Amplitude of the m-fold pattern between two radii (units of R90), relative to the mean."""
    radius, azimuth = polar(image)
    rings = np.linspace(inner, outer, 9)
    amplitudes = []
    for low, high in itertools.pairwise(rings):
        ring = (radius >= low) & (radius < high)
        amplitudes.append(abs(np.mean(image[ring] * np.exp(1j * m * azimuth[ring]))) / image[ring].mean())
    return np.mean(amplitudes)


def axis_ratio(image):
    y, x = np.indices(image.shape) - (len(image) - 1) / 2
    values = np.linalg.eigvalsh(np.cov(np.stack([x.ravel(), y.ravel()]), aweights=image.ravel()))
    return np.sqrt(values[0] / values[1])


@pytest.mark.parametrize("index", [1.0, 2.5, 4.0])
@pytest.mark.parametrize("npix", [32, 64, 128])
def test_flux_is_conserved(index, npix):
    image = light(npix, kind="spheroid", sersic_index=index, axis_ratio=0.7)
    outside = {1.0: 0.01, 2.5: 0.05, 4.0: 0.12}[index]  # a Sersic profile has wings beyond the frame
    assert 300 * (1 - outside) * 0.97 < image.sum() < 300 * 1.01


def test_sizes_of_pictures_show_the_same_galaxy():
    galaxy = draw_population(1, seed=2).to_dict("records")[0]
    small, large = (render_light(galaxy, n, galaxy_rng(2, 0, "image")) for n in (64, 128))
    binned = large.reshape(64, 2, 64, 2).sum(axis=(1, 3))
    assert np.abs(binned - small).sum() < 0.05 * small.sum()


@pytest.mark.parametrize("number", [1, 2, 3, 4])
def test_arms_have_their_number(number):
    image = light(arm_number=number, arm_strength=0.9, pitch_deg=25.0)
    amplitudes = [fourier(image, m, 0.4, 0.9) for m in range(1, 7)]
    assert np.argmax(amplitudes) + 1 == number
    assert fourier(light(), number, 0.4, 0.9) < 0.08


def test_tight_arms_turn_further_than_loose_ones():
    def turns(pitch):
        image = light(arm_number=2, arm_strength=0.9, pitch_deg=pitch)
        radius, azimuth = polar(image)
        rings = np.linspace(0.35, 0.9, 20)
        phase = [
            np.angle(np.sum((image * np.exp(2j * azimuth))[(radius >= a) & (radius < b)]))
            for a, b in itertools.pairwise(rings)
        ]
        return abs(np.unwrap(phase)[-1] - np.unwrap(phase)[0])

    assert turns(12.0) > 1.5 * turns(22.0) > 2 * turns(40.0)


def test_a_bar_is_a_straight_twofold_centre():
    assert fourier(light(bar_strength=1.0), 2, 0.15, 0.35) > 5 * fourier(light(), 2, 0.15, 0.35)


def test_an_edge_on_disc_is_flat_and_dust_darkens_its_middle():
    flat = light(edge_on=True, inclination_deg=88.0, axis_ratio=0.14, position_angle_deg=0.0)
    assert axis_ratio(flat) < 0.35
    assert axis_ratio(light()) > 0.9
    dusty = light(edge_on=True, inclination_deg=88.0, axis_ratio=0.14, position_angle_deg=0.0, dust_lane=1.0)
    middle = slice(40, 56)
    assert dusty[47:49, middle].sum() < 0.85 * flat[47:49, middle].sum()


@pytest.mark.parametrize("q", [0.95, 0.6, 0.3])
def test_a_spheroid_has_its_axis_ratio(q):
    image = light(kind="spheroid", sersic_index=1.5, axis_ratio=q)
    assert axis_ratio(image) == pytest.approx(q, abs=0.1)


def test_a_ring_is_a_maximum_away_from_the_centre():
    image = light(ring_strength=1.0, ring_radius=0.6)
    radius, _ = polar(image)
    profile = [image[(radius >= r - 0.03) & (radius < r + 0.03)].mean() for r in (0.4, 0.6, 0.8)]
    assert profile[1] > 1.2 * max(profile[0], profile[2])


def test_a_bulge_concentrates_the_light():
    def core(share):
        image = light(bulge_to_total=share)
        return image[polar(image)[0] < 0.2].sum() / image.sum()

    assert core(0.6) > core(0.3) + 0.05 > core(0.0) + 0.1


@pytest.mark.parametrize("odd", ["lens_or_arc", "disturbed", "other", "merger"])
def test_odd_features_break_the_symmetry(odd):
    plain, strange = light(kind="spheroid"), light(kind="spheroid", odd_feature=odd)
    asymmetry = np.abs(strange - strange[::-1, ::-1]).sum() / strange.sum()
    assert asymmetry > np.abs(plain - plain[::-1, ::-1]).sum() / plain.sum() + 0.08


def test_clumps_and_irregulars_are_rough():
    def roughness(image):
        return np.abs(np.diff(image, axis=0)).sum() / image.sum()

    assert roughness(light(clumpiness=0.9)) > 1.3 * roughness(light())
    irregular = light(kind="irregular", axis_ratio=0.7, clumpiness=0.7)
    assert np.abs(irregular - irregular[::-1, ::-1]).sum() > 0.3 * irregular.sum()


@pytest.mark.parametrize("variant", [0.2, 0.6, 0.9])
def test_artifacts_can_be_drawn(variant):
    image = light(kind="artifact", variant=variant)
    assert np.isfinite(image).all()
    assert image.max() > 0


def test_noise_is_that_of_sky_and_photons():
    galaxy = PLAIN | {"sim_flux_g": 1e-6}
    image = render(galaxy, 64, np.random.default_rng(1)) - light(64, seed=1, flux_g=1e-6)
    middle = np.median(np.abs(image - np.median(image))) * 1.4826
    assert middle == pytest.approx(float(noise_sigma(pixel_scale(15.0, 64))), rel=0.05)
    sky = measured()["sky"]["sigma_nanomaggy"]
    assert float(noise_sigma(0.396)) == pytest.approx(sky)
    assert float(noise_sigma(0.396, 90.0)) == pytest.approx(np.hypot(sky, np.sqrt(0.1)))


def test_the_level_that_sky_subtraction_left_is_that_of_the_survey():
    galaxy = PLAIN | {"sim_flux_g": 1e-6}
    levels = [np.median(render(galaxy, 32, np.random.default_rng(k)) - light(32, seed=k)) for k in range(200)]
    area = (float(pixel_scale(15.0, 32)) / 0.396) ** 2
    assert np.std(levels) == pytest.approx(measured()["sky"]["residual_nanomaggy"] * area, rel=0.2)


def test_neighbours_are_as_many_as_the_sky_has_and_leave_the_galaxy_alone():
    def neighbours(r90, seeds):
        galaxy = PLAIN | {"sim_r90_arcsec": r90, "sim_seeing_arcsec": 0.3, "sim_flux_g": 1e-6}
        rngs = [np.random.default_rng(seed) for seed in seeds]
        return np.stack([render_light(galaxy, 96, rng) for rng in rngs])

    flux = neighbours(20.0, range(300)).sum()
    assert neighbours(40.0, range(300)).sum() / flux == pytest.approx(
        4, rel=0.25
    )  # twice the side, four times the area
    near = polar(np.zeros((96, 96)))[0]
    images = neighbours(40.0, range(300))
    surface = images[:, (near > 1.0) & (near < 1.8)].mean()
    assert images[:, near < 0.4].mean() < 0.1 * surface


def test_small_pictures_warn_of_nothing():
    light(16, edge_on=True, inclination_deg=89.0, axis_ratio=0.14, r90_arcsec=60.0, bulge_to_total=0.0)


@pytest.mark.parametrize("npix", [15, 64.0, True])
def test_npix_is_checked(npix):
    with pytest.raises(ConfigError, match=f"npix={npix!r}"):
        render(PLAIN, npix, np.random.default_rng(0))


def test_seeing_widens_by_its_own_variance():
    def variance(seeing):
        image = light(128, kind="spheroid", sersic_index=0.8, seeing_arcsec=seeing)
        x = (np.arange(128) - 63.5) * float(pixel_scale(15.0, 128))
        profile = image.sum(axis=0) / image.sum()
        return (profile * x**2).sum() - (profile * x).sum() ** 2

    core_and_wing = (1 - WING_SHARE) + WING_SHARE * WING_WIDTH**2
    expected = core_and_wing * (2.6**2 - 1.3**2) / 2.3548**2
    assert variance(2.6) - variance(1.3) == pytest.approx(expected, rel=0.05)
