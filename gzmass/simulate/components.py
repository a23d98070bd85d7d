"""The light of one simulated galaxy before seeing: bulge, disc, bar, arms, ring, clumps, dust, and what may be odd."""

import numpy as np
from scipy.special import ive

from gzmass.simulate.profiles import blobs, sersic

__all__ = ["galaxy_light"]

SCALE_LENGTH = 0.30  # of an exponential disc in units of its Petrosian R90
# Sharpness of the crests by the number of arms: an arm is about 0.3 rad wide whatever their number.
ARM_SHARPNESS = {1: 5.0, 2: 3.6, 3: 2.8, 4: 2.4}
MANY_ARMS_SHARPNESS = 2.0


def galaxy_light(galaxy, grid, rng):
    """Draw one galaxy.

    Parameters
    ----------
    galaxy : dict
        The morphology: the ``sim_`` columns of a row of the population, without this prefix.
    grid : Grid
        Where to draw.
    rng : numpy.random.Generator
        Decides what has no column: phases of arms, places of clumps.

    Returns
    -------
    numpy.ndarray of float32
        Share of the galaxy's flux in each pixel, shape (ny, nx); it sums to 1 but for what lies outside the grid.
        Companions of a merger, lensed arcs and stars on top come in addition.
    """
    draw = {"spheroid": _spheroid, "disc": _disc, "irregular": _irregular, "artifact": _artifact}[galaxy["kind"]]
    light = draw(galaxy, grid, rng)
    odd = galaxy["odd_feature"]
    if odd == "disturbed":
        light = _disturb(light, galaxy, grid)
    elif odd == "merger":
        light = light + _companion(galaxy, grid) + _tail(galaxy, grid, galaxy["side_angle_deg"] + 150, 0.16)
        light += _tail(galaxy, grid, galaxy["side_angle_deg"] - 25, 0.10, start=galaxy["side_distance"])
    elif odd == "lens_or_arc":
        light = light + _arc(galaxy, grid)
    elif odd == "other":
        light = light + _overlap(galaxy, grid)
    if galaxy["dust_lane"] > 0:
        light = light * _dust(galaxy, grid)
    return light


def _spheroid(galaxy, grid, rng):  # noqa: ARG001 - all kinds are drawn by one call
    index = galaxy["sersic_index"]
    re = 1 / (2.1 + 0.25 * index)
    light = sersic(grid, re, galaxy["axis_ratio"], index, galaxy["position_angle_deg"])
    if galaxy["ring_strength"] > 0:
        radius, _ = _plane(galaxy, grid)
        light = 0.75 * light + 0.25 * _ring(radius, galaxy)
    return light


def _plane(galaxy, grid):
    """Radius and azimuth in the plane of the disc; a disturbed disc is warped."""
    along, across = grid.rotated(galaxy["position_angle_deg"])
    if galaxy["odd_feature"] == "disturbed":
        across = across + 0.22 * np.sin(2.2 * along + 2 * np.pi * galaxy["variant"])
        along = along + 0.12 * np.cos(3.0 * across)
    across = across / np.float32(galaxy["axis_ratio"])
    return np.sqrt(along**2 + across**2 + np.float32(1e-6)), np.arctan2(across, along)


def _disc(galaxy, grid, rng):
    share = galaxy["bulge_to_total"]
    if galaxy["edge_on"]:
        disc = _slab(galaxy, grid)
        shape = (0.80, 5.0) if galaxy["boxy_bulge"] else (0.82, 2.0)
        bulge = sersic(grid, 0.08 + 0.17 * share, shape[0], 1.4, galaxy["position_angle_deg"], corner=shape[1])
        return share * bulge + (1 - share) * disc
    radius, azimuth = _plane(galaxy, grid)
    disc = np.exp(-radius / np.float32(SCALE_LENGTH))
    disc *= np.float32(grid.pixel**2 / (2 * np.pi * SCALE_LENGTH**2 * galaxy["axis_ratio"]))
    bar_length = 0.24 + 0.16 * galaxy["bar_strength"]
    phases = 2 * np.pi * rng.random(9)
    if galaxy["arm_number"] > 0:
        inner = bar_length if galaxy["bar_strength"] > 0 else 0.10
        total = disc.sum()
        disc *= _arms(radius, azimuth, galaxy, phases, inner)
        disc *= total / disc.sum()
    if galaxy["ring_strength"] > 0:
        part = np.float32(0.5 * galaxy["ring_strength"])
        disc = (1 - part) * disc + part * disc.sum() * _ring(radius, galaxy)
    if galaxy["bar_strength"] > 0:
        part = np.float32(0.24 * galaxy["bar_strength"])
        disc = (1 - part) * disc + part * disc.sum() * _bar(radius, azimuth - phases[0] / 2, bar_length)
    disc = _with_clumps(disc, galaxy, grid, rng, 0.30)
    thickness = 0.65
    flat = np.sqrt(thickness**2 + (1 - thickness**2) * np.cos(np.radians(galaxy["inclination_deg"])) ** 2)
    bulge = sersic(grid, 0.05 + 0.17 * share, flat, 1.2 + 2.0 * share, galaxy["position_angle_deg"])
    return share * bulge + (1 - share) * disc


def _slab(galaxy, grid):
    """Draw a disc from its side: exponential along, sech^2 across, ending at 1.15 R90; a thinner one looks younger."""
    along, across = grid.rotated(galaxy["position_angle_deg"])
    height = 0.045 + 0.035 * galaxy["bulge_to_total"] + 0.5 * (galaxy["axis_ratio"] - 0.14)
    disc = np.exp(-np.sqrt(along**2 + np.float32(0.006)) / np.float32(SCALE_LENGTH))
    with np.errstate(over="ignore"):  # far outside, where nothing is left
        disc /= np.cosh(np.clip(across / np.float32(height), -20, 20)) ** 2 * (
            1 + np.exp((np.abs(along) - 1.15) / 0.06)
        )
    return disc / disc.sum()


def _arms(radius, azimuth, galaxy, phases, inner):
    """Compute the factor by which logarithmic spirals change the disc; its mean along a circle is 1."""
    direction = 1 if galaxy["variant"] < 0.5 else -1
    turn = np.log(radius) * np.float32(direction / np.tan(np.radians(galaxy["pitch_deg"])))
    angle = azimuth - turn
    number = galaxy["arm_number"]
    if number == 6:  # flocculent: pieces of arms of many periods, none of which goes round
        wave = sum(
            np.cos(m * angle + np.float32(phase) + np.float32(k) * radius)
            for m, phase, k in zip((2, 3, 5, 7), phases[1:5], (7.0, -5.0, 9.0, -11.0), strict=True)
        )
        crests = np.exp(np.float32(0.9) * wave)
        crests /= np.float32(ive(0, 0.9) ** 4 * np.exp(4 * 0.9))
    else:
        m = number if number < 5 else 5 + int(phases[5] > np.pi)
        sharpness = ARM_SHARPNESS.get(m, MANY_ARMS_SHARPNESS)
        wobble = np.float32(0.22) * np.sin(5 * radius + np.float32(phases[6]))
        crests = np.exp(np.float32(sharpness) * (np.cos(m * (angle + wobble) + np.float32(phases[1])) - 1))
        crests /= np.float32(ive(0, sharpness))
    window = np.exp(-((radius / np.float32(1.5)) ** 4)) / (1 + np.exp((inner - radius) / np.float32(0.04)))
    return 1 + np.float32(0.95 * galaxy["arm_strength"]) * window * (crests - 1)


def _ring(radius, galaxy):
    light = np.exp(-0.5 * ((radius - np.float32(galaxy["ring_radius"])) / np.float32(0.065)) ** 2)
    return light / light.sum()


def _bar(radius, angle, length):
    along, across = radius * np.cos(angle), radius * np.sin(angle)
    along, across = (along / np.float32(length)) ** 2, (across / np.float32(0.2 * length)) ** 2
    light = np.exp(-np.minimum(along**2 + across, 50))
    return light / light.sum()


def _with_clumps(light, galaxy, grid, rng, most):
    """Put a part of the light into young clumps that lie where the light is."""
    count = 40
    place = rng.random((count, 2))
    brightness = rng.exponential(size=count) ** 1.3
    part = most * galaxy["clumpiness"]
    used = int(4 + 22 * galaxy["clumpiness"])
    if part < 0.02:
        return light
    radius, azimuth = 0.12 + 0.85 * place[:, 0], 2 * np.pi * place[:, 1]
    along, across = radius * np.cos(azimuth), radius * np.sin(azimuth) * galaxy["axis_ratio"]
    angle = np.radians(galaxy["position_angle_deg"])
    x, y = along * np.cos(angle) - across * np.sin(angle), along * np.sin(angle) + across * np.cos(angle)
    columns = np.clip(np.rint((x - grid.x[0]) / grid.pixel).astype(int), 0, len(grid.x) - 1)
    rows = np.clip(np.rint((y - grid.y[0]) / grid.pixel).astype(int), 0, len(grid.y) - 1)
    crowded = light[rows, columns] * np.exp(radius / SCALE_LENGTH)  # above the mean disc: on an arm
    chosen = np.argsort(-crowded * (0.3 + place[:, 0]), kind="stable")[:used]
    brightness = brightness[chosen] / brightness[chosen].sum()
    return (1 - part) * light + blobs(grid, x[chosen], y[chosen], 0.025, part * brightness * light.sum())


def _irregular(galaxy, grid, rng):
    """Patches of stars without a centre, within a faint lopsided body."""
    count = 14
    spread = 0.28 * rng.normal(size=(2, count))
    sigma = 0.05 + 0.10 * rng.random(count)
    flux = rng.exponential(size=count) * np.arange(count, 0, -1)
    angle = np.radians(galaxy["position_angle_deg"])
    along, across = spread[0] * 1.35, spread[1] * galaxy["axis_ratio"]
    x, y = along * np.cos(angle) - across * np.sin(angle), along * np.sin(angle) + across * np.cos(angle)
    body = sersic(grid, 0.45, galaxy["axis_ratio"], 0.7, galaxy["position_angle_deg"], 0.12, -0.10)
    part = 0.35 + 0.3 * galaxy["clumpiness"]
    return (1 - part) * body + blobs(grid, x, y, sigma, part * flux / flux.sum())


def _artifact(galaxy, grid, rng):  # noqa: ARG001 - all kinds are drawn by one call
    """Draw a saturated star with its spikes, a satellite's trail, or a star beside the frame whose halo fills it."""
    width = max(0.02, 0.6 * grid.pixel)  # unresolved
    if galaxy["variant"] < 0.5:
        return _star(grid, 0.0, 0.0, 1.0, width, galaxy["position_angle_deg"])
    if galaxy["variant"] < 0.75:
        _, across = grid.rotated(galaxy["position_angle_deg"], 0.3 * np.cos(np.radians(galaxy["side_angle_deg"])))
        trail = np.exp(-0.5 * (across / np.float32(width)) ** 2)
        return 0.3 * sersic(grid, 0.4, 0.8, 1.0, 0.0) + 0.4 * trail / trail.sum()
    angle = np.radians(galaxy["side_angle_deg"])
    x, y = 1.9 * np.cos(angle), 1.9 * np.sin(angle)
    return 0.1 * sersic(grid, 0.4, 0.8, 1.0, 0.0) + _star(grid, x, y, 8.0, width, galaxy["position_angle_deg"])


def _star(grid, x0, y0, flux, width, angle_deg):
    light = 0.8 * blobs(grid, x0, y0, width, flux) + 0.08 * blobs(grid, x0, y0, 0.5, flux)
    for turn in (0, 90):
        along, across = grid.rotated(angle_deg + turn, x0, y0)
        spike = np.exp(-np.abs(along) / np.float32(0.6) - 0.5 * (across / np.float32(width)) ** 2)
        light += 0.06 * flux * spike / spike.sum()
    return light


def _beside(galaxy):
    angle = np.radians(galaxy["side_angle_deg"])
    return galaxy["side_distance"] * np.cos(angle), galaxy["side_distance"] * np.sin(angle)


def _companion(galaxy, grid):
    x, y = _beside(galaxy)
    turned = galaxy["position_angle_deg"] + 180 * galaxy["variant"]
    q = 0.55 + 0.4 * galaxy["variant"]
    return galaxy["side_flux"] * sersic(grid, 0.2, q, 2.0, turned, x, y)


def _tail(galaxy, grid, start_deg, flux, start=0.45):
    """Draw a tidal tail: stars flung out along a curve, fading towards its end."""
    t = np.linspace(0, 1, 14)
    bend = 1.7 if galaxy["variant"] < 0.5 else -1.7
    angle = np.radians(start_deg) + bend * t
    radius = start + 0.95 * t
    light = flux * (1.3 - t) / np.sum(1.3 - t)
    return blobs(grid, radius * np.cos(angle), radius * np.sin(angle), 0.07 + 0.07 * t, light)


def _disturb(light, galaxy, grid):
    """One side brighter than the other, shells, and a tail."""
    along, _ = grid.rotated(galaxy["side_angle_deg"])
    total = light.sum()
    light = light * (1 + 0.85 * np.tanh(along / np.float32(0.3)))
    light *= 0.82 * total / light.sum()
    return light + _tail(galaxy, grid, galaxy["side_angle_deg"] + 20, 0.18 * total)


def _arc(galaxy, grid):
    """Draw an arc around the galaxy, as of a lensed background galaxy, and its counter-image."""
    across, along = grid.rotated(galaxy["side_angle_deg"] - 90)
    radius, angle = np.hypot(along, across), np.arctan2(across, along)
    near = np.exp(-0.5 * ((radius - np.float32(0.8 * galaxy["side_distance"])) / np.float32(0.05)) ** 2)
    light = near * np.exp(-0.5 * (angle / np.float32(0.55)) ** 2)
    return (0.08 + 0.10 * galaxy["side_flux"]) * light / light.sum()


def _overlap(galaxy, grid):
    """Draw a star or a small galaxy in front, on the body of the galaxy."""
    x, y = _beside(galaxy)
    size = 0.03 if galaxy["variant"] < 0.5 else 0.09
    return blobs(grid, 0.6 * x, 0.6 * y, size, 0.5 * galaxy["side_flux"])


def _dust(galaxy, grid):
    """Compute the factor of a dark lane along the major axis, a little beside the centre."""
    along, across = grid.rotated(galaxy["position_angle_deg"] + (0 if galaxy["edge_on"] else 12))
    width = 0.035 if galaxy["edge_on"] else 0.10
    lane = np.exp(-0.5 * ((across - np.float32(0.4 * width)) / np.float32(width)) ** 2 - (along / np.float32(0.8)) ** 2)
    return 1 - np.float32(0.55 + 0.4 * galaxy["dust_lane"]) * lane
