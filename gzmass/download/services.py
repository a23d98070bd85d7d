"""Addresses of cutouts at the services that make them on request."""

from gzmass.download.extra import load_extra
from gzmass.errors import ConfigError

__all__ = ["SERVICES", "check_choices"]


def check_choices(name, source, band, survey):
    """Fill in what was not chosen, and refuse what a service does not have.

    Parameters
    ----------
    name : str
        Name of the service.
    source : dict
        Its entry in the table of sources.
    band : str or None
        The band.
    survey : str or None
        Layer of the Legacy Surveys, or id of a HiPS.

    Returns
    -------
    band, survey : str or None
        As they will be used.

    Raises
    ------
    ConfigError
        The service has no such band, or does not take a band or a survey, or needs one.
    """
    bands = source.get("bands")
    if bands is None and band is not None:
        raise ConfigError(f"{name} takes no band: what it shows is chosen by the service or the survey.")
    if bands is not None and band not in bands:
        raise ConfigError(f"{name} needs a band, one of {', '.join(bands)}. Received: {band!r}.")
    takes_survey = name in {"legacy_cutouts", "hips_cutouts"}
    if survey is not None and not takes_survey:
        raise ConfigError(f"{name} takes no survey. Received: {survey!r}.")
    survey = survey or source.get("survey")
    if takes_survey and survey is None:
        raise ConfigError(f"{name} needs a survey, such as CDS/P/SDSS9/g.")
    return band, survey


def _legacy(source, target, band, survey):
    query = {"ra": _degrees(target.ra), "dec": _degrees(target.dec), "layer": survey}
    query |= {"pixscale": f"{target.pixel_scale:.6g}", "bands": band, "size": target.npix}
    return _address(source["address"], query)


def _skyserver(source, target, _, __):
    query = {"ra": _degrees(target.ra), "dec": _degrees(target.dec), "scale": f"{target.pixel_scale:.6g}"}
    return _address(source["address"], query | {"width": target.npix, "height": target.npix})


def _hips(source, target, _, survey):
    # astroquery writes the query; it would read the answer whole, without attempts or checks, so that is left to us
    angles = load_extra("astropy.coordinates")
    query = load_extra("astroquery.hips2fits").hips2fits.query(
        hips=survey,
        width=target.npix,
        height=target.npix,
        projection="TAN",
        ra=angles.Longitude(target.ra, unit="deg"),
        dec=angles.Latitude(target.dec, unit="deg"),
        fov=angles.Angle(target.side_arcsec, unit="arcsec"),
        get_query_payload=True,
    )
    return _address(source["address"], query)


def _degrees(angle):
    return f"{angle:.7f}"  # 0.4 milliarcsec


def _address(address, query):
    return load_extra("requests").Request("GET", address, params=query).prepare().url


#: For each service a function of its entry, a target, the band and the survey that gives the address of a cutout.
SERVICES = {"legacy_cutouts": _legacy, "sdss_jpeg_cutouts": _skyserver, "hips_cutouts": _hips}
