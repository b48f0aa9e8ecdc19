"""Result files: `results/<what>_<hardware>_<date>.json`, one entry a run, extended and never half written.

A file that has grown large is followed by another, `..._<date>_02.json`; a run that is made again stays in its own.

A file holds `what`, `machine` and `entries`. An entry holds `key` (what was asked for: a second run of it is
skipped), `commit`, `versions`, `finished`, `load` (processes that wanted a core, the mean of the last
minute) and its own figures.
"""

import base64
import fcntl
import json
import os
import platform
import re
import subprocess
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "results"
LARGE = 500_000
"""Bytes of a file to which no new entry is added."""
_PACKAGES = ("textlattice", "numpy", "scikit-learn", "torch")


def entries(what: str, folder: Path = RESULTS) -> list[dict[str, Any]]:
    """The entries of all files of one kind, with their `machine`; of a key, the newest."""
    newest: dict[str, dict[str, Any]] = {}
    for path in sorted(folder.glob(f"{what}_*.json")):
        record = json.loads(path.read_text())
        for entry in record["entries"]:
            name = json.dumps(entry["key"], sort_keys=True)
            if name not in newest or newest[name]["finished"] < entry["finished"]:
                newest[name] = {**entry, "machine": record["machine"]}
    return sorted(newest.values(), key=lambda entry: entry["finished"])


def find(what: str, key: dict[str, Any], folder: Path = RESULTS) -> dict[str, Any] | None:
    """The entry of a key, if some file of this machine has it."""
    found = [entry for path in _paths(what, folder) for entry in _load(path, what)["entries"]]
    return next((entry for entry in reversed(found) if entry["key"] == key), None)


def add(what: str, key: dict[str, Any], figures: dict[str, Any], folder: Path = RESULTS) -> Path:
    """Adds an entry to the newest file of this machine, in place of one with the same key; returns the file."""
    load = round(os.getloadavg()[0], 2)  # of the machine, in processes
    entry = {
        "key": key,
        "finished": _now(),
        "load": load,
        "commit": _commit(),
        "versions": _versions(),
    } | figures
    entry = without_paths(entry)
    folder.mkdir(parents=True, exist_ok=True)
    with _locked(folder):
        path = _path_for(what, key, folder)
        record = _load(path, what)
        record["entries"] = [*(old for old in record["entries"] if old["key"] != key), entry]
        aside = path.with_suffix(".tmp")
        aside.write_text(json.dumps(record, indent=1, allow_nan=False) + "\n")
        os.replace(aside, path)
    return path


def without_paths(value: Any, name: str = "") -> Any:
    """The same JSON values, absolute paths under `source` and `sources` cut to their last two parts.

    Where a file lies is no result, and belongs to one machine.
    """
    if isinstance(value, dict):
        return {inner: without_paths(part, inner) for inner, part in value.items()}
    if isinstance(value, list | tuple):
        return [without_paths(part, name) for part in value]
    if name in ("source", "sources") and isinstance(value, str) and Path(value).is_absolute():
        return "/".join(Path(value).parts[1:][-2:])
    return value


def pack(correct: np.ndarray) -> str:
    """Which rows were right, one bit a row, compressed, as base64."""
    return _text(np.packbits(correct))


def unpack(text: str, num_rows: int) -> np.ndarray:
    """Inverse of `pack`, bool [num_rows]."""
    return np.unpackbits(_values(text, np.uint8), count=num_rows).astype(bool)


def pack_places(values: np.ndarray) -> dict[str, Any]:
    """Places of labels, or which labels rows have, as compressed base64 of bytes or of bits."""
    if values.dtype == bool:
        return {"bits": pack(values.ravel()), "shape": list(values.shape)}
    assert np.abs(values).max(initial=0) < 128
    return {"bytes": _text(values.astype(np.int8))}


def unpack_places(packed: dict[str, Any]) -> np.ndarray:
    """Inverse of `pack_places`."""
    if "bits" in packed:
        return unpack(packed["bits"], int(np.prod(packed["shape"]))).reshape(packed["shape"])
    return _values(packed["bytes"], np.int8).astype(np.int64)


def _text(values: np.ndarray) -> str:
    return base64.b64encode(zlib.compress(values.tobytes(), 9)).decode()


def _values(text: str, dtype: type[np.generic]) -> np.ndarray:
    return np.frombuffer(zlib.decompress(base64.b64decode(text)), dtype)


def machine() -> dict[str, Any]:
    """Processor, cores that this process may use, memory, system."""
    model = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        found = re.search(r"model name\s*:\s*(.+)", Path("/proc/cpuinfo").read_text())
        model = found.group(1).strip() if found else model
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return {
        "cpu": model,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(memory / 2**30, 1),
        "system": f"{platform.system()} {platform.machine()}",
    }


def _path_for(what: str, key: dict[str, Any], folder: Path) -> Path:
    """Where an entry belongs: the file that has its key, else the newest, or the one to make today."""
    paths = _paths(what, folder)
    for path in reversed(paths):
        if any(entry["key"] == key for entry in _load(path, what)["entries"]):
            return path
    if paths and paths[-1].stat().st_size <= LARGE:
        return paths[-1]
    name = f"{what}_{_hardware()}_{_now()[:10]}"
    number = sum(path.stem.startswith(name) for path in paths) + 1
    return folder / (f"{name}_{number:02d}.json" if number > 1 else f"{name}.json")


def _paths(what: str, folder: Path) -> list[Path]:
    """The files of this machine, the newest last."""
    return sorted(folder.glob(f"{what}_{_hardware()}_*.json"), key=lambda path: path.stem)


def _hardware() -> str:
    here = machine()
    name = re.sub(r"\((R|TM)\)|\bCPU\b|@.*", " ", here["cpu"])
    slug = "-".join(re.findall("[a-z0-9.]+", name.lower())) or "cpu"
    return f"{slug}-{here['cores']}-core{'s' if here['cores'] > 1 else ''}"


def _load(path: Path, what: str) -> dict[str, Any]:
    if path.exists():
        record: dict[str, Any] = json.loads(path.read_text())
        return record
    return {"what": what, "machine": machine(), "entries": []}


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """Two runs may end at once."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())


def _versions() -> dict[str, str]:
    return {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}}


def _commit() -> str | None:
    """The commit, with a `+` where tracked files differ from it; None outside a clone."""
    try:
        head = _git("rev-parse", "HEAD")
        return head + (
            "+"
            if _git("status", "--porcelain", "--untracked-files=no", "--", "src", "benchmarks/*.py")
            else ""
        )
    except (OSError, subprocess.CalledProcessError):
        return None


def _git(*words: str) -> str:
    done = subprocess.run(
        ["git", *words], cwd=Path(__file__).parent.parent, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
