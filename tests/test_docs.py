import ast
import csv
import itertools
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import pytest

import textlattice

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = Path(sys.executable).with_name("textlattice")
ENVIRONMENT = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONUTF8": "1"}


def blocks(page: Path) -> list[tuple[str, str]]:
    """Language and text of each fenced block."""
    return re.findall(r"^```(\w+)\n(.*?)^```$", page.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def python_program(page: Path) -> str:
    return "\n".join(text for language, text in blocks(page) if language == "python")


def textlattice_lines(text: str) -> list[list[str]]:
    """Arguments of each line that calls the command; other lines are for people."""
    return [shlex.split(line)[1:] for line in text.splitlines() if line.startswith("textlattice ")]


def run(arguments: list[str], folder: Path) -> str:
    done = subprocess.run(arguments, cwd=folder, env=ENVIRONMENT, capture_output=True, text=True)
    assert done.returncode == 0, f"{arguments[1:]}\n{done.stdout}\n{done.stderr}"
    return done.stdout


def test_python_of_the_readme_runs(tmp_path):
    assert run([sys.executable, "-c", python_program(ROOT / "README.md")], tmp_path).strip() == "['good']"


def test_commands_of_the_readme_run(tmp_path, tiny_texts):
    rows = "".join(f'"{text}",{label}\n' for text, label in zip(*tiny_texts, strict=True))
    for name in ("reviews.csv", "held_out.csv", "new.csv"):
        (tmp_path / name).write_text(f"text,label\n{rows}", encoding="utf-8")
    lines = [line for language, text in blocks(ROOT / "README.md") for line in textlattice_lines(text)]
    assert [line[0] for line in lines] == ["train", "evaluate", "predict", "explain"]
    for line in lines:
        run([str(COMMAND), *line], tmp_path)
    assert len((tmp_path / "answers.csv").read_text(encoding="utf-8").splitlines()) == 61
    assert "wise" in (tmp_path / "why.html").read_text(encoding="utf-8")


def test_tutorial_runs(tmp_path):
    # The Python of all blocks is one program; where commands stand between, it runs them.
    program = ["import subprocess"]
    for language, text in blocks(ROOT / "docs" / "tutorial.md"):
        if language == "python":
            program.append(text)
        for line in textlattice_lines(text):
            program.append(f"subprocess.run({[str(COMMAND), *line]!r}, check=True)")
    run([sys.executable, "-c", "\n".join(program)], tmp_path)
    assert (tmp_path / "why.html").exists()
    answers, light = (read_answers(tmp_path / name) for name in ("answers.csv", "light.csv"))
    assert [row["predicted_label"] for row in answers] == [row["predicted_label"] for row in light]
    for ours, exported in zip(answers, light, strict=True):
        assert float(ours["probability"]) == pytest.approx(float(exported["probability"]), abs=1e-5)


def read_answers(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_hashes_are_as_written_in_the_architecture():
    exec(python_program(ROOT / "docs" / "architecture.md"), {})


def anchors(page: Path) -> set[str]:
    """What GitHub makes of the headings."""
    titles = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if target.startswith(("https://", "http://")):
            continue
        name, _, anchor = target.partition("#")
        linked = (page.parent / name) if name else page
        assert linked.exists(), f"{page.name} links to {target}"
        assert not anchor or anchor in anchors(linked), f"{page.name} links to {target}"


def test_files_named_in_the_architecture_exist():
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:tests|[a-z]+)/[\w/.]*)`", text)) | set(re.findall(r"`(\w+\.py)`", text))
    missing = [name for name in sorted(named) if not _exists(name)]
    assert not missing


def _exists(name: str) -> bool:
    return (ROOT / name).exists() or (ROOT / "src" / "textlattice" / name).exists()


def arrows() -> dict[str, set[str]]:
    """What each part may import, as the architecture draws it; what is below a part's own parts included."""
    text = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    may: dict[str, set[str]] = {}
    for line in re.search(r"^```\n(errors, config.*?)^```$", text, re.DOTALL | re.MULTILINE)[1].splitlines():
        parts = [re.split(r" \| |, ", part) for part in line.split(" <- ")]
        for below, above in itertools.pairwise(parts):
            for name in above:
                may.setdefault(name, set()).update(below)
    for _ in may:
        may = {name: below.union(*(may.get(part, set()) for part in below)) for name, below in may.items()}
    own = {
        "config_json": {"errors"},
        "config": {"errors", "config_json"},
        "task": {"errors", "config", "config_json"},
    }
    return may | own


def imported(path: Path) -> set[str]:
    """Modules of this package that a file names in its imports, wherever they stand."""
    nodes = list(ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    froms = [node for node in nodes if isinstance(node, ast.ImportFrom)]
    names += [f"{node.module}.{alias.name}" for node in froms for alias in node.names]
    return {name for name in names if name.startswith("textlattice.")}


def test_imports_follow_the_arrows_of_the_architecture():
    package = ROOT / "src" / "textlattice"
    may = arrows()
    assert "text" in may["app"]
    assert "graph" not in may["text"]
    wrong = []
    for path in package.rglob("*.py"):
        inside = path.relative_to(package)
        if inside.name == "__init__.py":
            continue
        own = _part(["textlattice", *inside.with_suffix("").parts])
        used = {_part(name.split(".")) for name in imported(path)}
        wrong += [
            f"{inside} imports {part}" for part in sorted(used - {own, "__version__"} - may.get(own, set()))
        ]
    assert not wrong


def _part(module: list[str]) -> str:
    """Where a module stands in the drawing."""
    return "/".join(module[1:3]) if module[1] == "explain" else module[1]


def test_tree_in_the_readme_names_every_package():
    tree = blocks_without_language(ROOT / "README.md")[-1]
    package = ROOT / "src" / "textlattice"
    on_disk = {f"{path.parent.name}/" for path in package.glob("*/__init__.py")}
    on_disk |= {path.name for path in package.glob("[a-z]*.py")}
    in_tree = set(re.findall(r"^  (\S+)", tree, re.MULTILINE))
    assert in_tree == on_disk


def blocks_without_language(page: Path) -> list[str]:
    return re.findall(
        r"^```\n(.*?)^```$",
        re.sub(r"^```\w+\n.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE),
        re.DOTALL | re.MULTILINE,
    )


def test_results_have_their_place_in_the_readme():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert 0 < text.index("<!-- results -->") < text.index("<!-- /results -->")


def test_figure_is_well_formed_and_says_what_it_shows():
    figure = ElementTree.parse(ROOT / "docs" / "figure.svg").getroot()
    assert figure.find("{http://www.w3.org/2000/svg}title").text
    assert not [e for e in figure.iter() if e.tag.endswith(("script", "image", "foreignObject"))]


def test_version_is_the_same_everywhere():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), re.MULTILINE)
    assert project["version"] == textlattice.__version__ == newest[1]


def test_constraints_pin_every_direct_dependency():
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    pins = [line for line in lines if line and not line.startswith("#")]
    assert all(re.fullmatch(r"[\w.-]+==[\w.]+", pin) for pin in pins)
    pinned = {_plain(pin.partition("==")[0]) for pin in pins}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"].values()
    wanted = [*project["dependencies"], *(want for extra in extras for want in extra)]
    names = {_plain(re.match(r"[\w.-]+", want)[0]) for want in wanted}
    assert names - {"textlattice"} <= pinned


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
