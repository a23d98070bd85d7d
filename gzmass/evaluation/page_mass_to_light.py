"""The parts of the report on M/L and masses: accuracy, runs side by side, residuals, intervals."""

from html import escape
from math import sqrt

from gzmass.evaluation.wording import mark, share, span, with_error, words
from gzmass.pages import figures, number, table

__all__ = [
    "comparison_section",
    "coverage_section",
    "mass_to_light_section",
    "residual_section",
    "stellar_mass_section",
]


def mass_to_light_section(numbers, drawn):
    """Write how accurate M/L is, beside the baselines and other runs.

    Parameters
    ----------
    numbers : dict
        What `gzmass.evaluation.evaluate` returns.
    drawn : dict of str to tuple
        Figures: the PNG (bytes), and caption.

    Returns
    -------
    str
        HTML.
    """
    ml, band = numbers["mass_to_light"], escape(numbers["label_band"])
    entries = [(_predictor(item), item, item.get("versus_run")) for item in ml["table"]]
    if "in_domain" in ml:
        entries.insert(1, (f"{ml['table'][0]['name']}, in domain only", ml["in_domain"], None))
    dex = [
        [
            name,
            f"{item['n']:,}",
            with_error(item, "rmse_dex"),
            with_error(versus, "difference", sign=True) if versus else "",
            with_error(item, "r2_dex"),
            with_error(item, "bias_dex", sign=True),
            with_error(item, "slope_dex"),
            number(item["nmad_dex"]),
        ]
        for name, item, versus in entries
    ]
    linear = [
        [
            name,
            with_error(item, "rmse_linear"),
            with_error(item, "r2_linear"),
            with_error(item, "bias_linear", sign=True),
            with_error(item, "slope_linear"),
            number(item["nmad_linear"]),
        ]
        for name, item, _ in entries
    ]
    caption = (
        f"log M/L of the {band} band [dex]{mark(numbers)}. Errors: bootstrap. “Against the run” is the RMSE minus "
        "that of the run, on the same galaxies, resampled together; the slope is that of the predicted on the true "
        "value. A click on a heading sorts."
    )
    columns = ["predictor", "galaxies", "RMSE", "against the run", "R²", "bias", "slope", "NMAD"]
    parts = [table(columns, dex, caption, strong_rows=1)]
    caption = (
        f"Linear M/L of the {band} band [solar units]{mark(numbers)}: 10<sup>log M/L</sup>, about the median of the "
        "predicted distribution. Its mean is larger, so a run without bias in log M/L is too low here."
    )
    columns = ["predictor", "RMSE", "R²", "bias", "slope", "NMAD"]
    parts.append(table(columns, linear, caption, strong_rows=1))
    for name, item in ml["explainable"].items():
        parts.append(
            f"<p>Of the variance of log M/L, {100 * item['r2']:.1f} % can be known from {words(name)}; the run "
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
    parts.append(_figures(numbers, drawn, ["predicted_against_true", "rmse"]))
    return "\n".join(parts)


def comparison_section(numbers):
    """Write the numbers of the run and of those it is compared with, a row a run.

    Parameters
    ----------
    numbers : dict
        What `gzmass.evaluation.evaluate` returns.

    Returns
    -------
    str
        HTML.
    """
    levels = sorted({item["level"] for run in numbers["compared"] for item in run["coverage"] or ()})
    columns = ["run", "RMSE [dex]", "against the run", "R²", "slope"]
    columns += [f"in {100 * level:.6g}\N{NO-BREAK SPACE}%" for level in levels] + ["width [dex]", "RMSE of votes"]
    rows = []
    for run in numbers["compared"]:
        row = [run["name"]]
        if ml := run["mass_to_light"]:
            versus = ml.get("versus_run")
            row += [with_error(ml, "rmse_dex"), with_error(versus, "difference", sign=True) if versus else ""]
            row += [with_error(ml, key) for key in ("r2_dex", "slope_dex")]
        else:
            row += [""] * 4
        intervals = {item["level"]: item for item in run["coverage"] or ()}
        row += [f"{100 * intervals[level]['coverage']:.1f} %" if level in intervals else "" for level in levels]
        row.append(number(intervals[levels[0]]["width"]) if levels and levels[0] in intervals else "")
        row.append(f"{number(run['votes']['rmse'])}{_of_answers(run, numbers['compared'])}" if run["votes"] else "")
        rows.append(row)
    n = {run["mass_to_light"]["n"] for run in numbers["compared"] if run["mass_to_light"]}
    galaxies = "On the same galaxies" if len(n) < 2 else f"On the galaxies that each has, {min(n):,} to {max(n):,}"
    caption = (
        f"{galaxies}{mark(numbers)}. “In 68 %”: the share of labels inside that interval; the width is the median one "
        "of the first level; votes: over all answers that a run has learnt."
    )
    return table(columns, rows, caption, strong_rows=1)


def _of_answers(run, compared):
    """Say over how many answers the votes of a run are measured, where these are not as many for all."""
    n = {other["votes"]["n_answers"] for other in compared if other["votes"]}
    return f" ({run['votes']['n_answers']} answers)" if len(n) > 1 else ""


def residual_section(numbers, drawn):
    """Write how the residual of M/L depends on what else is known of the galaxies.

    Parameters
    ----------
    numbers : dict
        What `gzmass.evaluation.evaluate` returns.
    drawn : dict of str to tuple
        Figures: the PNG (bytes), and caption.

    Returns
    -------
    str
        HTML.
    """
    ml = numbers["mass_to_light"]
    run = ml["table"][0]
    text = (
        f"<p><b>Regression to the mean</b>{mark(numbers)}: the predicted log M/L rises with the true one at a slope "
        f"of <b>{with_error(run, 'slope_dex')}</b>; what the input does not tell is drawn to the mean, and the slope "
        f"of an ideal predictor is its R² (here {number(run['r2_dex'])}). The true log M/L rises with the predicted "
        f"one at <b>{with_error(run, 'inverse_slope_dex')}</b>: 1 if a prediction can be taken at its word.</p>"
    )
    figure = _figures(numbers, drawn, [key for key in drawn if key.startswith("residual_")])
    parts = [text, figure]
    if groups := ml["groups"]:
        columns = ["quantity", "group", "galaxies", "RMSE", "bias", "NMAD"]
        rows = [
            [
                group["quantity"],
                group["group"],
                f"{group['n']:,}",
                with_error(group, "rmse_dex"),
                with_error(group, "bias_dex", sign=True),
                number(group["nmad_dex"]),
            ]
            for group in groups
        ]
        caption = (
            f"log M/L in groups of galaxies [dex]{mark(numbers)}: thirds, and galaxies of which more than half of all "
            "volunteers gave an answer."
        )
        parts.append(table(columns, rows, caption, text_columns=2))
    return "\n".join(parts)


def coverage_section(numbers, drawn):
    """Write how many labels lie inside their intervals.

    Parameters
    ----------
    numbers : dict
        What `gzmass.evaluation.evaluate` returns.
    drawn : dict of str to tuple
        Figures: the PNG (bytes), and caption.

    Returns
    -------
    str
        HTML.
    """
    ml = numbers["mass_to_light"]
    if not ml["coverage"]:
        return '<p class="absent">Not in this report: the predictions hold no intervals.</p>'
    columns = ["galaxies", *[f"{100 * item['level']:.6g} % interval" for item in ml["coverage"]]]
    widths = ["median width [dex]", *[number(item["overall"]["width"]) for item in ml["coverage"]]]
    rows = [["all", *[share(item["overall"]) for item in ml["coverage"]]]]
    for quantity, thirds in ml["coverage"][0]["thirds"].items():
        for index, third in enumerate(("lowest", "middle", "highest")):
            reach = span(quantity, thirds[index]["from"], thirds[index]["to"])
            shares = [share(item["thirds"][quantity][index]) for item in ml["coverage"]]
            rows.append([f"{quantity}, {third} third ({reach})", *shares])
    caption = f"Share of the galaxies whose label lies inside its interval{mark(numbers)}; binomial errors."
    text = (
        '<p class="note">An interval can promise its level for what is known of a galaxy: in thirds of the '
        "prediction, redshift or size. In thirds of the label itself it can cover less at both ends than in the middle "
        "wherever the input does not fix M/L: those thirds are chosen by the part that can not be predicted.</p>"
    )
    shares = table(columns, rows, caption, strong_rows=1, foot=[widths])
    parts = [shares, _calibrated_on(ml), text, _figures(numbers, drawn, ["coverage", "pit"])]
    return "\n".join(part for part in parts if part)


def _calibrated_on(ml):
    """Write on how many galaxies the intervals rest, and how well they can be known from these."""
    if (calibrated := ml["calibrated_on"]) is None:
        return ""
    n, levels = calibrated["n"], [item["level"] for item in ml["coverage"]]
    # of the ranks of n exchangeable scores the level covered is a beta variable
    spreads = ", ".join(f"{100 * sqrt(level * (1 - level) / (n + 2)):.1f}" for level in levels)
    text = f"Calibrated on {n:,} galaxies, which leaves the levels themselves uncertain by {spreads} points."
    if groups := calibrated["groups"]:
        by = {"log_ml_g": "predicted log M/L"}.get(groups["by"], groups["by"].replace("_", " "))
        edges = " and ".join(f"{edge:.3g}" for edge in groups["edges"]).replace("-", "\N{MINUS SIGN}")
        sizes = ", ".join(f"{size:,}" for size in groups["n"])
        text = (
            f"Calibrated on {n:,} galaxies in groups of the {escape(by)}, divided at {edges} ({sizes} galaxies): this "
            "did better in cross-validation than one calibration for all. Over all galaxies the levels themselves are "
            f"uncertain by {spreads} points, in a group by {sqrt(len(groups['n'])):.1f} times that."
        )
    if calibrated["limited"]:
        shown = " and ".join(f"{100 * level:.6g} %" for level in calibrated["limited"])
        text += f" They are too few for {shown}: those intervals reach from the lowest to the highest score."
    return f'<p class="note">{text}</p>'


def stellar_mass_section(numbers):
    """Write what masses follow from M/L.

    Parameters
    ----------
    numbers : dict
        What `gzmass.evaluation.evaluate` returns.

    Returns
    -------
    str
        HTML.
    """
    mass = numbers["stellar_mass"]
    low, middle, high = mass["percentiles"]
    text = (
        f"<p>log M<sub>*</sub> = log M/L + log L for {mass['n']:,} galaxies: median {middle:.2f}, 5 to 95 %: "
        f"{low:.2f} to {high:.2f} [dex of M<sub>☉</sub>]; median error {number(mass['median_sigma'])} dex"
        f"{mark(numbers)}.</p>"
    )
    parts = [text]
    if "truth" in mass:
        columns = ["log M* [dex]", "galaxies", "RMSE", "R²", "bias", "NMAD"]
        caption = f"Compared with {escape(mass['truth'])}{mark(numbers)}."
        row = [numbers["name"], f"{mass['n_true']:,}", with_error(mass, "rmse_dex"), with_error(mass, "r2_dex")]
        row += [with_error(mass, "bias_dex", sign=True), number(mass["nmad_dex"])]
        parts.append(table(columns, [row], caption, strong_rows=1))
    return "\n".join(parts)


def _figures(numbers, drawn, names):
    return figures([drawn[name] for name in names if name in drawn], mark=mark(numbers))


def _predictor(item):
    return f"baseline: {item['name']}" if item["kind"] == "baseline" else item["name"]
