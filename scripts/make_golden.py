"""Writes `tests/golden/tiny-format-N`: a small trained folder, and beside it the answers it must give for ever.

One for each released format; one that is there is never written again.
"""

import json
import sys
from collections.abc import Iterator
from pathlib import Path

import textlattice
from textlattice.artefact.manifest import FORMAT_VERSION
from textlattice.presets import preset
from textlattice.training.fit import fit
from textlattice.training.save import save_trained

GOLDEN = Path(__file__).parent.parent / "tests" / "golden"
WORDS = {
    "kitchen": ("soup onions bread noodles dough sauce cheese eggs", "stir slice bake salt"),
    "garden": ("roses hedge leaves lawn bulbs compost beans weeds", "water prune rake plant"),
    "workshop": ("board screws joint blade hinge glue edge drill", "sand clamp measure oil"),
}
"""Things and deeds of each label; every deed meets every thing."""
FRAMES = ("{} the {} before noon.", "First {} two {}, then rest!", "Did you {} my {}?", "{}: {} (1.5 l), 3 €")
TEXTS = [
    "Stir the sauce and salt the noodles.",
    "Water the beans after the frost.",
    "Sand the edge, then glue the joint.",
    "stir",
    "unheard-of wörds entirely",
    "",
    " \u200b\u2800\t",
    "日本語の文 ภาษาไทย 👩\u200d🍳👍🏽",
    "e\u0301te\u0301 שלום \u202eعالم\u202c \ud800",
    "Rake the lawn. " * 200,
    "x" * 5_000,
]
"""What is asked of the folder, a lone surrogate and two texts of which nothing is left included."""


def rows() -> Iterator[tuple[str, str]]:
    """Texts and labels; one label in six is a wrong one, so that the answers are not all 0 or 1."""
    labels, number = list(WORDS), 0
    for place, (things, deeds) in enumerate(WORDS.values()):
        for thing in things.split():
            for deed in deeds.split():
                yield FRAMES[number % 7 % 4].format(deed, thing), labels[(place + (number % 6 == 0)) % 3]
                number += 1


def main() -> None:
    """Trains, saves and asks.

    Raises:
        SystemExit: The folder of this format is there.
    """
    folder = GOLDEN / f"tiny-format-{FORMAT_VERSION}"
    if folder.exists():
        raise SystemExit(
            f"{folder.name} is there and is kept for ever; a new format has a number of its own."
        )
    pairs = list(rows())
    config = preset("tiny").with_settings({"train.epochs": 12, "train.patience": 12, "train.threads": 1})
    trained = fit([text for text, _ in pairs], [label for _, label in pairs], config)
    save_trained(trained, folder, source={"name": "scripts/make_golden.py"})
    probabilities = textlattice.load(folder).probabilities(TEXTS)
    answers = {
        "labels": list(trained.task.labels),
        "answers": [
            {"text": text, "probabilities": row}
            for text, row in zip(TEXTS, probabilities.round(8).tolist(), strict=True)
        ],
    }
    folder.with_suffix(".json").write_text(json.dumps(answers, indent=1) + "\n", encoding="utf-8")
    print(folder, file=sys.stderr)


if __name__ == "__main__":
    main()
