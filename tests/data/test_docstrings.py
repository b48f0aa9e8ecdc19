import functools
import sys

import pytest

from textlattice.data import docstrings as module
from textlattice.data import readers
from textlattice.data.docstrings import docstrings
from textlattice.errors import DataError

LONG = "A sentence that is long enough to be kept, number"


def source(name: str, num_functions: int) -> str:
    functions = [f'def f{i}():\n    """{LONG} {name} {i}."""\n' for i in range(num_functions)]
    return "\n".join(functions)


@pytest.fixture
def machine(tmp_path):
    """A standard library and a folder of packages: `big` in ten files, `Small` below the bound, a module."""
    library, site = tmp_path / "lib", tmp_path / "site"
    for path, text in {
        library / "json/__init__.py": source("json", 6),
        library / "test/big.py": source("test", 9),
        library / "site-packages/hidden.py": source("hidden", 9),
        **{site / f"big/part{i}.py": source(f"part{i}", 6) for i in range(10)},
        site / "big/tests/test_it.py": source("tests", 9),
        site / "Small/__init__.py": source("few", 3),
        site / "module.py": source("alone", 5),
        site / "big-1.0.dist-info/x.py": source("info", 9),
        site / "broken/__init__.py": "def f(:\n",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (site / "broken/zero.py").write_bytes(b"\0")
    module._collect.cache_clear()
    yield {"standard_library": library, "site_folders": [site], "min_docstrings": 4}
    module._collect.cache_clear()


def count(rows):
    labels = [row.label for row in rows]
    return {label: labels.count(label) for label in sorted(set(labels))}


def test_labels(machine):
    rows = docstrings(**machine)
    assert count(rows) == {"big": 60, "module": 5, "stdlib": 6}
    assert [row.number for row in rows] == list(range(1, 72))
    assert rows[0].columns is None
    module._collect.cache_clear()
    assert docstrings(**machine) == rows


def test_at_most(machine):
    most = docstrings(**machine, max_docstrings=5)
    assert count(most) == {"big": 5, "module": 5, "stdlib": 5}
    kept = {row.text for row in most}
    assert [row.text for row in docstrings(**machine) if row.text in kept] == [row.text for row in most]


def test_scan_is_bounded(machine, monkeypatch):
    monkeypatch.setattr(module, "MAX_SCANNED", 10)
    assert count(docstrings(**machine))["big"] == 12  # two files
    module._collect.cache_clear()
    monkeypatch.setattr(module, "MAX_SCANNED_BYTES", 600)
    assert count(docstrings(**machine))["big"] == 6
    module._collect.cache_clear()
    monkeypatch.setattr(module, "MAX_PACKAGES", 2)
    assert set(count(docstrings(**machine))) == {"big", "stdlib"}


def test_parts_split_files(machine):
    parts = {part: docstrings(part, **machine, keep_columns=True) for part in ("all", "train", "test")}
    files = {part: {row.columns["file"] for row in rows} for part, rows in parts.items()}
    assert not files["train"] & files["test"]
    assert files["train"] | files["test"] == files["all"]
    assert files["all"] == {*(f"big/part{i}.py" for i in range(10)), "module.py", "json/__init__.py"}
    assert len(parts["train"]) + len(parts["test"]) == len(parts["all"])
    many = [module._part(f"package/file{i}.py") for i in range(2_000)]
    assert 350 < many.count("test") < 450


def test_part_is_unknown():
    with pytest.raises(DataError, match="part of builtin:docstrings 'dev': expected all, train or test"):
        docstrings("dev")


def write(folder, name, *texts):
    folder.mkdir(exist_ok=True)
    body = "\n".join(f"def f{i}():\n    {text!r}\n" for i, text in enumerate(texts))
    (folder / f"{name}.py").write_text(body)


def texts(tmp_path, **packages):
    for name, own in packages.items():
        write(tmp_path / "site", name, *own)
    module._collect.cache_clear()
    rows = docstrings(standard_library=tmp_path / "none", site_folders=[tmp_path / "site"], min_docstrings=1)
    module._collect.cache_clear()
    return sorted((row.label, row.text) for row in rows)


def test_own_name_is_masked(tmp_path):
    own = f"Alpha reads alpha.beta, ALPHA-1 and alphabet; {LONG}"
    assert texts(tmp_path, alpha=[own], beta=[f"alpha {LONG}"]) == [
        ("alpha", f"PACKAGE reads PACKAGE.beta, PACKAGE-1 and alphabet; {LONG}"),
        ("beta", f"alpha {LONG}"),
    ]


def test_repeats_are_removed(tmp_path):
    found = texts(
        tmp_path, alpha=[f"shared {LONG}", f"a {LONG}", f"a {LONG}"], beta=[f"shared {LONG}", f"b {LONG}"]
    )
    assert found == [("alpha", f"a {LONG}"), ("beta", f"b {LONG}")]


def test_length(tmp_path):
    assert texts(tmp_path, alpha=["x" * 39, "y" * 40]) == [("alpha", "y" * 40)]


def test_all_kinds_of_definitions():
    code = b'''"""module"""
class A:
    """class

        indented
    """
    async def f(self):
        """method"""
        def inner():
            "inner"
if True:
    try:
        pass
    except ValueError:
        def g():
            """in a branch"""
else:
    def h(): r"""r\\d"""
x = """no docstring"""
'''
    found = sorted(module._docstrings_of(code))
    assert found == ["class\n\nindented", "in a branch", "inner", "method", "module", "r\\d"]


@pytest.mark.parametrize("code", [b"", b"def f(:", b"\0", b"\xff", b"# coding: nonsense\n", b"(" * 10_000])
def test_sources_without_docstrings(code):
    assert list(module._docstrings_of(code)) == []


def test_warnings_of_sources_are_silent():
    assert list(module._docstrings_of(b'def f():\n    "\\d"\n')) == ["\\d"]


def test_nothing_is_imported(tmp_path):
    write(tmp_path / "site", "imported_by_mistake", LONG)
    (tmp_path / "site/imported_by_mistake.py").write_text(f'"""{LONG}"""\nraise RuntimeError\n')
    assert texts(tmp_path) == [("imported_by_mistake", LONG)]
    assert "imported_by_mistake" not in sys.modules


def test_builtin_source(machine, monkeypatch):
    monkeypatch.setattr(readers, "docstrings", functools.partial(docstrings, **machine))
    whole, train, test = (
        readers.read_table(f"builtin:docstrings{part}", require_label=True)
        for part in ("", ":train", ":test")
    )
    assert len(whole.rows) == 71
    assert set(train.texts) | set(test.texts) == set(whole.texts)
    assert not whole.rejects


def test_this_machine_is_the_default(machine, monkeypatch):
    site = str(machine["site_folders"][0])
    paths = {"stdlib": str(machine["standard_library"]), "purelib": site, "platlib": site}
    monkeypatch.setattr(module.sysconfig, "get_paths", lambda: paths)
    assert docstrings(min_docstrings=4) == docstrings(**machine)
