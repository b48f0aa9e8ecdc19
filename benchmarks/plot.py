"""Writes the tables of `README.md` and of `docs/` from `results/`; `--check` compares instead."""

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from ablation import page as ablation_page
from accuracy import VARIANTS
from cells import (
    NONE,
    Correct,
    Entry,
    best_linear,
    correctness,
    difference,
    grouped,
    interval_cell,
    share_right,
    sizes_cell,
    table_of,
)
from graph_study import PICTURES, by_set
from graph_study import page as graph_page
from pictures import draw_example, draw_in_degrees, draw_noise
from pyramid_study import page as pyramid_page
from records import RESULTS, entries, unpack_places
from reproduction import page as reproduction_page
from sets import NUM_FOLDS, TASKS
from stress_study import curves_of, sections
from stress_study import page as stress_page
from textlattice.baselines.linear import BASELINES
from textlattice.baselines.outcome import MEASURES, Outcome
from textlattice.evaluation.significance import Interval, paired_bootstrap_of
from textlattice.task import Task

ROOT = Path(__file__).parent.parent
BEGIN, END = "<!-- results -->", "<!-- /results -->"
TITLES = {
    "ag_news": "AG News",
    "imdb": "IMDB",
    "yelp_polarity_partial": "Yelp (partial)",
    "amazon_polarity_partial": "Amazon (partial)",
    "rt2k": "RT-2K, ten folds",
    "docstrings": "docstrings",
    "waimai10k_zh": "Waimai-10k (Chinese)",
    "goemotions_multilabel": "GoEmotions",
    "sst5": "SST-5",
}
MEASURE_TITLES = {"macro_f1": "macro F1", "quadratic_weighted_kappa": "quadratic weighted kappa"}
NOTHING = "The measurements are being made; `make docs` writes this table from `benchmarks/results`."
PAGE_HEAD = """# Results

<!-- Written by benchmarks/plot.py from benchmarks/results; run `make docs`. -->
"""


def main(arguments: list[str] | None = None) -> None:
    """Writes the files, or fails where one is not as it would be written."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--check", action="store_true", help="write nothing; fail where a table is out of date"
    )
    options = parser.parse_args(arguments)
    short, page = tables(RESULTS)
    graphs, stressed = entries("graph", RESULTS), entries("stress", RESULTS)
    readme = ROOT / "README.md"
    wanted = {
        readme: filled(readme.read_text(), short),
        ROOT / "docs" / "results.md": page,
        ROOT / "docs" / "reproduction.md": reproduction_page(
            entries("reproduction", RESULTS), plain_runs(entries("accuracy", RESULTS))
        ),
        ROOT / "docs" / "ablation.md": ablation_page(entries("ablation", RESULTS)),
        ROOT / "docs" / "graph.md": graph_page(graphs),
        ROOT / "docs" / "pyramid.md": pyramid_page(entries("pyramid", RESULTS)),
        ROOT / "docs" / "stress.md": stress_page(stressed),
    }
    for path, text in wanted.items():
        if options.check:
            if not path.exists() or path.read_text() != text:
                raise SystemExit(f"{path.name} differs from benchmarks/results; run: make docs")
        else:
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
    if options.check:
        return
    for name, runs in sections(stressed).items():
        draw_noise(curves_of(runs), runs[0]["levels"], ROOT / "docs" / name)
    if graphs:
        degrees, example = (ROOT / "docs" / name for name in PICTURES)
        sets = by_set(graphs)
        draw_in_degrees({TITLES[name]: runs for name, runs in sets.items()}, degrees)
        draw_example(*next(reversed(sets.values()))[0]["example"].values(), example)


def filled(text: str, table: str) -> str:
    """A page with the table between its two markers.

    Raises:
        SystemExit: A marker is missing.
    """
    if BEGIN not in text or END not in text:
        raise SystemExit(
            f"README.md: expected the markers {BEGIN} and {END}; put them where the table belongs."
        )
    before, after = text.split(BEGIN)[0], text.split(END)[1]
    return f"{before}{BEGIN}\n{table}\n{END}{after}"


def tables(folder: Path) -> tuple[str, str]:
    """What stands in the README, and the page with every run."""
    runs = [entry for entry in entries("accuracy", folder) if entry["key"]["limit"] is None]
    speeds = entries("speed", folder)
    plain = plain_runs(runs)
    rows = [row for name in TITLES if name not in TASKS and (row := main_row(name, plain)) is not None]
    others = [row for name in TASKS if (row := other_row(name, plain)) is not None]
    if not rows and not speeds and not others:
        return NOTHING, f"{PAGE_HEAD}\n{NOTHING}\n"
    short = []
    if rows:
        short += [table_of(MAIN_COLUMNS, rows), "", _legend(plain)]
    if others:
        short += ["", table_of(OTHER_COLUMNS, others), "", OTHER_LEGEND]
    for entry in speeds:
        if entry["key"]["benchmark"] == "length":
            short += ["", length_sentence(entry)]
    short += ["", "Every run: [docs/results.md](docs/results.md)."]

    parts = [PAGE_HEAD]
    if rows:
        parts += ["## Against the best linear model\n", table_of(MAIN_COLUMNS, rows), "", _legend(plain), ""]
    if others:
        parts += [
            "## Any number of labels, and labels in an order\n",
            table_of(OTHER_COLUMNS, others),
            "",
            OTHER_LEGEND,
            "",
        ]
    if runs:
        parts += ["## Every run\n", table_of(RUN_COLUMNS, run_rows(runs)), ""]
        parts += ["Folds are averaged. Log loss and calibration error (ece) are those of the sum.", ""]
    baselines = [run for run in plain if run["key"]["variant"] in BASELINES]
    if baselines:
        parts += ["## Baselines\n", table_of(BASELINE_COLUMNS, baseline_rows(baselines)), ""]
        parts += [
            "C is chosen on our selection slice; accuracy in per cent, trained on all rows, on fit rows.",
            "",
        ]
    if speeds:
        parts += ["## Speed\n", *(_speed(entry) for entry in speeds)]
    return "\n".join(short), "\n".join(parts).rstrip() + "\n"


def plain_runs(runs: list[Entry]) -> list[Entry]:
    """Those of whole sets with the preset `base` as it stands."""
    return [
        run
        for run in runs
        if (run["key"]["limit"], run["key"]["preset"], run["key"]["settings"]) == (None, "base", {})
    ]


# The main table.

MAIN_COLUMNS = (
    "data",
    "rows (train / test)",
    "textlattice",
    "best linear",
    "difference",
    "wide alone",
    "deep alone",
    "no graph",
    "graph minus none",
    "training",
    "docs/s",
    "parameters (stored / active)",
    "MFLOPs a text",
)


def main_row(name: str, runs: list[Entry]) -> list[str] | None:
    """Cells of one data set, or None where ours has not been run on it."""
    of_set = [run for run in runs if run["key"]["set"] == name]
    full = [run for run in of_set if run["key"]["variant"] == "full"]
    if not full:
        return None
    ours = correctness(full, "ours")
    bare = correctness([run for run in of_set if run["key"]["variant"] == "no_graph"], "ours")
    linear = best_linear(of_set, ours)
    title = TITLES[name]
    if name == "rt2k" and len(ours) < NUM_FOLDS:
        title += f" ({len(ours)} of {NUM_FOLDS})"
    seeds = len({run["key"]["seed"] for run in full})
    return [
        title + (f", {seeds} seeds" if seeds > 1 else ""),
        f"{full[0]['num_train']:,} / {sum(map(len, ours.values())):,}",
        _percent(ours),
        NONE if linear is None else f"{_percent(linear.correct)} {linear.name}",
        NONE if linear is None else interval_cell(difference(ours, linear.correct)),
        _percent(correctness(full, "wide")),
        _percent(correctness(full, "deep")),
        _percent(bare) + (f" ({len(bare)} of {NUM_FOLDS})" if 0 < len(bare) < len(ours) else ""),
        interval_cell(difference(ours, bare)) if bare else NONE,
        f"{_mean(full, 'train_seconds') / 60:.1f} min",
        f"{_mean(full, 'predicted_docs_per_second'):,.0f}",
        sizes_cell(_mean(full, "parameters"), _mean(full, "active_parameters")),
        f"{_mean(full, 'mean_flops') / 1e6:,.0f}",
    ]


# Tasks of other kinds.

OTHER_COLUMNS = (
    "data",
    "labels",
    "rows (train / test)",
    "measure",
    "textlattice",
    "best linear",
    "difference",
    "without the order",
    "difference to it",
    "no graph",
    "training",
    "docs/s",
)
OTHER_LEGEND = (
    "Figures in per cent; differences in points, with the 95 % interval of a paired bootstrap over test rows. Linear "
    "models of any number of labels are one against the rest for each label, with thresholds chosen as ours are. "
    "*Without the order* is the same classifier, told nothing of it."
)


def other_row(name: str, runs: list[Entry]) -> list[str] | None:
    """Cells of one data set with labels of another kind, or None where ours has not been run on it."""
    of_set = [run for run in runs if run["key"]["set"] == name]
    full = [run for run in of_set if run["key"]["variant"] == "full"]
    if not full:
        return None
    ours = outcomes(full, "ours")
    candidates = [
        (f"{variant}{words}", found)
        for variant in BASELINES
        for model, words in (("all_rows", ""), ("fit_rows", " (fit rows)"))
        if (found := outcomes([run for run in of_set if run["key"]["variant"] == variant], model))
    ]
    linear = max(candidates, key=lambda pair: _score(pair[1]), default=None)
    unordered, bare = (
        outcomes([run for run in of_set if run["key"]["variant"] == variant], "ours")
        for variant in ("plain", "no_graph")
    )
    kind = full[0]["task"]
    seeds = len({run["key"]["seed"] for run in full})
    return [
        TITLES[name] + (f", {seeds} seeds" if seeds > 1 else ""),
        f"{len(full[0]['labels'])}, {'any number' if kind == 'multi' else 'in an order'}",
        f"{full[0]['num_train']:,} / {full[0]['num_test']:,}",
        MEASURE_TITLES[MEASURES[kind]],
        _points(ours),
        NONE if linear is None else f"{_points(linear[1])} {linear[0]}",
        NONE if linear is None else interval_cell(score_difference(ours, linear[1])),
        _points(unordered),
        interval_cell(score_difference(ours, unordered)) if unordered else NONE,
        _points(bare),
        f"{_mean(full, 'train_seconds') / 60:.1f} min",
        f"{_mean(full, 'predicted_docs_per_second'):,.0f}",
    ]


def outcomes(runs: Iterable[Entry], model: str) -> list[Outcome]:
    """What a model answered in each run, and what was right."""
    found = []
    for run in runs:
        size = len(run["labels"])
        cut_points = tuple(map(float, range(size - 1))) if run["task"] == "ordinal" else ()
        task = Task(
            kind=run["task"], labels=tuple(run["labels"]), priors=(1 / size,) * size, cut_points=cut_points
        )
        decisions = unpack_places(run["models"][model]["decisions"])
        found.append(Outcome(task, decisions, task.names(unpack_places(run["targets"]))))
    return found


def score_difference(ours: list[Outcome], other: list[Outcome]) -> Interval:
    """The mean measure of the seeds of ours less that of the other, in points, by paired bootstrap."""

    def mean_of(outcomes: list[Outcome]) -> Callable[[np.ndarray], np.ndarray]:
        return lambda drawn: np.mean([outcome.scores(drawn) for outcome in outcomes], axis=0)

    return paired_bootstrap_of(mean_of(ours), mean_of(other), len(ours[0].targets))


def _score(outcomes: list[Outcome]) -> float:
    return float(np.mean([outcome.scores(np.ones((1, len(outcome.targets))))[0] for outcome in outcomes]))


def _points(outcomes: list[Outcome]) -> str:
    return f"{100 * _score(outcomes):.2f}" if outcomes else NONE


# The page.

RUN_COLUMNS = (
    "data",
    "variant",
    "seed",
    "settings",
    "textlattice",
    "wide alone",
    "deep alone",
    "macro F1",
    "log loss",
    "ece",
    "training",
    "docs/s trained",
    "docs/s predicted",
    "commit",
)
BASELINE_COLUMNS = (
    "data",
    "baseline",
    "seed",
    "C",
    "accuracy",
    "macro F1",
    "parameters",
    "choice",
    "training",
    "docs/s",
)
LENGTH_COLUMNS = ("documents x tokens", "seconds", "microseconds a token", "peak MiB")
ATTENTION_COLUMNS = ("one attention layer", "forward, ms", "forward and backward, ms")
FAMILY_COLUMNS = (
    *("texts x tokens", "model", "texts/s predicted", "to `base`", "texts/s trained", "to `base`"),
    *("parameters (stored / active)", "MFLOPs a text"),
)
FAMILY_LEGEND = (
    "The same made texts of words for all, by turns in one process, with random weights and an empty cache of forms "
    "at each repeat; ratios to `base` are medians over the repeats. Training is steps of the network alone, on texts "
    "that are cut already. FLOPs are two a multiply-add."
)


def run_rows(runs: list[Entry]) -> list[list[str]]:
    """A row for each variant, seed and settings of ours."""
    return [
        [
            _title(group),
            first["key"]["variant"],
            str(first["key"]["seed"]),
            _settings(first),
            *(_percent(correctness(group, model)) for model in ("ours", "wide", "deep")),
            *(_number(group, "ours", figure) for figure in ("macro_f1", "log_loss", "ece")),
            f"{_mean(group, 'train_seconds') / 60:.1f} min",
            f"{_mean(group, 'trained_docs_per_second'):,.0f}",
            f"{_mean(group, 'predicted_docs_per_second'):,.0f}",
            (first["commit"] or NONE)[:7],
        ]
        for group in _groups(run for run in runs if run["key"]["variant"] in VARIANTS)
        for first in group[:1]
    ]


def baseline_rows(runs: list[Entry]) -> list[list[str]]:
    """A row for each baseline and seed."""
    return [
        [
            _title(group),
            first["key"]["variant"],
            str(first["key"]["seed"]),
            ", ".join(f"{C:g}" for C in sorted({run["C"] for run in group})),
            f"{_percent(correctness(group, 'all_rows'))}, {_percent(correctness(group, 'fit_rows'))}",
            _number(group, "all_rows", "macro_f1"),
            f"{_mean(group, 'parameters'):,.0f}",
            f"{_mean(group, 'tune_seconds'):.1f} s",
            f"{_mean(group, 'train_seconds'):.1f} s",
            f"{_mean(group, 'predicted_docs_per_second'):,.0f}",
        ]
        for group in _groups(runs)
        for first in group[:1]
    ]


def length_sentence(entry: Entry) -> str:
    """What one long document costs beside many short ones."""
    longest, short = entry["points"][-1], entry["short"]
    threads = f"{longest['threads']} thread{'s' if longest['threads'] > 1 else ''}"
    return (
        f"One document of {longest['num_tokens']:,} tokens takes {entry['ratio']:.2f} times as long a token "
        f"as the same text in documents of {short['num_tokens']:,}: {longest['seconds']:.1f} s, at most "
        f"{longest['peak_mib'] / 1024:.1f} GiB of memory ({_machine(entry)}, {threads})."
    )


def _speed(entry: Entry) -> str:
    return {"attention": _attention, "length": _lengths, "families": _families}[entry["key"]["benchmark"]](
        entry
    )


def _attention(entry: Entry) -> str:
    rows = [
        [name, *(f"{1e3 * times[part]:.1f}" for part in ("forward", "forward_backward"))]
        for name, times in entry["seconds"].items()
    ]
    size = f"{entry['num_tokens']:,} tokens, degree {entry['degree']}, {entry['channels']} channels"
    table = table_of(ATTENTION_COLUMNS, rows)
    return f"Graph attention ({_best_of(entry)}; {size}, threads {entry['threads']}):\n\n{table}\n"


def _lengths(entry: Entry) -> str:
    rows = [
        [
            f"{point['num_documents']:,} x {point['num_tokens']:,}",
            f"{point['seconds']:.3f}",
            f"{1e6 * point['seconds_per_token']:.1f}",
            f"{point['peak_mib']:,.0f}",
        ]
        for point in [*entry["points"], entry["short"]]
    ]
    fit = f"R² of a straight line: time {entry['seconds_r2']}, memory {entry['memory_r2']}."
    table = table_of(LENGTH_COLUMNS, rows)
    return f"By length ({_best_of(entry)}):\n\n{table}\n\n{fit} {length_sentence(entry)}\n"


def _best_of(entry: Entry) -> str:
    return f"{_machine(entry)}; preset {entry['key']['preset']}, best of {entry['key']['repeats']}"


def _families(entry: Entry) -> str:
    rows = [
        [
            f"{kind['num_documents']:,} x {kind['num_tokens']:,}",
            name,
            *(cell for part in ("predicted", "trained") for cell in _rate_cells(model.get(part))),
            sizes_cell(model["parameters"], model.get("active_parameters")),
            f"{model['mean_flops'] / 1e6:,.0f}" if "mean_flops" in model else NONE,
        ]
        for kind in entry["kinds"]
        for name, model in kind["models"].items()
    ]
    paper = entry["kinds"][0]["models"]["paper"]
    where = f"{_machine(entry)}; threads {entry['threads']}, batches of {entry['batch_size']} in training"
    return (
        f"Speed of the families ({where}; best of {entry['key']['repeats']}, the median in brackets):\n\n"
        f"{table_of(FAMILY_COLUMNS, rows)}\n\n{FAMILY_LEGEND} `paper` computes {paper['flops_per_char']:,} FLOPs a "
        f"character, {paper['flops_per_token']:,} a token and {paper['flops_per_doc']:,} a text.\n"
    )


def _rate_cells(rate: dict[str, Any] | None) -> list[str]:
    if rate is None:
        return [NONE, NONE]
    return [f"{rate['best']:,.0f} ({rate['median']:,.0f})", f"{rate['to_first']:.2f}"]


# Cells.


def _groups(runs: Iterable[Entry]) -> list[list[Entry]]:
    """Runs that differ in the fold alone, in the order of the data sets."""
    return grouped(sorted(runs, key=_rank), "fold")


def _rank(run: Entry) -> tuple[Any, ...]:
    key = run["key"]
    variants = [*VARIANTS, *BASELINES]
    place = list(TITLES).index(key["set"]), variants.index(key["variant"])
    return (*place, _settings(run), key["seed"], key["fold"] or 0)


def _title(group: list[Entry]) -> str:
    title = TITLES[group[0]["key"]["set"]]
    return title + (
        f" ({len(group)} of {NUM_FOLDS})" if group[0]["key"]["set"] == "rt2k" and len(group) < 10 else ""
    )


def _settings(run: Entry) -> str:
    words = [] if run["key"]["preset"] == "base" else [run["key"]["preset"]]
    return " ".join([*words, *(f"{name}={value}" for name, value in run["key"]["settings"].items())]) or NONE


def _legend(runs: list[Entry]) -> str:
    machines = ", ".join(sorted({_machine(run) for run in runs}))
    threads = ", ".join(str(count) for count in sorted({run["threads"] for run in runs}))
    return (
        "Accuracy in per cent of the test rows; differences in points, with the 95 % interval of a paired "
        "bootstrap over test rows, on the folds that both have. *Wide alone* and *deep alone* are the two "
        "branches of the same run. "
        f"{machines}; threads: {threads}."
    )


def _machine(entry: Entry) -> str:
    return f"{entry['machine']['cpu']}, {entry['machine']['cores']} cores"


def _percent(correct: Correct) -> str:
    return f"{100 * share_right(correct):.2f}" if correct else NONE


def _mean(runs: list[Entry], figure: str) -> float:
    return float(np.mean([run[figure] for run in runs]))


def _number(runs: list[Entry], model: str, figure: str) -> str:
    values = [run["models"][model][figure] for run in runs if run["models"].get(model)]
    values = [value for value in values if value is not None]
    return f"{np.mean(values):.4f}" if values else NONE


if __name__ == "__main__":
    main()
