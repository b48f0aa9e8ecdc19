"""Where a training stands: kept in memory as it goes, written now and then as a folder to continue from.

A checkpoint holds what cannot be computed again at no cost: fitted parts, choices and their history, weights, moments
and averages of the network, steps made, time spent. It holds no state of a random generator, for every random number
is drawn from (seed, epoch) or (seed, step). It is written by the protocol of `artefact/folder.py`.
"""

import dataclasses
import hashlib
import json
import shutil
import time
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np

from textlattice.artefact.folder import check_target, clear_stale, read_folder, remove_folder, write_folder
from textlattice.artefact.tensors import pack_tensors, unpack_tensors
from textlattice.config import Config
from textlattice.config_json import to_dict
from textlattice.errors import ArtefactError, ResumeError
from textlattice.progress import Progress

STATE = "state.json"
TENSORS = "tensors.safetensors"
FILES = (STATE, TENSORS)
_FORMAT = "textlattice checkpoint 2"
_ARRAY = "$array"
_PACKAGES = ("textlattice", "torch", "numpy", "scikit-learn", "scipy", "transformers", "tokenizers", "peft")
_MOST_OF_THE_TIME = (
    20  # an epoch's end is worth a checkpoint that costs a twentieth of the time since the last
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainingRun:
    """What a training is made of: the same parts on as many threads give the same weights.

    Args:
        data: SHA-256 of each part of what is learned from, by its name.
        settings: Dotted name to value; the number of threads is not among them.
        versions: Package to version.
        threads: PyTorch threads.
    """

    data: Mapping[str, str]
    settings: Mapping[str, Any]
    versions: Mapping[str, str]
    threads: int

    @property
    def digest(self) -> str:
        """SHA-256 of the parts, the number of threads aside."""
        return digest_of([self.data, self.settings, self.versions])


def training_run(config: Config, data: Mapping[str, Any], *, threads: int) -> TrainingRun:
    """The identity of a training.

    Args:
        config: Settings.
        data: Texts, labels and whatever else `fit` is called with, under the names that a message may call them by,
            nested as they come; see `digest_of`.
        threads: PyTorch threads.
    """
    sections = to_dict(config)
    settings = {
        f"{section}.{name}": value
        for section, values in sections.items()
        for name, value in values.items()
        if (section, name) != ("train", "threads")
    }
    return TrainingRun(
        data={name: digest_of(part) for name, part in data.items()},
        settings=settings,
        versions={package: _version(package) for package in _PACKAGES},
        threads=threads,
    )


def digest_of(value: Any) -> str:
    """SHA-256 of nested mappings, sequences, dataclasses, arrays, texts, numbers and None."""
    digest = hashlib.sha256()
    _feed(digest, value)
    return digest.hexdigest()


class Checkpoint:
    """Where one training stands.

    `stages` are filled by the training as it goes; `write` puts them into the folder with the state of the network
    that is being trained. Without a folder everything works, and nothing is ever written.

    Args:
        path: The folder, of which this process is the only writer; None for none.
        run: What the training is made of.
        minutes: Between two checkpoints; 0 writes one after each step.
        progress: Told where one cannot be written.
    """

    def __init__(
        self,
        path: Path | None = None,
        run: TrainingRun | None = None,
        *,
        minutes: float = 10.0,
        progress: Progress | None = None,
    ) -> None:
        self.path, self.run, self.minutes, self.progress = path, run, minutes, progress or Progress()
        self.stages: dict[str, dict[str, Any]] = {}
        self.seconds_spent = 0.0
        self.times_resumed = 0
        self._network: tuple[str, dict[str, Any]] | None = None
        self._written, self._cost = time.monotonic(), 0.0
        if path is not None:
            clear_stale(path, sole_writer=True)
            check_target(path)

    @property
    def record(self) -> dict[str, Any]:
        """What `training.json` keeps of it: the digest of the training, and how often it was gone on with."""
        return {} if self.run is None else {"run": self.run.digest, "times_resumed": self.times_resumed}

    def exists(self) -> bool:
        """Whether there is a folder to continue from."""
        return self.path is not None and self.path.is_dir()

    def resume(self) -> None:
        """Takes over what the folder holds.

        Raises:
            ResumeError: It is damaged, or was made from other rows, with other settings or by other versions.
        """
        assert self.path is not None
        assert self.run is not None
        try:
            folder = read_folder(self.path)
            state = folder.json(STATE)
            arrays = unpack_tensors(folder.read(TENSORS), where=str(self.path / TENSORS))
        except ArtefactError as error:
            raise ResumeError(
                f"{self.path}: expected a checkpoint to continue, got: {error} Leave --resume out to start anew."
            ) from error
        if not isinstance(state, dict) or state.get("format") != _FORMAT:
            raise ResumeError(
                f"{self.path}: expected a checkpoint of the form {_FORMAT!r}, got something else; continue with the "
                "version of textlattice that wrote it, or leave --resume out to start anew."
            )
        self._compare(TrainingRun(**state["run"]), self.run)
        self.stages = _unflatten(state["stages"], arrays)
        self.seconds_spent, self.times_resumed = state["seconds"], state["times_resumed"] + 1
        self._network = (
            (state["network"][0], _unflatten(state["network"][1], arrays)) if state["network"] else None
        )

    def stage(self, name: str) -> dict[str, Any]:
        """What is kept of one stage, empty at first: JSON values and arrays of finite numbers, to be filled."""
        return self.stages.setdefault(name, {})

    def take_network(self, name: str) -> dict[str, Any] | None:
        """The state of the network whose training was under way or had just ended, if it is the one of this name."""
        if self._network is None or self._network[0] != name:
            return None
        state, self._network = self._network[1], None
        return state

    def due(self, *, epoch_ended: bool = False) -> bool:
        """Whether it is time to write.

        Args:
            epoch_ended: Then it is, unless the last checkpoint cost more than a twentieth of the time since.
        """
        waited = time.monotonic() - self._written
        return self.path is not None and (
            waited >= 60 * self.minutes or (epoch_ended and waited >= _MOST_OF_THE_TIME * self._cost)
        )

    def write(self, seconds: float, network: tuple[str, dict[str, Any]] | None = None) -> None:
        """Puts all stages into the folder; where that fails the former one stays, and `progress` is told.

        Args:
            seconds: Time spent on this training so far, by former processes too.
            network: Name and state of the network that is being trained.
        """
        if self.path is None:
            return
        assert self.run is not None
        started = time.monotonic()
        arrays: dict[str, np.ndarray] = {}
        state = {
            "format": _FORMAT,
            "run": dataclasses.asdict(self.run),
            "seconds": seconds,
            "times_resumed": self.times_resumed,
            "stages": _flatten(self.stages, "stages", arrays),
            "network": None if network is None else [network[0], _flatten(network[1], "network", arrays)],
        }
        try:
            files = {
                STATE: json.dumps(state, allow_nan=False).encode(),
                TENSORS: pack_tensors(arrays),
            }
            _check_space(self.path, sum(map(len, files.values())))
            write_folder(self.path, files)
        except ArtefactError as error:
            self.progress.note(f"checkpoint not written, training goes on: {error}")
        self._written = time.monotonic()
        self._cost = self._written - started

    def remove(self) -> None:
        """The training is done: its folder goes.

        Raises:
            ArtefactError: It cannot be removed, or no checkpoint is there but something else.
        """
        if self.path is not None:
            remove_folder(self.path, FILES)

    def _compare(self, there: TrainingRun, here: TrainingRun) -> None:
        for name in sorted({*there.data, *here.data}):
            began, given = (run.data.get(name, "")[:12] for run in (there, here))
            if began != given:
                raise ResumeError(
                    f"{self.path}: expected the {name} that this training began with (digest {began}), got {given}; "
                    "give the same sources, columns and options, or leave --resume out to start anew."
                )
        for what, before, now in (
            ("setting", there.settings, here.settings),
            ("version", there.versions, here.versions),
        ):
            for name in sorted({*before, *now}):
                if before.get(name) != now.get(name):
                    raise ResumeError(
                        f"{self.path}: expected the {what} {name}={before.get(name)} that this training began with, "
                        f"got {now.get(name)}; take that one, or leave --resume out to start anew."
                    )
        if there.threads != here.threads:
            self.progress.note(
                f"{self.path}: began on {there.threads} threads and continues on {here.threads}; the last bits of the "
                "weights may differ from those of an uncut training"
            )


def _check_space(path: Path, num_bytes: int) -> None:
    if path.parent.is_dir() and (free := shutil.disk_usage(path.parent).free) < num_bytes:
        raise ArtefactError(
            f"{path}: needs {num_bytes:,} bytes, {free:,} are free; make room. The former checkpoint is kept."
        )


def _flatten(value: Any, name: str, arrays: dict[str, np.ndarray]) -> Any:
    """The value with each array replaced by its name; tuples become lists."""
    if isinstance(value, np.ndarray):
        arrays[name] = value
        return {_ARRAY: name}
    if isinstance(value, Mapping):
        return {key: _flatten(part, f"{name}.{key}", arrays) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_flatten(part, f"{name}.{place}", arrays) for place, part in enumerate(value)]
    return value


def _unflatten(value: Any, arrays: Mapping[str, np.ndarray]) -> Any:
    if isinstance(value, dict):
        if set(value) == {_ARRAY}:
            return arrays[value[_ARRAY]]
        return {key: _unflatten(part, arrays) for key, part in value.items()}
    if isinstance(value, list):
        return [_unflatten(part, arrays) for part in value]
    return value


def _feed(digest: "hashlib._Hash", value: Any) -> None:
    """Adds a value: a letter for its kind, its length where it has one, its content."""
    if isinstance(value, str):
        content = value.encode("utf-8", "surrogatepass")
        digest.update(b"s%d:" % len(content))
        digest.update(content)
    elif value is None or isinstance(value, bool | int | float):
        digest.update(f"n{value!r};".encode())
    elif isinstance(value, np.ndarray):
        digest.update(f"a{value.dtype.str}{value.shape};".encode())
        digest.update(np.ascontiguousarray(value).tobytes())
    elif dataclasses.is_dataclass(value) and not isinstance(value, type):
        _feed(digest, {field.name: getattr(value, field.name) for field in dataclasses.fields(value)})
    elif isinstance(value, Mapping):
        digest.update(b"m%d:" % len(value))
        for name, part in value.items():
            _feed(digest, name)
            _feed(digest, part)
    elif isinstance(value, Sequence):
        digest.update(b"l%d:" % len(value))
        for part in value:
            _feed(digest, part)
    else:
        raise TypeError(
            f"digest: expected texts, numbers, arrays and their like, got {type(value).__name__}."
        )


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "none"
