"""The report as one HTML page that needs nothing outside itself."""

from html import escape

import numpy as np
import yaml

from gzmass.pages import NONE, cards, number, render_page, table
from gzmass.pages import figures as show_figures

__all__ = ["render"]

LONG = {
    "calibration",
    "domain",
    "tree",
    "validation",
    "validation_votes",
}  # what the page leaves in card.yaml
TITLES = {"mass_to_light": "Mass-to-light ratio", "votes": "Votes", "stellar_mass": "Stellar mass"}


def render(numbers, figures, galleries, card):
    """Write the page.

    Parameters
    ----------
    numbers : dict
        What `gzmass.evaluation.evaluate` returns.
    figures : dict of str to tuple
        PNG as base64 text, and caption, by the name of the figure.
    galleries : dict of str to list
        Lists of galaxies by title: dicts with ``id``, ``true``, ``predicted``, ``sigma`` and ``png``
        (base64 text).
    card : dict
        Card of the run.

    Returns
    -------
    str
        The HTML text.
    """
    body = [_head(numbers, card)]
    body.append(_section(numbers, "mass_to_light", lambda ml: _mass_to_light(numbers, ml, figures)))
    if numbers["mass_to_light"]:
        body.append(_coverage(numbers, figures))
        body.append(_gallery(numbers, galleries))
    body.append(_section(numbers, "stellar_mass", lambda mass: _stellar_mass(numbers, mass)))
    body.append(_section(numbers, "votes", lambda votes: _votes(votes, figures)))
    body.append(_made(numbers, card))
    return render_page(f"{numbers['name']} on {numbers['dataset']}", "\n".join(body))


def _section(numbers, key, write):
    head = f'<h2 id="{key}">{TITLES[key]}</h2>'
    if numbers[key] is None:
        return f'{head}\n<p class="absent">Not in this report: {escape(numbers["absent"][key])}.</p>'
    return f"{head}\n{write(numbers[key])}"


def _head(numbers, card):
    rows = [
        (f"{numbers['n_predicted']:,}", f"galaxies of the split {numbers['split']}"),
        (f"{numbers['n_labelled']:,}", f"with an M/L label ({numbers['label_kind']})"),
    ]
    if ml := numbers["mass_to_light"]:
        run = ml["table"][0]
        suffix = _suffix(numbers)
        rows.append((_pm(run, "rmse_dex"), f"RMSE of log M/L [dex]{suffix}"))
        rows.append((_pm(run, "r2_dex"), f"R² of log M/L{suffix}"))
        for name, item in ml["explainable"].items():
            label = f"of the R² reachable from {name.replace('_', ' ')} ({item['r2']:.3f})"
            rows.append((f"{100 * item['fraction']:.1f} %", label))
        for item in ml["coverage"][:1]:
            label = f"inside the {100 * item['level']:.6g} % interval{suffix}"
            rows.append((f"{100 * item['overall']['coverage']:.1f} %", label))
    if votes := numbers["votes"]:
        joint = votes["joint"]
        label = f"RMSE over {joint['n_answers']} answers (predicting the mean: {joint['rmse_mean']:.3f})"
        rows.append((_pm(joint, "rmse"), label))
    what = [f"Evaluated on <b>{escape(numbers['dataset'])}</b>, split {escape(numbers['split'])}"]
    what.append(f"{escape(numbers['band'])} band")
    if described := card.get("description"):
        what.append(escape(str(described)))
    parts = [f"<h1>{escape(numbers['name'])}</h1>", f'<p class="lead">{"; ".join(what)}.</p>']
    if numbers["label_kind"] == "proxy":
        parts.append(
            '<p class="kind"><b>The M/L labels of this dataset are a proxy.</b> They stand in for measured '
            "mass-to-light ratios and serve to compare models; no number on this page that rests on them is "
            "a mass-to-light result.</p>"
        )
    missing = numbers["n_galaxies"] - numbers["n_predicted"]
    if missing:
        parts.append(f'<p class="kind">{missing:,} galaxies of the split have no prediction and are left out.</p>')
    parts.append(cards(rows))
    if (domain := numbers["out_of_domain"]) and domain["n"]:
        reasons = "; ".join(f"{escape(reason)} ({n:,})" for reason, n in domain["reasons"].items())
        parts.append(
            f'<p class="note">{domain["n"]:,} galaxies lie outside what the model was trained on'
            f"{': ' + reasons if reasons else ''}. They count in all numbers unless it says otherwise.</p>"
        )
    links = [*TITLES.items(), ("made", "How it was made")]
    parts.append("<nav>" + " ".join(f'<a href="#{key}">{title}</a>' for key, title in links) + "</nav>")
    return "\n".join(parts)


def _mass_to_light(numbers, ml, figures):
    entries = [(_predictor(item), item, item.get("versus_run")) for item in ml["table"]]
    if "in_domain" in ml:
        entries.insert(1, ("this run, in domain only", ml["in_domain"], None))
    dex = [
        [
            name,
            f"{item['n']:,}",
            _pm(item, "rmse_dex"),
            _pm(versus, "difference", sign=True) if versus else "",
            _pm(item, "r2_dex"),
            _pm(item, "bias_dex", sign=True),
            number(item["nmad_dex"]),
        ]
        for name, item, versus in entries
    ]
    linear = [
        [
            name,
            _pm(item, "rmse_linear"),
            _pm(item, "r2_linear"),
            _pm(item, "bias_linear", sign=True),
            number(item["nmad_linear"]),
        ]
        for name, item, _ in entries
    ]
    band = escape(numbers["band"])
    caption = (
        f"log M/L of the {band} band [dex]{_mark(numbers)}. Errors: bootstrap. “Against the run” is the "
        "RMSE minus that of the run, on the same galaxies, resampled together."
    )
    columns = ["predictor", "galaxies", "RMSE", "against the run", "R²", "bias", "NMAD"]
    parts = [table(columns, dex, caption, strong_rows=1)]
    caption = f"Linear M/L of the {band} band [solar units]{_mark(numbers)}: 10<sup>log M/L</sup>."
    columns = ["predictor", "RMSE", "R²", "bias", "NMAD"]
    parts.append(table(columns, linear, caption, strong_rows=1))
    for name, item in ml["explainable"].items():
        parts.append(
            f"<p>Of the variance of log M/L, {100 * item['r2']:.1f} % can be known from {_words(name)}; the run "
            f"explains {100 * ml['table'][0]['r2_dex']:.1f} %, which is <b>{100 * item['fraction']:.1f} %</b> of "
            "that.</p>"
        )
    if isinstance(ml["baselines"], dict):
        used = ", ".join(ml["baselines"]["metadata"]) or "none known"
        parts.append(
            f'<p class="note">The baselines are boosted trees trained on {ml["baselines"]["n_train"]:,} '
            f"labelled galaxies ({escape(ml['baselines']['learned_from'])}); metadata: {escape(used)}.</p>"
        )
    elif ml["baselines"]:
        parts.append(f'<p class="absent">No baselines: {escape(ml["baselines"])}.</p>')
    names = ["predicted_against_true", "residual_against_true", "residual_against_predicted", "rmse"]
    parts.append(_figures(figures, names, numbers))
    return "\n".join(parts)


def _coverage(numbers, figures):
    ml = numbers["mass_to_light"]
    head = '<h2 id="coverage">Intervals</h2>'
    if not ml["coverage"]:
        return f'{head}\n<p class="absent">Not in this report: the predictions hold no intervals.</p>'
    columns = ["galaxies", *[f"{100 * item['level']:.6g} % interval" for item in ml["coverage"]]]
    widths = ["median width [dex]", *[number(item["overall"]["width"]) for item in ml["coverage"]]]
    rows = [["all", *[_share(item["overall"]) for item in ml["coverage"]]]]
    for quantity, thirds in ml["coverage"][0]["thirds"].items():
        for index, third in enumerate(("lowest", "middle", "highest")):
            span = f"{round(thirds[index]['from'], 3):g} to {round(thirds[index]['to'], 3):g}"
            shares = [_share(item["thirds"][quantity][index]) for item in ml["coverage"]]
            rows.append([f"{quantity}, {third} third ({span})", *shares])
    caption = f"Share of the galaxies whose label lies inside its interval{_mark(numbers)}; binomial errors."
    text = (
        '<p class="note">An interval can promise its level for what is known of a galaxy: in thirds of the '
        "prediction, redshift or size. In thirds of the label itself it covers less at both ends wherever "
        "the input does not fix M/L: those thirds are chosen by the part that can not be predicted.</p>"
    )
    shares = table(columns, [*rows, widths], caption, strong_rows=1)
    return "\n".join([head, shares, text, _figures(figures, ["coverage", "pit"], numbers)])


def _gallery(numbers, galleries):
    parts = ['<h2 id="galaxies">Galaxies</h2>']
    kind = "proxy" if numbers["label_kind"] == "proxy" else "true"
    for title, galaxies in galleries.items():
        pictures = []
        for galaxy in galaxies:
            error = f" ± {galaxy['sigma']:.2f}" if np.isfinite(galaxy["sigma"]) else ""
            source = f"data:image/png;base64,{galaxy['png']}"
            pictures.append(
                f'<figure><img alt="galaxy {escape(galaxy["id"])}" src="{source}">'
                f"<figcaption>{escape(galaxy['id'])}<br>{kind} {galaxy['true']:.2f}<br>"
                f"predicted {galaxy['predicted']:.2f}{error}</figcaption></figure>"
            )
        parts.append(f'<h3>{title} predictions</h3>\n<div class="gallery">{"".join(pictures)}</div>')
    parts.append(f'<p class="note">log M/L [dex]{_mark(numbers)}; ordered by the size of the residual.</p>')
    return "\n".join(parts)


def _stellar_mass(numbers, mass):
    low, middle, high = mass["percentiles"]
    text = (
        f"<p>log M<sub>*</sub> = log M/L + log L for {mass['n']:,} galaxies: median {middle:.2f}, 5 to 95 %: "
        f"{low:.2f} to {high:.2f} [dex of M<sub>☉</sub>]; median error {number(mass['median_sigma'])} dex"
        f"{_mark(numbers)}.</p>"
    )
    parts = [text]
    if "truth" in mass:
        columns = ["log M* [dex]", "galaxies", "RMSE", "R²", "bias", "NMAD"]
        caption = f"Compared with {escape(mass['truth'])}{_mark(numbers)}."
        row = ["this run", f"{mass['n_true']:,}", _pm(mass, "rmse_dex"), _pm(mass, "r2_dex")]
        row += [_pm(mass, "bias_dex", sign=True), number(mass["nmad_dex"])]
        parts.append(table(columns, [row], caption, strong_rows=1))
    return "\n".join(parts)


def _votes(votes, figures):
    joint = votes["joint"]
    mean = "the training set" if votes["mean_from"] == "train" else "the scored galaxies themselves"
    columns = ["question", "galaxies", "votes", "RMSE", "RMSE of the mean", "calibration error"]
    rows = [
        [
            question["question"],
            f"{question['n']:,}",
            f"{question['votes']:,.0f}",
            _pm(question, "rmse"),
            number(question["rmse_mean"]),
            number(question["calibration_error"]),
        ]
        for question in votes["questions"]
    ]
    caption = (
        "Conditional fractions, weighted by the votes that the question received; bootstrap errors. "
        f"“Of the mean”: predicting the mean fraction of {mean}."
    )
    lead = (
        f"<p>RMSE over {joint['n_answers']} answers (probability of the answer times that of being asked, "
        f"the convention of the Kaggle challenge): <b>{_pm(joint, 'rmse')}</b>; predicting the mean of "
        f"{mean}: <b>{number(joint['rmse_mean'])}</b>; {joint['n']:,} galaxies.</p>"
    )
    parts = [lead, table(columns, rows, caption)]
    if votes["unknown"]:
        parts.append(f'<p class="absent">Without votes in this dataset: {escape(", ".join(votes["unknown"]))}.</p>')
    parts.append(_figures(figures, ["votes_rmse"]))
    parts.append("<h3>Reliability: voted against predicted fraction</h3>")
    parts.append(_figures(figures, [key for key in figures if key.startswith("reliability_")], small=True))
    return "\n".join(parts)


def _made(numbers, card):
    versions = ", ".join(f"{name} {version}" for name, version in numbers["versions"].items())
    parts = ['<h2 id="made">How it was made</h2>', f"<p>Evaluated with {escape(versions)}.</p>"]
    card = {key: value for key, value in card.items() if key not in LONG}
    if card:
        text = yaml.safe_dump(_readable(card), sort_keys=False, allow_unicode=True, width=96)
        parts.append(f"<p>From the card of the run:</p>\n<pre>{escape(text)}</pre>")
    else:
        parts.append('<p class="absent">The run has no card: seed, configuration and command are not known.</p>')
    return "\n".join(parts)


def _figures(figures, names, numbers=None, *, small=False):
    items = [figures[name] for name in names if name in figures]
    return show_figures(items, small=small, mark=_mark(numbers) if numbers else "")


def _words(name):
    return escape(str(name).replace("_", " "))


def _predictor(item):
    return f"baseline: {item['name']}" if item["kind"] == "baseline" else item["name"]


def _suffix(numbers):
    return " (proxy labels)" if numbers["label_kind"] == "proxy" else ""


def _mark(numbers):
    return ' <span class="proxy">(proxy labels)</span>' if numbers["label_kind"] == "proxy" else ""


def _pm(numbers, key, *, sign=False):
    value, error = number(numbers[key], sign=sign), numbers.get(f"{key}_error")
    return f"{value} ± {error:.3f}" if error is not None and np.isfinite(error) else value


def _share(item):
    return f"{100 * item['coverage']:.1f} ± {100 * item['error']:.1f} %" if item["n"] else NONE


def _readable(value):
    if isinstance(value, dict):
        return {str(key): _readable(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_readable(item) for item in value]
    if isinstance(value, np.generic):
        return value.item()
    return value if isinstance(value, (str, int, float, bool, type(None))) else str(value)
