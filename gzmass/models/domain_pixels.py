"""Compiled passes over 8-bit images that measure what `gzmass.models.domain_statistics` describes."""

import numpy as np

from gzmass.images.compiled import compiled

__all__ = ["flux_of_levels", "framing", "measure", "sky_levels"]

_MEAN_TO_SIGMA = 1.2533  # sqrt(pi / 2): standard deviation of a Gaussian from its mean deviation
_CUT = 0.986  # what a cut at 3 standard deviations takes of the mean deviation of a Gaussian
# mean of log(1 + |z| / 6) for a standard Gaussian z: the noise of the sky in the stretch of `gzmass.images.stretch`
_STRETCHED_NOISE = 0.1213 * _MEAN_TO_SIGMA
_WHITE_ABOVE_SKY = 215.0  # grey levels
_LARGEST_CURVE = 12.0  # log(1 + peak / scale) of an image that is brighter than any: noise of a tenth of a grey level
_FLOOR = 0.05  # of mean squares, in squared grey levels: rounding alone makes 1/12
_REACH = 6  # px about the peak


@compiled
def sky_levels(image, width):
    """Measure the sky in the border of an image, its sources clipped.

    Parameters
    ----------
    image : numpy.ndarray of uint8
        Shape (npix, npix).
    width : int
        Of the border [px]; the corners count twice.

    Returns
    -------
    level, noise : float
        Median, and standard deviation of a pixel, >= 0.3 [grey levels].
    """
    npix = len(image)
    counts = np.zeros(256, np.int64)
    for i in range(width):
        for k in range(npix):
            counts[image[i, k]] += 1
            counts[image[npix - 1 - i, k]] += 1
            counts[image[k, i]] += 1
            counts[image[k, npix - 1 - i]] += 1
    level, deviation = _median_and_deviation(counts, 4 * width * npix)
    noise = _MEAN_TO_SIGMA * deviation
    for _ in range(3):
        limit = 3 * max(noise, 0.5)
        total, kept = 0.0, 0
        for grey in range(256):
            if abs(grey - level) <= limit:
                total += counts[grey] * abs(grey - level)
                kept += counts[grey]
        noise = _MEAN_TO_SIGMA / _CUT * total / kept
    return level, max(noise, 0.3)


@compiled
def framing(images, width):
    """Measure what tells another depth, stretch or framing.

    Parameters
    ----------
    images : numpy.ndarray of uint8
        Shape (n, npix, npix).
    width : int
        Rows at the top and at the bottom that are taken for sky.

    Returns
    -------
    numpy.ndarray of float
        Median of the sky, its mean absolute deviation, and the mean of the image [grey levels], shape (n, 3).
    """
    npix, found = images.shape[1], np.empty((len(images), 3))
    for n in range(len(images)):
        counts, total = np.zeros(256, np.int64), 0
        for i in range(width):
            for k in range(npix):
                counts[images[n, i, k]] += 1
                counts[images[n, npix - 1 - i, k]] += 1
        for i in range(npix):
            for k in range(npix):
                total += images[n, i, k]
        found[n, 0], found[n, 1] = _median_and_deviation(counts, 2 * width * npix)
        found[n, 2] = total / npix**2
    return found


@compiled
def flux_of_levels(level, noise):
    """Undo the stretch, as far as the image itself tells its scale, for each grey level.

    Parameters
    ----------
    level, noise : float
        Of the sky, as `sky_levels` gives them.

    Returns
    -------
    numpy.ndarray of float
        Flux above the sky in units of the noise of a pixel, shape (256,).
    """
    curve = min(_WHITE_ABOVE_SKY * _STRETCHED_NOISE / noise, _LARGEST_CURVE)
    flux = np.empty(256)
    for grey in range(256):
        above = (grey - level) * curve / _WHITE_ABOVE_SKY
        flux[grey] = np.copysign(6 * np.expm1(abs(above)), above)
    return flux


@compiled
def measure(images, apertures, aperture_sizes, rings, ring_sizes, waves, bands, band_weights):
    """Measure the statistics of images.

    Pixels and frequencies are taken in one quadrant: the four pixels that mirror each other across the middle of the
    image have one aperture and, up to signs, one phase; the four frequencies have one power.

    Parameters
    ----------
    images : numpy.ndarray of uint8
        Shape (n, npix, npix).
    apertures : numpy.ndarray of int
        Number of the smallest aperture that holds a pixel of the quadrant, from the middle outwards: shape (half,
        half), half = (npix + 1) // 2; of those that none holds, the number of apertures.
    aperture_sizes : numpy.ndarray of int
        Pixels in each aperture.
    rings : numpy.ndarray of int
        Number of the ring of a pixel around the peak, shape (13, 13).
    ring_sizes : numpy.ndarray of int
        Pixels in each ring, and in none.
    waves : tuple of numpy.ndarray of float32
        Window times cosine, and sine, of frequencies along the rows at the distances of pixels from the middle along
        the columns: shape (npix // 2 + 1, half).
    bands : numpy.ndarray of int
        Number of the band of each frequency, flat.
    band_weights : numpy.ndarray of float
        Factor that makes a power a part of the mean of its band.

    Returns
    -------
    numpy.ndarray of float
        Shape (n, 26).
    """
    n_apertures, n_rings, n_bands = len(aperture_sizes), len(ring_sizes) - 1, bands.max()
    cosine, sine = waves
    cosine_across, sine_across = np.ascontiguousarray(cosine.T), np.ascontiguousarray(sine.T)
    npix, (n_waves, half) = images.shape[1], cosine.shape
    width = max(2, round(0.1 * npix))
    folded, across = np.empty((4, half, half), np.float32), np.empty((half, n_waves), np.float32)
    amplitude = np.empty((n_waves, n_waves), np.float32)
    found = np.empty((len(images), 5 + n_apertures + 1 + n_rings - 1 + n_bands))
    for n in range(len(images)):
        image, row = images[n], found[n]
        level, noise = sky_levels(image, width)
        row[0], row[1] = np.log(noise), level
        _texture(image, width, level, noise, row[2:5])
        flux = flux_of_levels(level, noise)

        light = np.zeros(n_apertures + 1)
        for i in range(half):
            for k in range(half):
                top, bottom, left, right = half - 1 - i, npix - half + i, half - 1 - k, npix - half + k
                four = flux[image[top, left]] + flux[image[top, right]]
                four += flux[image[bottom, left]] + flux[image[bottom, right]]
                if top == bottom:  # the middle row of an odd number is its own mirror image
                    four /= 2
                if left == right:
                    four /= 2
                light[apertures[i, k]] += four
        inside = 0.0
        for a in range(n_apertures):
            inside += light[a]
            row[5 + a] = np.arcsinh(inside / aperture_sizes[a] / 0.1)
        first = 5 + n_apertures
        middle = image[npix // 2 - 3 : npix // 2 + 4, npix // 2 - 3 : npix // 2 + 4]
        row[first] = np.arcsinh(flux[middle.max()])
        _profile(image, flux, rings, ring_sizes, row[first + 1 : first + n_rings])

        _fold(image, level, folded)
        power = np.zeros((n_waves, n_waves), np.float32)
        for part in range(4):
            np.dot(folded[part], cosine_across if part % 2 == 0 else sine_across, across)
            np.dot(cosine if part < 2 else sine, across, amplitude)
            power += amplitude * amplitude
        total = np.zeros(n_bands + 1)
        flat = power.ravel()
        for k in range(len(bands)):
            total[bands[k]] += band_weights[k] * flat[k]
        for band in range(n_bands):
            row[first + n_rings + band] = np.log(total[band] / noise**2 + 0.01)
    return found


@compiled
def _median_and_deviation(counts, n):
    """Find the median of an even number of grey levels, and the mean absolute deviation from it."""
    below, lower, upper = 0, -1, -1
    for grey in range(256):
        below += counts[grey]
        if lower < 0 and below >= n // 2:
            lower = grey
        if below > n // 2:
            upper = grey
            break
    level, total = (lower + upper) / 2, 0.0
    for grey in range(256):
        total += counts[grey] * abs(grey - level)
    return level, total / n


@compiled
def _texture(image, width, level, noise, row):
    """Compare differences over 1 and 2 px, and across, with those over 4, and these with the noise."""
    npix, limit = len(image), 3 * noise
    clipped = np.empty(256)
    for grey in range(256):
        clipped[grey] = min(max(grey - level, -limit), limit)
    one = two = four = 0.0
    strip = np.empty((4, npix))
    for i in range(width):
        for k in range(npix):
            strip[0, k] = clipped[image[i, k]]
            strip[1, k] = clipped[image[npix - 1 - i, k]]
            strip[2, k] = clipped[image[k, i]]
            strip[3, k] = clipped[image[k, npix - 1 - i]]
        for side in range(4):
            for k in range(npix - 4):
                one += (strip[side, k + 1] - strip[side, k]) ** 2
                two += (strip[side, k + 2] - strip[side, k]) ** 2
                four += (strip[side, k + 4] - strip[side, k]) ** 2
            for k in range(npix - 4, npix - 1):
                one += (strip[side, k + 1] - strip[side, k]) ** 2
            for k in range(npix - 4, npix - 2):
                two += (strip[side, k + 2] - strip[side, k]) ** 2
    far = np.log(four / (4 * width * (npix - 4)) + _FLOOR)
    row[0] = np.log(one / (4 * width * (npix - 1)) + _FLOOR) - far
    row[1] = np.log(two / (4 * width * (npix - 2)) + _FLOOR) - far
    row[2] = far - 2 * np.log(noise)


@compiled
def _profile(image, flux, rings, ring_sizes, row):
    """Measure how the logarithm of the light falls from ring to ring about the brightest pixel of the middle."""
    npix = len(image)
    room = npix // 8
    low = npix // 2 - room
    y, x = low, low
    for i in range(low, low + 2 * room + 1):
        for k in range(low, low + 2 * room + 1):
            if image[i, k] > image[y, x]:
                y, x = i, k
    logarithm = np.arcsinh(flux)
    light = np.zeros(len(ring_sizes))
    for i in range(2 * _REACH + 1):
        for k in range(2 * _REACH + 1):
            a, b = min(max(y + i - _REACH, 0), npix - 1), min(max(x + k - _REACH, 0), npix - 1)
            light[rings[i, k]] += logarithm[image[a, b]]
    for ring in range(len(row)):
        row[ring] = light[ring] / ring_sizes[ring] - light[ring + 1] / ring_sizes[ring + 1]


@compiled
def _fold(image, level, folded):
    """Split an image into what is even and odd about its middle, in rows and columns."""
    npix, half = len(image), folded.shape[1]
    level = np.float32(4 * level)
    for i in range(half):
        top, bottom = image[half - 1 - i], image[npix - half + i]
        for k in range(half):
            a, b = np.int32(top[half - 1 - k]), np.int32(top[npix - half + k])
            c, d = np.int32(bottom[half - 1 - k]), np.int32(bottom[npix - half + k])
            folded[0, i, k] = np.float32(a + b + c + d) - level
            folded[1, i, k] = np.float32(b - a + d - c)
            folded[2, i, k] = np.float32(c + d - a - b)
            folded[3, i, k] = np.float32(d - c - b + a)
