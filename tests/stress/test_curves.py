import numpy as np
import pytest

from textlattice.errors import ConfigError, DataError
from textlattice.stress.area import area_interval
from textlattice.stress.attack import attack
from textlattice.stress.curves import stress_curves
from textlattice.task import Task
from textlattice.text.noise import FAMILIES, corrupt

TEXTS = ["a good film with many words in it", "a bad film with many words in it"] * 20
LABELS = ["good", "bad"] * 20


@pytest.fixture
def task():
    return Task(labels=("bad", "good"), priors=(0.5, 0.5))


def spotter(texts):
    """Sure where it sees a word that it knows, else undecided for `bad`."""
    rows = [(0.0, 1.0) if "good" in text.split() else (0.9, 0.1) for text in texts]
    return np.array(rows).reshape(-1, 2)


def untouched(texts):
    """Answers by the length alone, so that noise that keeps it changes nothing."""
    return np.array([(0.1, 0.9) if len(text) % 2 else (0.8, 0.2) for text in texts]).reshape(-1, 2)


def test_a_model_that_noise_does_not_touch_has_an_area_of_one(task):
    found, _ = stress_curves(untouched, task, TEXTS, LABELS, families=["case", "homoglyph"], seeds=[0, 1])
    assert found["clean"]["accuracy"] == 1.0
    assert found["relative_area"] == pytest.approx(1)
    for curve in found["families"].values():
        assert all(point["flip_rate"] == 0 for point in curve["points"])
        assert [point["level"] for point in curve["points"]] == [0.0, 0.01, 0.02, 0.05, 0.1, 0.2]


def test_figures_of_a_model_that_sees_one_word(task):
    levels, seeds = (0.0, 0.1, 0.3), (0, 1)
    found, _ = stress_curves(
        spotter, task, TEXTS, LABELS, families=["typo", "case"], levels=levels, seeds=seeds
    )
    assert (found["measure"], found["chance"], found["num_rows"]) == ("accuracy", 0.5, 40)
    for family, curve in found["families"].items():
        for level, point in zip(levels, curve["points"], strict=True):
            kept = [
                np.mean(["good" in corrupt(text, family, level, seed).split() for text in TEXTS[::2]])
                for seed in (seeds if level else [0])
            ]
            assert point["accuracy"] == pytest.approx(0.5 + np.mean(kept) / 2)
            assert point["flip_rate"] == pytest.approx((1 - np.mean(kept)) / 2)
            assert point["deviation"] == pytest.approx(np.std(kept) / 2)
            always = [
                all(
                    "good" in corrupt(text, family, level, seed).split() for seed in (seeds if level else [0])
                )
                for text in TEXTS[::2]
            ]
            assert point["always_right"] == pytest.approx(0.5 + np.mean(always) / 2)
        heights = [point["accuracy"] - 0.5 for point in curve["points"]]
        area = 0.1 * (heights[0] + heights[1]) / 2 + 0.2 * (heights[1] + heights[2]) / 2
        assert curve["relative_area"] == pytest.approx(area / (0.3 * 0.5))
    areas = {family: curve["relative_area"] for family, curve in found["families"].items()}
    assert found["relative_area"] == pytest.approx(np.mean([*areas.values()]))
    assert found["worst"]["relative_area"] == min(areas.values())


def test_always_the_most_frequent_label_is_guessing():
    task = Task(labels=("bad", "good"), priors=(0.9, 0.1))
    texts, labels = [*TEXTS[:10], *TEXTS[1::2][:10]], [*LABELS[:10], *["bad"] * 10]

    def always(texts):
        return np.tile([0.9, 0.1], (len(texts), 1))

    def falling(asked):
        return spotter(asked) if asked == texts else always(asked)

    found, right = stress_curves(
        falling, task, texts, labels, families=["typo"] * 2, levels=[0.0, 0.2], seeds=[0]
    )
    assert (found["chance"], found["clean"]["accuracy"]) == (0.75, 1.0)
    assert right.shape == (1, 2, 20)
    assert found["relative_area"] == pytest.approx(0.5)  # from all to nothing in one step
    assert stress_curves(always, task, texts, labels, families=["typo"], seeds=[0])[0]["relative_area"] == 0


def test_texts_of_one_label_have_nothing_to_count_from(task):
    with pytest.raises(DataError, match="expected texts of two labels or more, got 3 of one"):
        stress_curves(spotter, task, TEXTS[:3], ["good"] * 3)


def test_the_interval_is_that_of_rows(task):
    found, _ = stress_curves(spotter, task, TEXTS, LABELS, families=["typo", "case"], seeds=[0, 1])
    low, high = found["interval"]
    assert low < found["relative_area"] < high
    few, _ = stress_curves(spotter, task, TEXTS[:10], LABELS[:10], families=["typo", "case"], seeds=[0, 1])
    assert few["interval"][1] - few["interval"][0] > high - low
    assert stress_curves(untouched, task, TEXTS, LABELS, families=["case"], seeds=[0])[0]["interval"] == [
        1,
        1,
    ]


def test_a_difference_of_areas_is_paired():
    levels = np.array([0.0, 0.1, 0.2])
    right = np.random.default_rng(0).random((2, 3, 50)).round(1) / 4 + 0.75
    interval = area_interval(right, levels, 0.5, less=right)
    assert (interval.difference, interval.low, interval.high) == (0, 0, 0)
    worse = right.copy()
    worse[:, 2] /= 2
    lower = area_interval(right, levels, 0.5, less=worse)
    assert 0 < lower.low < lower.difference < lower.high
    alone = [area_interval(part, levels, 0.5).difference for part in (right, worse)]
    assert lower.difference == pytest.approx(alone[0] - alone[1])


def test_a_family_that_changes_no_text_is_left_out(task):
    texts = [*["很好吃 下次还来", "味道一般 太慢了"] * 4, "还行 很好", "还行 太慢"]
    labels = ["good"] * 8 + ["bad"] * 2

    def model(texts):
        return np.array([(0.2, 0.8) if len(text) > 7 else (0.9, 0.1) for text in texts])

    found, _ = stress_curves(model, task, texts, labels, families=["case", "truncation"], seeds=[0])
    spoiled = {family: curve["spoiled"] for family, curve in found["families"].items()}
    assert spoiled == {"case": 0, "truncation": 1}
    assert found["relative_area"] == found["families"]["truncation"]["relative_area"] < 1
    assert found["worst"]["family"] == "truncation"
    with pytest.raises(DataError, match="no noise of case, ocr changes any of these 10 texts"):
        stress_curves(model, task, texts, labels, families=["case", "ocr"], seeds=[0])


def test_a_model_that_guesses_has_no_area(task):
    found, _ = stress_curves(
        lambda texts: np.full((len(texts), 2), 0.5), task, TEXTS, LABELS, families=["case"]
    )
    assert found["relative_area"] == 0


def test_a_measure_that_is_not_defined():
    task = Task(kind="ordinal", labels=("1", "2", "3"), priors=(0.3, 0.3, 0.4), cut_points=(-1.0, 1.0))

    def highest(texts):
        return np.array([(0.0, 0.1, 0.9)] * len(texts))

    with pytest.raises(DataError, match="expected texts of which quadratic weighted kappa is defined, got 3"):
        stress_curves(highest, task, ["a", "b", "c"], ["3"] * 3, families=["case"], seeds=[0])

    def by_case(texts):
        return np.array([(0.9, 0.1, 0.0) if text.islower() else (0.0, 0.1, 0.9) for text in texts])

    found, _ = stress_curves(
        by_case, task, ["ab", "AB"], ["1", "3"], families=["case"], levels=[0.0, 1.0], seeds=[0]
    )
    assert found["clean"]["quadratic_weighted_kappa"] == 1
    assert found["families"]["case"]["points"][1]["quadratic_weighted_kappa"] < 0


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"families": ["rain"]}, ConfigError, "unknown family of noise 'rain'"),
        ({"levels": [0.1, 0.2]}, DataError, r"levels that ascend from 0, got \[0.1, 0.2\]"),
        ({"levels": [0.0, 0.2, 0.2]}, DataError, "levels that ascend from 0"),
        ({"seeds": []}, DataError, "stress needs texts, families and seeds, got 40, 9, 0"),
    ],
)
def test_wrong_arguments(task, arguments, error, message):
    with pytest.raises(error, match=message):
        stress_curves(spotter, task, TEXTS, LABELS, **arguments)


def test_every_family_is_run(task):
    found, _ = stress_curves(spotter, task, TEXTS[:4], LABELS[:4], levels=[0.0, 0.2], seeds=[0])
    assert tuple(found["families"]) == FAMILIES


# The attack.


def test_an_attack_finds_the_one_word(task):
    asked = []

    def model(texts):
        asked.extend(texts)
        return spotter(texts)

    found = attack(model, task, TEXTS[:2], LABELS[:2], budget=50)
    assert (found["accuracy"], found["accuracy_under_attack"]) == (
        1.0,
        0.5,
    )  # `bad` is answered without any word
    assert (found["num_attacked"], found["success_rate"], found["mean_edits"]) == (2, 0.5, 1.0)
    assert found["median_queries"] <= 1 + 8 + 6
    assert TEXTS[0] in asked


def test_any_wrong_answer_is_a_success_and_every_edit_counts():
    task = Task(labels=("good", "bad", "other"), priors=(0.4, 0.3, 0.3))

    def split(texts):  # one edit lowers the right answer most, another overturns it
        rows = {0: (1.0, 0.0, 0.0), 1: (0.4, 0.3, 0.3), 2: (0.45, 0.55, 0.0)}
        return np.array([rows[0 if text == "goodly" else 2 if len(text) > 6 else 1] for text in texts])

    found = attack(split, task, ["goodly"], ["good"])
    assert (found["success_rate"], found["mean_edits"]) == (1.0, 1.0)

    def both(texts):  # overturned by the second edit alone, which lowers nothing before
        return np.array(
            [
                (0.9, 0.1, 0.0)
                if any(word in text.split() for word in ("goodly", "filmic"))
                else (0.1, 0.9, 0.0)
                for text in texts
            ]
        )

    found = attack(both, task, ["goodly filmic"], ["good"], max_edits=1.0)
    assert (found["success_rate"], found["mean_edits"]) == (1.0, 2.0)


@pytest.mark.parametrize("budget", [1, 2, 3])
def test_an_attack_keeps_to_a_small_budget(task, budget):
    counts = []

    def stubborn(texts):
        counts.append(len(texts))
        return np.array([(0.4, 0.6)] * len(texts))

    assert attack(stubborn, task, ["one two three"], ["good"], budget=budget)["success_rate"] == 0
    assert sum(counts) == budget


def test_an_attack_keeps_to_its_budget(task):
    counts = []

    def stubborn(texts):
        counts.append(len(texts))
        return np.array([(0.4, 0.6)] * len(texts))

    text = " ".join(f"word{number}" for number in range(300))
    found = attack(stubborn, task, [text], ["good"], budget=40)
    assert found["success_rate"] == 0
    assert found["median_queries"] is found["mean_edits"] is None
    assert sum(counts) <= 40
    ranked = [f"word{number}" for number in range(0, 300, 15)]  # half of the budget, all over the text
    assert counts[1] == len(ranked)


def test_an_edit_that_helps_the_right_answer_is_not_taken(task):
    def model(texts):
        """`alpha` counts most, but each edit of it makes the answer surer; an edit of `omega` overturns it."""
        right = {("alpha", "omega"): 0.9, ("omega",): 0.55, ("alpha",): 0.6}
        rows = []
        for words in map(str.split, texts):
            sure = 0.2 if len(words) == 2 and words[1] != "omega" else right.get(tuple(words), 0.95)
            rows.append((1 - sure, sure))
        return np.array(rows)

    found = attack(model, task, ["alpha omega"], ["good"], max_edits=1.0)
    assert (found["success_rate"], found["mean_edits"]) == (1.0, 1.0)


def test_words_that_keep_their_form_leave_the_allowance_to_others(task):
    text = " ".join([*(f"strong{place}" for place in "abcdefgh"), "weak", *["filler"] * 6])

    def model(texts):
        """Without a strong word the answer is less sure, but an edit of one makes it surer; of `weak` it falls."""
        rows = []
        for words in map(str.split, texts):
            whole = len(words) == 15
            sure = 0.99 if whole else 0.6 if "weak" in words else 0.7
            if whole and "weak" not in words:
                sure = 0.2
            rows.append((1 - sure, sure if sure < 0.99 or text == " ".join(words) else 1.0))
        return np.array(rows)

    found = attack(model, task, [text], ["good"], max_edits=0.1)
    assert (found["success_rate"], found["mean_edits"]) == (1.0, 1.0)
    assert found["median_queries"] > 1 + 15 + 6 * 8


def test_in_scripts_without_spaces_tokens_are_attacked(task):
    asked = []

    def stubborn(texts):
        asked.extend(texts)
        return np.array([(0.4, 0.6)] * len(texts))

    text = "这家店的菜很好吃"
    assert attack(stubborn, task, [text], ["good"], budget=60)["success_rate"] == 0
    assert {text[:place] + text[place + 1 :] for place in range(8)} <= {*asked}
    assert len(asked) > 1 + 8


def test_spaces_of_any_kind_part_words_and_stay(task):
    asked = []

    def stubborn(texts):
        asked.extend(texts)
        return np.array([(0.4, 0.6)] * len(texts))

    attack(stubborn, task, ["one\ttwo\n three "], ["good"], budget=100)
    assert {"\ttwo\n three ", "one\n three ", "one\ttwo "} <= {*asked}


def test_what_is_answered_wrongly_is_not_attacked(task):
    found = attack(spotter, task, ["a good film"], ["bad"])
    assert (found["num_attacked"], found["accuracy"], found["success_rate"]) == (0, 0, None)


def test_a_text_without_letters_holds(task):
    assert attack(spotter, task, ["1 2 3"], ["bad"])["success_rate"] == 0


def test_an_attack_needs_single_labels(task):
    with pytest.raises(
        DataError, match="an attack needs texts of one label each, got 0 texts of a single task"
    ):
        attack(spotter, task, [], [])
