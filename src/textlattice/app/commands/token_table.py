"""`textlattice token-table`: vectors of words from a language model, from plain text or from a lexicon."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from textlattice.app.commands.options import (
    Json,
    Seed,
    Settings,
    TextColumns,
    TokenizerOption,
    configure,
    text_columns,
)
from textlattice.app.terminal import (
    percent,
    print_json,
    print_table,
    progress,
    report_rejects,
    say,
)
from textlattice.app.token_tables import record_rows, table_figures
from textlattice.app.tokenizers import named_tokenizer
from textlattice.artefact.output_file import output_place
from textlattice.runtime.token_table import write_token_table
from textlattice.text.document import TextReader
from textlattice.text.words import token_bounds


class Vectors(StrEnum):
    """Which vectors of a language model."""

    INPUT = "input"
    OUTPUT = "output"


class Method(StrEnum):
    """How vectors are made short."""

    PCA = "pca"
    UMAP = "umap"


class Weights(StrEnum):
    """Whether frequent words count less."""

    ZIPF = "zipf"
    NONE = "none"


class Scale(StrEnum):
    """What is done to the numbers last."""

    MINMAX = "minmax"
    STANDARD = "standard"
    NONE = "none"


def token_table(
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="File to write (.safetensors); an older one is replaced.",
            show_default=False,
        ),
    ],
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="MODEL",
            help="Language model: a folder with tokenizer.json and model.safetensors, or owner/name on the hub.",
            show_default=False,
        ),
    ] = None,
    from_text: Annotated[
        list[str] | None,
        typer.Option(
            "--from-text",
            metavar="SOURCE",
            help="Learn the vectors from these texts alone, without a language model; may be given more than once.",
            show_default=False,
        ),
    ] = None,
    lexicon: Annotated[
        list[str] | None,
        typer.Option(
            "--lexicon",
            metavar="SOURCE",
            help="Two channels of polarity and subjectivity, alone or beside the vectors: textblob; a .csv or .tsv "
            "with columns word, polarity and perhaps subjectivity; an .xml as TextBlob's, a .txt as VADER's or "
            "AFINN's; or two lists of words, --lexicon positive=FILE --lexicon negative=FILE.",
            show_default=False,
        ),
    ] = None,
    words: Annotated[
        list[str] | None,
        typer.Option(
            "--words",
            metavar="SOURCE",
            help="Texts whose words get vectors too, of words of several tokens their mean, and whose counts weigh "
            "them; labels are not needed; may be given more than once.",
            show_default=False,
        ),
    ] = None,
    text: TextColumns = None,
    tokenizer: TokenizerOption = None,
    most: Annotated[
        int,
        typer.Option(
            "--most", metavar="N", min=1, help="Words of the texts at most, the most frequent first."
        ),
    ] = 50_000,
    vectors: Annotated[
        Vectors,
        typer.Option(
            "--vectors",
            help="input: rows of the input embedding, no model is run. output: each token run through the model alone; "
            "its last hidden state.",
        ),
    ] = Vectors.INPUT,
    dim: Annotated[
        int, typer.Option("--dim", metavar="N", min=1, help="Numbers in a vector, a lexicon's two aside.")
    ] = 64,
    method: Annotated[
        Method, typer.Option("--method", help="How the vectors of a language model are made short.")
    ] = Method.PCA,
    weights: Annotated[
        Weights | None,
        typer.Option(
            "--weights",
            help="zipf: a vector counts a / (a + p), a = 0.001 and p the share of its word, by the counts of --words "
            "or by rank. Default: zipf after pca, else none.",
            show_default=False,
        ),
    ] = None,
    scale: Annotated[
        Scale,
        typer.Option(
            "--scale",
            help="minmax: all numbers of the table into 0..1. standard: each channel to mean 0, variance 1.",
        ),
    ] = Scale.NONE,
    settings: Settings = None,
    seed: Seed = 0,
    json: Json = False,
) -> None:
    """Make vectors of words for `train --token-table`.

    From a language model, whose tokens that are whole words get vectors, and with --words the words of your texts
    too; or from plain text alone. The file tells source, licence, digest and settings, and so does a model that is
    trained with it. Nothing is fetched but a model that you name by owner/name.

    Words are those of the default tokens. For a training with --tokenizer give the same one here.

    \b
    Examples:
      textlattice token-table ./language-model -o words.safetensors --dim 64 --words reviews.csv
      textlattice token-table ./language-model -o words.safetensors --vectors output --lexicon textblob
      textlattice token-table --from-text reviews.csv --from-text more.txt -o words.safetensors
      textlattice token-table --lexicon textblob -o scores.safetensors
      textlattice train reviews.csv -o model --token-table words.safetensors
    """
    if model is not None and from_text:
        raise typer.BadParameter(
            "goes without a language model; texts beside one are --words.", param_hint="'--from-text'"
        )
    if words and model is None:
        raise typer.BadParameter(
            "goes with a language model; without one give --from-text.", param_hint="'--words'"
        )
    if model is None:
        for option, value, unasked in (
            ("--vectors", vectors, Vectors.INPUT),
            ("--method", method, Method.PCA),
        ):
            if value != unasked:
                raise typer.BadParameter(
                    "goes with a language model; vectors of plain text are learned at their length.",
                    param_hint=f"'{option}'",
                )
    if model is None and not from_text and not lexicon:
        raise typer.BadParameter("give a language model, --from-text or --lexicon.", param_hint="'MODEL'")
    if output.is_dir():
        raise typer.BadParameter(f"expected a file, {output} is a folder.", param_hint="'--output'")
    output_place(output)
    from textlattice.tables.build import TableSettings, build_token_table
    from textlattice.tables.corpus import read_sources

    config = configure("base", settings, {}).text
    cut = None if tokenizer is None else named_tokenizer(tokenizer)
    sources = [*(from_text or []), *(words or [])]
    with progress() as listener:
        texts = read_sources(sources, text_columns(text), listener) if sources else None
        if texts is not None:
            for source, rejects in texts.rejects:
                report_rejects(rejects, source)
        built = build_token_table(
            model=model,
            texts=texts,
            lexicon=lexicon or (),
            settings=TableSettings(
                way=vectors.value,
                dim=dim,
                method=method.value,
                weights=None if weights is None else weights.value,
                scale=scale.value,
                most=most,
                seed=seed,
            ),
            reader=TextReader(config=config, cut=cut or token_bounds),
            progress=listener,
        )
    write_token_table(built.table, output)
    figures = table_figures(built.table)
    if json:
        print_json(
            {
                "file": str(output),
                **figures,
                "known_token_share": built.known_token_share,
                "neighbours": dict(built.neighbours),
            }
        )
        return
    rows = record_rows(figures)
    if built.known_token_share is not None:
        rows.insert(3, ("tokens of the texts that have a vector", percent(built.known_token_share)))
    print_table(["", ""], rows, title=f"token table {output}", num_left=2)
    if built.neighbours:
        say("Nearest words, to see whether the vectors make sense:")
        print_table(
            ["word", "nearest"], [(word, ", ".join(near)) for word, near in built.neighbours], num_left=2
        )
    say(f"  textlattice train SOURCE -o model --token-table {output}")
