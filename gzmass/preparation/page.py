"""The page preparation.html: what was done to the images and catalogues of a dataset, for the eye."""

from html import escape

import numpy as np
import pandas as pd
import yaml

from gzmass.engine import write_atomically
from gzmass.errors import DataError
from gzmass.pages import cards, figures, image_png, picture, render_page, table, to_png
from gzmass.preparation.figures import column_figure, sky_figure, votes_figure
from gzmass.preparation.images import delivered_image

__all__ = ["write_page"]

_LISTED = 15  # reasons
_UNITS = {
    "ra": "right ascension [deg]",
    "dec": "declination [deg]",
    "redshift": "redshift",
    "distance_mpc": "distance [Mpc]",
    "luminosity_g": r"luminosity [$L_\odot$ of the band]",
    "radius_kpc": "radius [kpc]",
    "radius_arcsec": "radius [arcsec]",
    "pixel_scale_arcsec": "pixel of the PNG [arcsec]",
    "stretch_scale": "scale of the stretch [image unit]",
    "centre_offset_arcsec": "offset of the centre [arcsec]",
    "filled_fraction": "fraction of the pixels replaced",
    "missing_fraction": "fraction of the pixels missing",
    "log_luminosity_err": r"error of $\log_{10} L$ [dex]",
    "log_ml_g": r"$\log_{10} M_\star/L$ [solar units]",
    "log_ml_g_err": r"error of $\log_{10} M_\star/L$ [dex]",
    "log_mstar": r"$\log_{10} M_\star$ [$M_\odot$]",
    "log_mstar_err": r"error of $\log_{10} M_\star$ [dex]",
}
_TITLES = {
    "images": "Images before and after",
    "labels": "Labels and columns",
    "votes": "Votes",
    "matches": "Tables and their galaxies",
    "sky": "Sky",
    "set_aside": "Set aside",
    "conventions": "Units and conventions",
}


def write_page(config, dataset, summary, examples, galaxies, frames=None):
    """Write ``preparation.html`` into a dataset directory.

    Parameters
    ----------
    config : PrepareConfig
        The configuration.
    dataset : gzmass.datasets.Dataset
        The dataset, which is written already.
    summary : gzmass.preparation.prepare.Summary
        What was made.
    examples : dict of str to list
        Ids of the galaxies to show, by the title over them, as `choose_examples` gives them.
    galaxies : dict
        The `Galaxy` of each of these ids: what its image is made of.
    frames : gzmass.images.FrameIndex, optional
        The survey frames, where images are cut out of these.

    Returns
    -------
    pathlib.Path
        The page.
    """
    parts = {
        "images": _images(config, dataset, examples, galaxies, frames),
        "labels": _columns(dataset),
        "votes": _votes(dataset),
        "matches": _matches(summary.matches),
        "sky": _sky(dataset.table),
        "set_aside": _set_aside(summary),
        "conventions": _conventions(dataset.info),
    }
    sections = [(key, _TITLES[key], text) for key, text in parts.items()]
    page = summary.path / "preparation.html"
    with write_atomically(page) as partial:
        text = render_page(f"Preparation of {summary.path.name}", _head(dataset, summary), sections)
        partial.write_text(text, encoding="utf-8")
    return page


def _head(dataset, summary):
    counts = summary.counts["all"]
    numbers = [
        (f"{counts['galaxies']:,}", f"galaxies of {dataset.npix} px, {dataset.info['band']} band"),
        (f"{counts['votes']:,}", "with votes"),
        (f"{counts['log_ml']:,}", "with M/L"),
        (f"{counts['votes_and_log_ml']:,}", "with both"),
        (f"{sum(summary.set_aside.values()):,}", "set aside"),
    ]
    splits = ", ".join(f"{name} {n['galaxies']:,}" for name, n in summary.counts.items() if name != "all")
    parts = [
        f"<h1>Preparation of {escape(summary.path.name)}</h1>",
        f'<p class="lead">What was done to the images and catalogues. Splits: {escape(splits)}.</p>',
        cards(numbers),
    ]
    if dataset.info.get("label_kind") == "proxy":
        parts.append(
            '<p class="kind"><b>The M/L labels are a proxy.</b> They stand in for measured mass-to-light ratios; '
            "no number that rests on them is a mass-to-light result.</p>"
        )
    if summary.notes:
        parts.append("<ul>" + "".join(f"<li>{escape(note)}</li>" for note in summary.notes) + "</ul>")
    return "\n".join(parts)


def _images(config, dataset, examples, galaxies, frames):
    lead = "Left: the largest square of the image as it was delivered. Right: the image of the dataset."
    parts = [f'<p class="note">{lead} Both are stretched alike.</p>']
    for title, ids in examples.items():
        pairs = "".join(_pair(config, dataset, galaxies[galaxy_id], frames) for galaxy_id in ids)
        parts.append(f'<h3>{title}</h3>\n<div class="pairs">{pairs}</div>')
    return "\n".join(parts)


def _pair(config, dataset, galaxy, frames):
    try:
        before = image_png(delivered_image(config, galaxy, frames))
    except DataError:  # as when only the part that is used can be stretched
        before = image_png(np.full((8, 8), 255, np.uint8))
    (number,) = np.flatnonzero(dataset.table["id"] == galaxy.id)
    row = dataset.table.iloc[number]
    (after,) = dataset.pngs([number])
    facts = [str(galaxy.id)]
    if row.get("filled_fraction", 0) > 0:
        facts.append(f"{100 * row['filled_fraction']:.1f} % replaced")
    if row.get("centre_status") in {"corrected", "kept", "uncertain"}:
        moved = f" by {row['centre_offset_arcsec']:.1f}″" if np.isfinite(row["centre_offset_arcsec"]) else ""
        facts.append(f"centre {row['centre_status']}{moved}")
    if np.isfinite(row["log_ml_g"]):
        facts.append(f"log M/L {row['log_ml_g']:.2f}")
    both = picture(before, f"{galaxy.id} as delivered") + picture(after, f"{galaxy.id} prepared")
    return f"<figure><div>{both}</div><figcaption>{'<br>'.join(map(escape, facts))}</figcaption></figure>"


def _columns(dataset):
    items = []
    for name in dataset.table.columns:
        values = dataset.table[name]
        an_id = name.endswith("id") and values.dtype.kind in "iu"
        if an_id or name in dataset.vote_columns or values.dtype.kind not in "fiub" or not values.notna().any():
            continue
        label = _UNITS.get(name, name.replace("$", r"\$"))
        known = int(np.isfinite(values.to_numpy(float)).sum())
        items.append((_png(column_figure(values, label)), f"{name}: {known:,} of {len(values):,} galaxies"))
    parts = [figures(items, small=True)] if items else []
    if "centre_status" in dataset.table:
        counts = dataset.table["centre_status"].value_counts()
        parts.append(f"<p>Centres: {escape(', '.join(f'{n:,} {status}' for status, n in counts.items()))}.</p>")
    return "\n".join(parts)


def _votes(dataset):
    if dataset.tree is None:
        return ""
    tree, items, absent = dataset.tree, [], []
    columns = np.array(dataset.vote_columns)
    for index, question in enumerate(tree.questions):
        own = dataset.table[columns[tree.segment == index]].to_numpy(float)
        total = own.sum(axis=1, keepdims=True)
        asked = (total > 0).ravel()
        if not asked.any():
            absent.append(question.name)
            continue
        fractions = own[asked] / total[asked]
        names = [answer.text for answer in question.answers]
        caption = f"{question.text} {int(asked.sum()):,} galaxies"
        if dataset.assumed_volunteers is None:
            caption += f", {np.median(total[asked]):.0f} votes in the median"
        items.append((_png(votes_figure(fractions, names, question.name)), caption))
    lead = "Point: median; thick and thin bar: central 68 % and 90 % of the galaxies with votes on the question."
    if dataset.assumed_volunteers is not None:
        lead += f" The catalogue has fractions alone; {dataset.assumed_volunteers:g} volunteers a galaxy are assumed."
    parts = [f'<p class="note">{lead}</p>', figures(items, small=True)]
    if absent:
        parts.append(f'<p class="absent">Without votes in this dataset: {escape(", ".join(absent))}.</p>')
    return "\n".join(parts)


def _matches(matches):
    if not matches:
        return ""
    columns = ["table", "rows", "galaxies found", "not found", "rows without a galaxy"]
    counts = ("n_right", "n_matched", "n_left_only", "n_right_only")
    rows = [[match["table"], *(f"{match[key]:,}" for key in counts)] for match in matches]
    caption = "How the rows of each table found their galaxies."
    if any(match["median_separation_arcsec"] is not None for match in matches):
        columns += ["separation", "by chance"]
        for row, match in zip(rows, matches, strict=True):
            row.append("" if match["median_separation_arcsec"] is None else f"{match['median_separation_arcsec']:.2f}″")
            row.append("" if match["n_chance"] is None else f"{match['n_chance']:.1f}")
        caption += (
            " Of those matched by position: the median separation, and how many matches chance alone would give, as "
            "found with shifted positions."
        )
    text = table(columns, rows, caption)
    hows = [f"{match['table']}: matched by {match['how']}" for match in matches if match["how"] != "id id"]
    if hows:
        text += "\n<ul>" + "".join(f"<li>{escape(how)}</li>" for how in hows) + "</ul>"
    for match in matches:
        several = {
            "galaxies could have several rows": match["n_several_right"],
            "rows are claimed by several galaxies": match["n_several_left"],
            "rows are a galaxy again that already has one": match["n_right_spare"],
        }
        if any(several.values()):
            counts = ", ".join(f"{n:,} {what}" for what, n in several.items())
            text += f'\n<p class="absent">{escape(match["table"])}: {counts}.</p>'
    if empty := [name for name in matches[-1]["empty_columns"] if not name.endswith("_votes")]:
        text += f'\n<p class="absent">Columns without a value for any galaxy: {escape(", ".join(empty))}.</p>'
    return text


def _sky(galaxies):
    known = galaxies["ra"].notna() & galaxies["dec"].notna()
    if not known.any():
        return '<p class="absent">The positions are not known.</p>'
    figure = sky_figure(galaxies["ra"][known], galaxies["dec"][known])
    return figures([(_png(figure), f"{int(known.sum()):,} galaxies with a position; north is up, east is left.")])


def _set_aside(summary):
    if not summary.set_aside:
        return "<p>Nothing was set aside.</p>"
    listed = pd.read_csv(summary.path / "quarantine.csv", dtype=str)
    # paths and numbers differ from line to line: what is counted is the kind
    kind = listed["reason"].str.replace(r"'[^']*'", "'…'", regex=True).str.replace(r"-?\d[\d.e+-]*", "#", regex=True)
    rows = []
    for _, group in sorted(listed.groupby(kind), key=lambda item: -len(item[1]))[:_LISTED]:
        first = group.iloc[0]
        rows.append([str(first["id"]), f"{len(group):,}", str(first["reason"])])
    where = ", ".join(f"{name} {n:,}" for name, n in summary.set_aside.items())
    caption = f'{escape(where)}. All of them with their files: <a href="quarantine.csv">quarantine.csv</a>.'
    return f'<div class="reasons">{table(["first id", "how many", "reason of the first one"], rows, caption)}</div>'


def _conventions(info):
    kept = ("label_kind", "label_source", "convention", "cosmology", "stretch", "cutout", "columns", "split")
    shown = {key: info[key] for key in kept if info.get(key) is not None}
    text = yaml.safe_dump(shown, sort_keys=False, allow_unicode=True, width=96)
    return (
        "<p>M/L, masses and luminosities are in solar units, luminosities in those of the band itself; distances in "
        "Mpc, radii in kpc, angles in degrees and arcsec. What is null is not known. From dataset.yaml:</p>\n"
        f"<pre>{escape(text)}</pre>"
    )


def _png(figure):
    return to_png(figure, dpi=130)
