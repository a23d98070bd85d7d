"""The filters of PNG: what was subtracted from each row of bytes before it was compressed."""

from gzmass.images.compiled import compiled

__all__ = ["undo_filters"]


@compiled
def undo_filters(filtered, pixels):
    """Undo the filters of the rows of an image of one byte a pixel (PNG specification, section 9).

    Parameters
    ----------
    filtered : numpy.ndarray of uint8
        For each row the number of its filter, then the bytes, shape (ny, nx + 1).
    pixels : numpy.ndarray of uint8
        The image, which is written, shape (ny, nx).

    Returns
    -------
    bool
        False if a filter has an unknown number.
    """
    ny, nx = pixels.shape
    for y in range(ny):
        kind = filtered[y, 0]
        if kind > 4:
            return False
        left = corner = 0
        for x in range(nx):
            above = int(pixels[y - 1, x]) if y else 0
            left = (filtered[y, x + 1] + _predicted(kind, left, above, corner)) & 255
            pixels[y, x] = left
            corner = above
    return True


@compiled
def _predicted(kind, left, above, corner):
    """Value that a filter subtracts from a pixel, from those before, above, and before the one above."""
    if kind < 3:
        return (0, left, above)[kind]
    if kind == 3:
        return (left + above) // 2
    # Paeth: the one of the three that is nearest to left + above - corner
    by_left, by_above, by_corner = abs(above - corner), abs(left - corner), abs(left + above - 2 * corner)
    if by_left <= min(by_above, by_corner):
        return left
    return above if by_above <= by_corner else corner
