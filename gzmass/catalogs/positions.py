"""Right ascension and declination in degrees, and right ascensions in hours told from them."""

import astropy.units as u
import numpy as np
from astropy.coordinates import Angle

from gzmass.catalogs.text import is_number
from gzmass.errors import DataError

__all__ = ["refuse_hours", "sexagesimal_degrees"]

_FEWEST = 20  # positions among which hours can be told from degrees
_TALL = 4.0  # hours make a field 15 times narrower than it is
_TALL_FROM = 60.0  # deg; no smaller field is judged by its shape


def sexagesimal_degrees(values, name, where):
    """Turn positions in sexagesimal text into degrees.

    Parameters
    ----------
    values : pandas.Series of str
        Such as ``"12:34:56.7"`` or ``"12h34m56.7s"``, ``"-00:08:59"``; may have missing ones.
    name : {"ra", "dec"}
        A right ascension is read in hours, a declination in degrees.
    where : str
        What the column is called in an error.

    Returns
    -------
    pandas.Series of float
        Degrees, NaN where missing.

    Raises
    ------
    DataError
        A text is no angle.
    """
    there = values.notna() & (values.astype(str).str.strip() != "")
    out = values.astype(object).mask(there | ~there).astype(float)
    texts = values[there].astype(str).str.strip().tolist()
    plain = [text for text in texts if is_number(text)]
    if name == "ra" and plain:  # hours or degrees?
        raise DataError(
            f"The {where} must hold either degrees or sexagesimal text in all of its rows. Received: {plain[0]!r} "
            f"beside {next(text for text in texts if not is_number(text))!r}."
        )
    try:
        out[there] = Angle(texts, unit=u.hourangle if name == "ra" else u.deg).deg
    except (ValueError, TypeError, u.UnitsError):
        raise DataError(
            f"The {where} must hold degrees, or sexagesimal text such as "
            f"{'12:34:56.7' if name == 'ra' else '-01:23:45.6'!r}. Received: {_first_bad(texts)!r}."
        ) from None
    return out


def refuse_hours(ra, dec, where):
    """Refuse right ascensions that are hours although they should be degrees.

    Hours are taken for granted if all lie in 0 to 24 and either reach within half an hour of both ends, or the field is
    at least 60 deg tall and more than four times as tall as wide.

    Parameters
    ----------
    ra, dec : array_like of float
        Positions; NaN are left out, and fewer than 20 are not judged.
    where : str
        What the column is called in the error.

    Raises
    ------
    DataError
        The right ascensions look like hours.
    """
    ra, dec = np.asarray(ra, dtype=float), np.asarray(dec, dtype=float)
    there = np.isfinite(ra) & np.isfinite(dec)
    ra, dec = ra[there], dec[there]
    if len(ra) < _FEWEST or ra.min() < 0 or ra.max() > 24:
        return
    height = np.ptp(dec)
    both_ends = ra.min() < 0.5 and ra.max() > 23.5
    if both_ends or (height >= _TALL_FROM and height > _TALL * np.ptp(ra)):
        raise DataError(
            f"The right ascensions in {where} look like hours: they reach from {ra.min():.2f} to {ra.max():.2f}, the "
            f"declinations from {dec.min():.1f} to {dec.max():.1f} deg; give them in degrees, or name their unit "
            "(hourangle, or deg if they are degrees)."
        )


def _first_bad(texts):
    for text in texts:
        try:
            Angle(text, unit=u.deg)
        except (ValueError, TypeError, u.UnitsError):
            return text
    return texts[0]
