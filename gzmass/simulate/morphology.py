"""What a simulated galaxy looks like, as numbers: bulge, disc, bar, arms, odd features, and how visible they are."""

import numpy as np
from scipy.special import expit, ndtri

__all__ = ["EDGE_ON_DEG", "KINDS", "ODD_FEATURES", "draw_morphology", "structure_score", "visibility"]

KINDS = ("spheroid", "disc", "irregular", "artifact")
ODD_FEATURES = ("none", "lens_or_arc", "disturbed", "other", "merger", "dust_lane")
ODD_SHARES = (0.010, 0.013, 0.028, 0.034, 0.016)
ARM_NUMBER_SHARES = (0.07, 0.58, 0.10, 0.045, 0.04)  # 1, 2, 3, 4, more; what is left has arms that none can count
EDGE_ON_DEG = 80.0  # from here on a disc is drawn as a slab seen from its side
DISC_THICKNESS = 0.14


def draw_morphology(uniform):
    """Draw the parts of galaxies; `maturity` (old stars, little gas) is what ties them together.

    Parameters
    ----------
    uniform : dict of numpy.ndarray
        Uniform random numbers by the name of what they decide, each of shape (n,).

    Returns
    -------
    dict of numpy.ndarray
        Each of shape (n,): ``kind`` and ``odd_feature`` (text), strengths (0 to 1, 0 is absent), lengths in units of
        the Petrosian R90, angles in degrees; NaN where a galaxy has no such thing.
    """
    u = uniform
    normal = {name: ndtri(np.clip(value, 1e-9, 1 - 1e-9)) for name, value in u.items()}
    old = normal["maturity"]
    spheroid = u["kind"] < 0.50 + 0.10 * np.tanh(old)
    artifact = u["kind"] > 0.992
    irregular = (u["kind"] <= 0.992) & (u["kind"] > 0.992 - 0.07 * expit(-2.5 * (old + 0.8)))
    disc = ~(spheroid | artifact | irregular)
    kind = np.select([spheroid, disc, irregular], KINDS[:3], KINDS[3])

    bulge_to_total = np.where(disc, 0.72 * expit(-0.85 + 1.0 * old + 0.75 * normal["bulge"]), spheroid * 1.0)
    inclination = np.degrees(np.arccos(u["inclination"]))
    edge_on = disc & (inclination > EDGE_ON_DEG)
    projected = np.hypot(np.cos(np.radians(inclination)) * np.sqrt(1 - DISC_THICKNESS**2), DISC_THICKNESS)
    axis_ratio = np.select(
        [disc, spheroid, irregular],
        [projected, 1 - 0.78 * u["roundness"] ** 1.75, 0.45 + 0.5 * u["roundness"]],
        1.0,
    )

    arm_strength = np.where(disc & (u["arms"] < 0.9), expit(0.75 - 0.75 * old + 1.3 * normal["arms"]), 0.0)
    arm_strength[arm_strength < 0.25] = 0.0
    arm_number = np.searchsorted(np.cumsum(ARM_NUMBER_SHARES), u["arm_number"]) + 1
    pitch = np.clip(np.exp(np.log(17.0) - 0.04 * old + 0.42 * normal["pitch"]), 9.0, 45.0)
    pitch = np.maximum(pitch, np.where(arm_number > 2, 6.0 + 2.2 * arm_number, 0.0))  # many tight arms merge
    bar = disc & (u["bar"] < 0.36 + 0.16 * np.clip(old, -1.5, 1.5))
    clumpiness = expit(-1.6 - 1.15 * old + 0.7 * normal["clumps"]) * np.select([disc, spheroid], [1.0, 0.12], 0.0)
    clumpiness = np.where(irregular, np.maximum(expit(-old), 0.55), clumpiness)

    odd = np.searchsorted(np.cumsum(ODD_SHARES), u["odd"], side="right")
    odd = np.array(ODD_FEATURES)[np.where(odd < len(ODD_SHARES), odd + 1, 0)]
    odd = np.where((odd == "disturbed") & (old > 0.3), "other", odd)  # gas-rich galaxies show tides best
    odd = np.where(artifact | irregular, "none", odd)
    ring = (disc & ~edge_on & (u["ring"] < 0.1)) | (spheroid & (u["ring"] < 0.008))
    lane = (edge_on & (u["dust"] < 0.55)) | (odd == "dust_lane")
    return {
        "kind": kind,
        "maturity": old,
        "bulge_to_total": bulge_to_total,
        "sersic_index": np.clip(3.0 * np.exp(0.4 * old + 0.22 * normal["sersic"]), 0.8, 6.0),
        "axis_ratio": axis_ratio,
        "inclination_deg": np.where(disc, inclination, np.nan),
        "edge_on": edge_on,
        "position_angle_deg": 180 * u["angle"],
        "bar_strength": np.where(bar, 0.45 + 0.55 * u["bar_length"], 0.0),
        "arm_strength": arm_strength,
        "arm_number": np.where(arm_strength > 0, arm_number, 0),
        "pitch_deg": np.where(arm_strength > 0, pitch, np.nan),
        "clumpiness": clumpiness,
        "ring_strength": np.where(ring, 0.5 + 0.5 * u["ring_strength"], 0.0),
        "ring_radius": np.where(ring, 0.42 + 0.3 * u["ring_radius"], np.nan),
        "odd_feature": odd,
        "boxy_bulge": edge_on & (u["boxiness"] < 0.2) & (bulge_to_total > 0.12),
        "dust_lane": np.where(lane, 0.5 + 0.5 * u["lane"], 0.0),
        "side_angle_deg": 360 * u["side_angle"],
        "side_distance": 0.55 + 0.6 * u["side_distance"],
        "side_flux": 0.25 + 0.65 * u["side_flux"],
        "variant": u["variant"],
    }


def structure_score(shape):
    """How old a galaxy looks: the one number through which an image tells of M/L.

    Large bulges, concentrated light and the reddening of a disc seen from its side raise it; clumps of young stars,
    strong arms and open arms lower it.

    Parameters
    ----------
    shape : dict of numpy.ndarray
        What `draw_morphology` returns.

    Returns
    -------
    numpy.ndarray of float
        Shape (n,), in arbitrary units.
    """
    bulge = np.clip(shape["bulge_to_total"], 0.02, 0.9)
    of_disc = 0.55 * np.log(bulge / (1 - bulge)) + 0.45
    of_disc -= 0.7 * shape["arm_strength"] + 0.12 * np.nan_to_num((shape["pitch_deg"] - 17.0) / 10.0)
    sine = np.sin(np.radians(np.nan_to_num(shape["inclination_deg"])))
    of_disc += 1.5 * sine**6 - 1.2 * shape["clumpiness"]
    of_spheroid = 2.0 * np.log(shape["sersic_index"] / 2.7) + 0.15
    by_kind = [shape["kind"] == kind for kind in KINDS]
    score = np.select(by_kind, [of_spheroid, of_disc, -1.2 - shape["clumpiness"], shape["maturity"]])
    score -= np.where(shape["odd_feature"] == "disturbed", 0.6, 0.0)
    return score + 0.3 * (shape["dust_lane"] > 0)


def visibility(radius_arcsec, seeing_arcsec, surface_brightness):
    """How much of the structure survives seeing and noise.

    Parameters
    ----------
    radius_arcsec : numpy.ndarray of float
        Petrosian R90, arcsec.
    seeing_arcsec : numpy.ndarray of float
        Full width at half maximum of the point-spread function, arcsec.
    surface_brightness : numpy.ndarray of float
        Mean g-band surface brightness within R90, mag/arcsec^2.

    Returns
    -------
    numpy.ndarray of float
        Between 0 (nothing is seen) and 1.
    """
    resolved = expit((np.log(radius_arcsec / seeing_arcsec) - np.log(2.9)) / 0.30)
    return resolved * expit((25.0 - surface_brightness) / 0.35)
