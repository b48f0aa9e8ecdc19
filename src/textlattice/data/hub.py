"""Rows of `hf:` sources, read by the library `datasets`: from the hub, from its cache, or from a local folder.

Nothing is fetched that the cache holds; with HF_HUB_OFFLINE=1 nothing is fetched at all.
"""

import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from textlattice.data.parquet_reader import arrow_records
from textlattice.data.records import Record, Wanted, rows_and_rejects
from textlattice.data.rows import Reject, Row
from textlattice.errors import DataError, MissingExtraError

PREFIX = "hf:"
DEFAULT_SPLIT = "train"
_BATCH_ROWS = 1024
_FORM = re.compile(r"(?P<name>[^@:]+)(?:@(?P<revision>[^:]+))?(?::(?P<split>.+))?")
_OWNED = re.compile(r"[\w.-]+/[\w.-]+")
_SAVED = (
    "dataset_dict.json",
    "state.json",
)  # what `save_to_disk` leaves in a folder, for several splits and for one


@dataclass(frozen=True, kw_only=True)
class HubSource:
    """What an `hf:` source names.

    Args:
        name: `owner/name` on the hub, or the path of a folder.
        revision: Tag, branch or commit on the hub; None means the newest.
        split: Split asked for; None means `train`, or the only one of a saved folder.
    """

    name: str
    revision: str | None
    split: str | None

    @property
    def is_folder(self) -> bool:
        """Whether the name is a path: it begins with `.`, `/` or `~`."""
        return self.name.startswith((".", "/", "~"))


def hub_source(source: str) -> HubSource:
    """The parts of `hf:owner/name@revision:split` or `hf:./folder:split`; revision and split may be left out.

    Raises:
        DataError: The source has another form.
    """
    found = _FORM.fullmatch(source.removeprefix(PREFIX))
    parts = HubSource(**found.groupdict()) if found else None
    if parts is None or not (parts.is_folder or _OWNED.fullmatch(parts.name)):
        raise DataError(
            f"{source}: expected hf:owner/name, hf:owner/name@revision:split or hf:./folder:split; "
            "revision and split may be left out."
        )
    if parts.is_folder and parts.revision is not None:
        raise DataError(f"{source}: a local folder has no revisions; leave @{parts.revision} out.")
    return parts


def read_hub(source: str, wanted: Wanted) -> Iterator[Row | Reject]:
    """Rows and rejects of a dataset of the hub, one batch of it in memory; the library keeps it on disk.

    Classes that the dataset names come by their names, lists of them too; numbers without a name, such as -1 for
    "unknown", are missing labels.

    Raises:
        DataError: The source has another form, cannot be had, or lacks a column.
        MissingExtraError: `datasets` is not installed.
    """
    dataset = _dataset(source, hub_source(source))
    names = list(dataset.column_names)
    wanted.check(names)
    feature = dataset.features.get(wanted.label)
    classes = getattr(getattr(feature, "feature", feature), "names", None)
    chosen = dataset.select_columns(wanted.among(names))
    return rows_and_rejects(_records(chosen, wanted.label, classes), wanted)


def _records(dataset: Any, label: str, classes: Sequence[str] | None) -> Iterator[Record]:
    for table in dataset.with_format("arrow").iter(batch_size=_BATCH_ROWS):
        for line, values in arrow_records(table.to_batches()):
            if classes is not None and isinstance(values, dict):
                values = values | {label: _named(values[label], classes)}
            yield line, values


def _named(value: Any, classes: Sequence[str]) -> Any:
    if isinstance(value, list):
        return [_named(each, classes) for each in value]
    return classes[value] if value is not None and 0 <= value < len(classes) else None


def _dataset(source: str, parts: HubSource) -> Any:
    folder = Path(parts.name).expanduser() if parts.is_folder else None
    if folder is not None and not folder.is_dir():
        raise DataError(
            f"{source}: {folder} is not a folder; expected one that save_to_disk wrote, or of data files."
        )
    try:
        import datasets
    except ImportError:
        raise MissingExtraError(f"reading {source}", "hf") from None
    split = parts.split or DEFAULT_SPLIT
    try:
        if folder is None:
            return datasets.load_dataset(parts.name, split=split, revision=parts.revision)
        if not any((folder / name).is_file() for name in _SAVED):
            return datasets.load_dataset(str(folder), split=split)
        saved = datasets.load_from_disk(str(folder))
    except (
        Exception
    ) as error:  # of the library, of those below it, of the network: all mean that there are no rows
        what = " ".join(str(error).split()) or "no reason given"
        raise DataError(
            f"{source}: cannot be read ({type(error).__name__}: {what}); {_advice(folder)}."
        ) from error
    splits = saved if isinstance(saved, dict) else {str(saved.split): saved}
    if parts.split is None and len(splits) == 1:
        return next(iter(splits.values()))
    if split not in splits:
        raise DataError(
            f"{source}: expected a split {split!r}, found {', '.join(splits)}; name one as hf:{parts.name}:SPLIT."
        )
    return splits[split]


def _advice(folder: Path | None) -> str:
    if folder is not None:
        return "expected a folder that save_to_disk wrote, or one of data files"
    if any(os.environ.get(name, "").upper() in ("1", "ON", "YES", "TRUE") for name in _OFFLINE):
        return f"{' or '.join(_OFFLINE)} is set, so only what is in the cache can be read: read it once while online"
    return "check owner, name, revision and split, and the network"


_OFFLINE = ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE")
