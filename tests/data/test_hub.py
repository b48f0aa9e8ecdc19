"""`hf:` sources, with two functions of the library in fake and, where it is installed, in earnest."""

import sys
from types import ModuleType, SimpleNamespace

import pyarrow as pa
import pytest

from fault_table import brief, raw_text
from textlattice.data.hub import HubSource, hub_source
from textlattice.data.readers import read_rows, read_table
from textlattice.errors import DataError, MissingExtraError


class FakeDataset:
    """What we use of `datasets.Dataset`: columns of Arrow, with features beside."""

    def __init__(self, table: pa.Table, features=None, split="train"):
        self.table, self.split = table, split
        self.features = dict.fromkeys(table.column_names) | (features or {})
        self.column_names = table.column_names

    def select_columns(self, names):
        return FakeDataset(self.table.select(names), self.features, self.split)

    def with_format(self, kind):
        assert kind == "arrow"
        return self

    def iter(self, batch_size):
        for start in range(0, self.table.num_rows, batch_size):
            yield self.table.slice(start, batch_size)


CLASSES = SimpleNamespace(names=["neg", "pos"])


@pytest.fixture
def library(monkeypatch):
    """The fake library: `asked` are the calls, `answer` is what they give, or the error that they raise."""
    module = ModuleType("datasets")
    fake = SimpleNamespace(asked=[], answer=FakeDataset(pa.table({"text": ["a"], "label": ["x"]})))

    def call(name):
        def called(path, **options):
            fake.asked.append((name, path, options))
            if isinstance(fake.answer, Exception):
                raise fake.answer
            return fake.answer

        return called

    module.load_dataset, module.load_from_disk = call("load_dataset"), call("load_from_disk")
    monkeypatch.setitem(sys.modules, "datasets", module)
    for name in ("HF_HUB_OFFLINE", "HF_DATASETS_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    return fake


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("hf:owner/name", ("owner/name", None, None)),
        ("hf:owner/my.name_2-b:test", ("owner/my.name_2-b", None, "test")),
        ("hf:owner/name@v1.0", ("owner/name", "v1.0", None)),
        (
            "hf:owner/name@refs/convert/parquet:train[:10%]",
            ("owner/name", "refs/convert/parquet", "train[:10%]"),
        ),
        ("hf:./folder:dev", ("./folder", None, "dev")),
        ("hf:../a/b/c", ("../a/b/c", None, None)),
        ("hf:/a", ("/a", None, None)),
    ],
)
def test_parts_of_a_source(source, expected):
    assert hub_source(source) == HubSource(**dict(zip(("name", "revision", "split"), expected, strict=True)))


@pytest.mark.parametrize(
    "source", ["hf:", "hf:name", "hf:a/b/c", "hf:a b/c", "hf:a/b@", "hf:a/b:", "hf:@v:train"]
)
def test_other_forms_are_refused(source):
    with pytest.raises(
        DataError, match=r"expected hf:owner/name, hf:owner/name@revision:split or hf:./folder"
    ):
        read_rows(source, require_label=True)


def test_what_the_library_is_asked_for(library):
    read_table("hf:owner/name", require_label=True)
    read_table("hf:owner/name@v1:test", require_label=True)
    assert library.asked == [
        ("load_dataset", "owner/name", {"split": "train", "revision": None}),
        ("load_dataset", "owner/name", {"split": "test", "revision": "v1"}),
    ]


def test_rows_are_numbered_over_batches(library):
    library.answer = FakeDataset(pa.table({"text": [str(i) for i in range(3_000)], "label": ["x"] * 3_000}))
    table = read_table("hf:owner/name", require_label=True)
    assert list(table.texts) == [str(i) for i in range(3_000)]
    assert [row.number for row in table.rows] == list(range(1, 3_001))


def test_classes_come_by_name(library):
    columns = pa.table({"text": ["a", "b", "c", "d"], "label": [1, 0, -1, None], "id": [5, 6, 7, 8]})
    library.answer = FakeDataset(columns, {"label": CLASSES})
    expected = ["a|pos", "b|neg", "None missing_label", "None missing_label"]
    assert [brief(item) for item in read_rows("hf:o/n", require_label=True)] == expected
    row = next(read_rows("hf:o/n", require_label=True, keep_columns=True))
    assert row.columns == {"text": "a", "label": "pos", "id": 5}
    by_id = read_table("hf:o/n", label_column="id", require_label=True)
    assert by_id.labels == ["5", "6", "7", "8"]


def test_lists_of_classes(library):
    columns = pa.table({"text": ["a", "b", "c"], "label": [[1, 0, 1], [], [-1]]})
    library.answer = FakeDataset(columns, {"label": SimpleNamespace(feature=CLASSES)})
    expected = ["a|[pos+neg]", "b|[]", "None invalid_label"]
    assert [brief(item) for item in read_rows("hf:o/n", require_label=True)] == expected


def test_faults_of_rows_are_those_of_parquet(library):
    columns = pa.table({"text": raw_text(b"a", b"\xff", None, b""), "label": ["x", "x", "x", None]})
    library.answer = FakeDataset(columns)
    expected = ["a|x", "None invalid_utf8", "None missing_text", "None missing_label"]
    assert [brief(item) for item in read_rows("hf:o/n", require_label=True)] == expected


def test_columns_are_checked_before_the_first_row(library):
    library.answer = FakeDataset(pa.table({"body": ["a"], "label": ["x"]}))
    with pytest.raises(DataError, match="hf:o/n: expected a column 'text', found body, label"):
        read_rows("hf:o/n", require_label=True)
    library.answer = FakeDataset(pa.table({"text": ["a"]}))
    assert read_table("hf:o/n", require_label=False).labels == [None]


def test_what_cannot_be_had_is_told_in_one_line(library, monkeypatch):
    library.answer = ConnectionError("Couldn't reach 'o/n' on the Hub\n(offline)")
    message = r"hf:o/n: cannot be read \(ConnectionError: Couldn't reach 'o/n' on the Hub \(offline\)\); "
    with pytest.raises(DataError, match=message + "check owner, name, revision and split, and the network"):
        read_rows("hf:o/n", require_label=True)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DataError, match=message + "HF_HUB_OFFLINE .*read it once while online"):
        read_rows("hf:o/n", require_label=True)


def test_without_the_library(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(MissingExtraError, match=r"reading hf:o/n needs the extra \[hf\]"):
        read_rows("hf:o/n", require_label=True)


def test_local_folders(library, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(
        DataError, match=r"hf:./data: data is not a folder; expected one that save_to_disk wrote"
    ):
        read_rows("hf:./data", require_label=True)
    (tmp_path / "data").mkdir()
    read_table("hf:./data:test", require_label=True)
    assert library.asked.pop() == ("load_dataset", "data", {"split": "test"})
    with pytest.raises(DataError, match="a local folder has no revisions; leave @v1 out"):
        read_rows("hf:./data@v1", require_label=True)
    (tmp_path / "data" / "state.json").touch()
    assert list(read_table("hf:./data", require_label=True).texts) == ["a"]
    assert library.asked.pop() == ("load_from_disk", "data", {})
    with pytest.raises(DataError, match=r"expected a split 'test', found train; name one as hf:./data:SPLIT"):
        read_rows("hf:./data:test", require_label=True)
    library.answer = {
        name: FakeDataset(pa.table({"text": [name], "label": ["x"]})) for name in ("dev", "train")
    }
    assert list(read_table("hf:./data", require_label=True).texts) == ["train"]
    assert list(read_table("hf:./data:dev", require_label=True).texts) == ["dev"]
    library.answer = ValueError("no")
    with pytest.raises(
        DataError, match=r"cannot be read \(ValueError: no\); expected a folder that save_to_disk"
    ):
        read_rows("hf:./data", require_label=True)


def test_the_library_in_earnest(tmp_path, monkeypatch):
    datasets = pytest.importorskip("datasets", reason="the extra [hf] is not installed")
    monkeypatch.chdir(tmp_path)
    features = datasets.Features(
        {"text": datasets.Value("string"), "label": datasets.ClassLabel(names=["neg", "pos"])}
    )
    rows = {"text": [f"text {i}" for i in range(2_500)], "label": [i % 2 for i in range(2_500)]}
    one = datasets.Dataset.from_dict(rows, features=features, split="train")
    one.save_to_disk("one")
    datasets.DatasetDict({"train": one, "test": one.select(range(3, 5))}).save_to_disk("two")
    assert read_table("hf:./one", require_label=True).labels == ["neg", "pos"] * 1_250
    assert list(read_table("hf:./two:test", require_label=True).texts) == ["text 3", "text 4"]
    with pytest.raises(DataError, match="expected a split 'dev', found train, test"):
        read_rows("hf:./two:dev", require_label=True)
    (tmp_path / "three").mkdir()
    (tmp_path / "three" / "train.csv").write_text("text,label\na,x\nb,y\n")
    assert read_table("hf:./three", require_label=True).labels == ["x", "y"]
    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True, raising=False)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(DataError, match="only what is in the cache can be read"):
        read_rows("hf:textlattice/not-there", require_label=True)
