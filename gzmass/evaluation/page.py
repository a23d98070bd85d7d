"""The report as one HTML page that needs nothing outside itself: its head, its votes and how it was made."""

from html import escape

import numpy as np
import yaml

from gzmass.evaluation.page_mass_to_light import (
    comparison_section,
    coverage_section,
    mass_to_light_section,
    residual_section,
    stellar_mass_section,
)
from gzmass.evaluation.wording import mark, mean_of, suffix, with_error
from gzmass.pages import cards, figures, number, picture, render_page, table

__all__ = ["render"]

LONG = {  # what the page leaves in card.yaml
    "calibration",
    "domain",
    "tree",
    "validation",
    "validation_votes",
}
TITLES = {
    "mass_to_light": "Mass-to-light ratio",
    "compared": "Runs side by side",
    "residuals": "Residuals",
    "coverage": "Intervals",
    "galaxies": "Galaxies",
    "stellar_mass": "Stellar mass",
    "votes": "Votes",
    "trees": "Decision trees",
    "made": "How it was made",
}


def render(numbers, drawn, galleries, examples, card):
    """Write the page.

    Parameters
    ----------
    numbers : dict
        What `gzmass.evaluation.evaluate` returns.
    drawn : dict of str to tuple
        Figures: the PNG (bytes), and caption, by the name of the figure.
    galleries : dict of str to list
        Galaxies by title: dicts with ``id``, ``true``, ``predicted``, ``sigma``, ``note`` and ``png`` (bytes).
    examples : list of dict
        Galaxies whose decision tree is drawn: ``title``, ``id``, ``png`` (bytes) and ``svg``.
    card : dict
        Card of the run.

    Returns
    -------
    str
        The HTML text.
    """
    ml = numbers["mass_to_light"]
    parts = {
        "mass_to_light": _or_why(numbers, "mass_to_light", lambda: mass_to_light_section(numbers, drawn)),
        "compared": comparison_section(numbers) if numbers["compared"] else "",
        "residuals": residual_section(numbers, drawn) if ml else "",
        "coverage": coverage_section(numbers, drawn) if ml else "",
        "galaxies": _galaxies(numbers, galleries) if galleries else "",
        "stellar_mass": _or_why(numbers, "stellar_mass", lambda: stellar_mass_section(numbers)),
        "votes": _or_why(numbers, "votes", lambda: _votes(numbers["votes"], drawn)),
        "trees": _trees(examples) if examples else "",
        "made": _made(numbers, card),
    }
    sections = [(key, TITLES[key], text) for key, text in parts.items()]
    return render_page(f"{numbers['name']} on {numbers['dataset']}", _head(numbers, card), sections)


def _or_why(numbers, key, write):
    if numbers[key] is None:
        return f'<p class="absent">Not in this report: {escape(numbers["absent"][key])}.</p>'
    return write()


def _head(numbers, card):
    rows = [
        (f"{numbers['n_predicted']:,}", f"galaxies of the split {numbers['split']}"),
        (f"{numbers['n_labelled']:,}", f"with an M/L label ({numbers['label_kind']})"),
    ]
    if ml := numbers["mass_to_light"]:
        run, proxy = ml["table"][0], suffix(numbers)
        rows.append((with_error(run, "rmse_dex"), f"RMSE of log M/L [dex]{proxy}"))
        rows.append((with_error(run, "r2_dex"), f"R² of log M/L{proxy}"))
        rows.append((with_error(run, "slope_dex"), f"slope of predicted on true log M/L{proxy}"))
        for name, item in ml["explainable"].items():
            label = f"of the R² reachable from {name.replace('_', ' ')} ({item['r2']:.3f})"
            rows.append((f"{100 * item['fraction']:.1f} %", label))
        for item in ml["coverage"][:1]:
            label = f"inside the {100 * item['level']:.6g} % interval{proxy}"
            rows.append((f"{100 * item['overall']['coverage']:.1f} %", label))
    if votes := numbers["votes"]:
        joint = votes["joint"]
        label = f"RMSE over {joint['n_answers']} answers (predicting the mean: {joint['rmse_mean']:.3f})"
        rows.append((with_error(joint, "rmse"), label))
    what = [f"Evaluated on <b>{escape(numbers['dataset'])}</b>, split {escape(numbers['split'])}"]
    what.append(f"{escape(numbers['band'])} band" if numbers["band"] else "band not stated")
    if described := card.get("description"):
        what.append(escape(str(described)))
    name = escape(numbers["name"]).replace("/", "/<wbr>").replace("_", "_<wbr>")  # a path may break on a phone
    parts = [f"<h1>{name}</h1>", f'<p class="lead">{"; ".join(what)}.</p>']
    if numbers["label_kind"] == "proxy":
        parts.append(
            '<p class="kind"><b>The M/L labels of this dataset are a proxy.</b> They stand in for measured '
            "mass-to-light ratios and serve to compare models; no number on this page that rests on them is "
            "a mass-to-light result.</p>"
        )
    if numbers["n_seen"]:
        parts.append(
            f'<p class="kind"><b>The run was made with {numbers["n_seen"]:,} of these galaxies.</b> It learnt from '
            "them, or its intervals are calibrated on them: no number on this page says how it does on galaxies that "
            "it has not seen.</p>"
        )
    missing = numbers["n_galaxies"] - numbers["n_predicted"]
    if missing:
        parts.append(f'<p class="kind">{missing:,} galaxies of the split have no prediction and are left out.</p>')
    parts.append(cards(rows))
    if (domain := numbers["out_of_domain"]) and domain["n"]:
        reasons = "; ".join(f"{escape(reason)} ({n:,})" for reason, n in domain["reasons"].items())
        parts.append(
            f'<p class="note">{domain["n"]:,} {"galaxy lies" if domain["n"] == 1 else "galaxies lie"} outside what the '
            "model was trained on"
            f"{': ' + reasons if reasons else ''}; one can have several reasons, a score above 1 or a single quantity "
            "beyond its range. They count in all numbers unless it says otherwise.</p>"
        )
    return "\n".join(parts)


def _galaxies(numbers, galleries):
    parts = []
    kind = "proxy" if numbers["label_kind"] == "proxy" else "true"
    for title, galaxies in galleries.items():
        pictures = []
        for galaxy in galaxies:
            facts = [galaxy["id"]]
            if np.isfinite(galaxy["true"]):
                facts.append(f"{kind} {number(galaxy['true'], digits=2)}")
            if np.isfinite(galaxy["predicted"]):
                error = f"±{galaxy['sigma']:.2f}" if np.isfinite(galaxy["sigma"]) else ""
                facts.append(f"pred. {number(galaxy['predicted'], digits=2)}{error}")
            if galaxy["note"]:
                facts.append(galaxy["note"])
            image = picture(galaxy["png"], f"galaxy {galaxy['id']}")
            caption = "<br>".join(escape(fact) for fact in facts)
            pictures.append(f"<figure>{image}<figcaption>{caption}</figcaption></figure>")
        parts.append(f'<h3>{escape(title)}</h3>\n<div class="gallery">{"".join(pictures)}</div>')
    text = f"log M/L [dex]{mark(numbers)}. Best, median and worst: by the size of the residual; out of domain: "
    text += (
        "first those that are, with the reason, then the most unusual others, by the score, which is above 1 outside."
    )
    return "\n".join([f'<p class="note">{text}</p>', *parts])


def _votes(votes, drawn):
    joint = votes["joint"]
    mean = mean_of(votes)
    columns = ["question", "galaxies", "votes", "RMSE", "RMSE of the mean", "calibration error"]
    rows = [
        [
            question["question"],
            f"{question['n']:,}",
            f"{question['votes']:,.0f}",
            with_error(question, "rmse"),
            number(question["rmse_mean"]),
            number(question["calibration_error"]),
        ]
        for question in votes["questions"]
    ]
    caption = (
        "Conditional fractions, weighted by the votes that the question received; bootstrap errors. "
        f"“Of the mean”: predicting the mean fraction of {mean}."
    )
    if (assumed := votes["assumed_volunteers"]) is not None:
        caption += f" The number of votes is not known: {assumed:g} volunteers a galaxy are assumed."
    lead = (
        f"<p>RMSE over {joint['n_answers']} answers (probability of the answer times that of being asked, "
        f"the convention of the Kaggle challenge): <b>{with_error(joint, 'rmse')}</b>; predicting the mean of "
        f"{mean}: <b>{number(joint['rmse_mean'])}</b>; {joint['n']:,} galaxies.</p>"
    )
    parts = [lead, table(columns, rows, caption)]
    if votes["unknown"]:
        parts.append(f'<p class="absent">Without votes in this dataset: {escape(", ".join(votes["unknown"]))}.</p>')
    if votes["unlearnt"]:
        parts.append(f'<p class="absent">Not learnt by the run: {escape(", ".join(votes["unlearnt"]))}.</p>')
    parts.append(figures([drawn["votes_rmse"]]))
    parts.append("<h3>Reliability: voted against predicted fraction</h3>")
    parts.append(
        '<p class="note">Ten bins of the predicted fraction, each answer by itself; of two answers only the first, '
        "as the second mirrors it. The area of a point is its share of the votes; on the dashed line a fraction means "
        "what it says. The calibration error above is the mean distance from that line.</p>"
    )
    parts.append(figures([item for key, item in drawn.items() if key.startswith("reliability_")], small=True))
    return "\n".join(parts)


def _trees(examples):
    lead = (
        '<p class="note">Of those who are asked a question: the predicted fraction of each answer (bar, first number) '
        "and the voted one (tick, second number; missing where nobody voted). Beside the question: the predicted share "
        "of volunteers who are asked it. A curve leads from an answer to the next question, as wide as the share that "
        "comes this way; questions that fewer than 10 % are asked are faint. Chosen by the RMSE over all answers.</p>"
    )
    trees = []
    for item in examples:
        image = picture(item["png"], f"galaxy {item['id']}")
        caption = f"<b>{escape(item['title'])}</b><br>{escape(item['id'])}"
        trees.append(f"<figure>{image}<figcaption>{caption}</figcaption>{item['svg']}</figure>")
    return f'{lead}\n<div class="trees">{"".join(trees)}</div>'


def _made(numbers, card):
    versions = ", ".join(f"{name} {version}" for name, version in numbers["versions"].items())
    parts = [f"<p>Evaluated with {escape(versions)}.</p>"]
    card = {key: value for key, value in card.items() if key not in LONG}
    if card:
        text = yaml.safe_dump(_readable(card), sort_keys=False, allow_unicode=True, width=96)
        parts.append(f"<p>From the card of the run:</p>\n<pre>{escape(text)}</pre>")
    else:
        parts.append('<p class="absent">The run has no card: seed, configuration and command are not known.</p>')
    return "\n".join(parts)


def _readable(value):
    if isinstance(value, dict):
        return {str(key): _readable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_readable(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
