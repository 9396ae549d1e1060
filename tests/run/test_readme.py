"""The README's picture and table: a verdict first, a reason that reads, and what weakens it."""

import pytest

from helpers.lab.record import Checked, Record, Ruled, Value
from helpers.run import readme


def effect(estimate, half, bases=(0, 1, 2)):
    """A change with its bases around it."""
    by_base = {base: estimate + (base - 1) * half / 2 for base in bases}
    return Value(
        measure="recall",
        arm="reasoning_sft",
        minus="before",
        estimate=estimate,
        low=estimate - half,
        high=estimate + half,
        n=240,
        by_base=by_base,
    )


def put(folder, name="abstention_loss", **changes):
    """A record in a folder."""
    values = dict(
        finding=name,
        tier="pocket",
        model="pocket",
        bases=[0, 1, 2],
        seeds=[0],
        primary=effect(-0.2, 0.05),
        delta=0.08,
        code=readme.code_now(name),
        complete=True,
        verdict=Ruled(label="explained otherwise", reason="the missing abstentions do it"),
        contrasts=[Checked(name="keep", told="the rest", value=effect(0.0, 0.05))],
    )
    one = Record(**values | changes)
    (folder / f"{len(list(folder.glob('*.json')))}.json").write_text(one.model_dump_json())


def line_of(folder, title):
    """The row of the table of one finding."""
    (line,) = [ln for ln in readme.table(readme.rows(folder)).splitlines() if title in ln]
    return line


def test_several_training_seeds_are_said(tmp_path):
    put(tmp_path, seeds=[0, 1])
    assert line_of(tmp_path, "1 Abstention loss").endswith("| bases 0, 1, 2, seeds 0, 1 |")


def test_one_row_a_finding_with_its_verdict_first_and_a_reason_that_reads(tmp_path):
    put(tmp_path)
    lines = readme.table(readme.rows(tmp_path)).splitlines()
    assert len(lines) == 2 + 7
    line = line_of(tmp_path, "1 Abstention loss")
    assert line.startswith(
        "| **explained otherwise** | 1 Abstention loss | Change of abstention recall -0.200 "
        "[-0.250, -0.150], where -0.08 would count. The missing abstentions do it."
    )
    assert "older" not in line and "one base" not in line
    assert line.endswith("| bases 0, 1, 2 |"), "one seed is not worth a word"
    assert sum("not yet run" in line for line in lines) == 6


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"bases": [0]}, "one base"), ({"code": "another"}, "older than the code")],
)
def test_a_record_of_one_base_or_of_older_code_says_so_in_its_row(tmp_path, changes, words):
    put(tmp_path, **changes)
    assert words in line_of(tmp_path, "1 Abstention loss")


@pytest.mark.parametrize(("noise", "words"), [(0.04, "up to 0.078 |"), (0.02, "bases 0, 1, 2 |")])
def test_questions_that_scatter_more_than_the_interval_shows_are_said(tmp_path, noise, words):
    put(tmp_path, primary=effect(-0.2, 0.05).model_copy(update={"noise": noise}))
    assert line_of(tmp_path, "1 Abstention loss").endswith(words)


def test_a_failed_gate_is_printed_and_no_interval(tmp_path):
    gate = {"name": "accuracy", "value": 0.1, "minimum": 0.3, "passed": False}
    put(tmp_path, gates=[gate], verdict=Ruled(label="inconclusive", reason="a gate failed"))
    assert "A gate failed: accuracy is 0.1, below 0.3." in line_of(tmp_path, "1 Abstention")
    (ax,) = readme.picture(readme.rows(tmp_path)).axes
    assert not any(
        line.get_color() == readme.COLOURS["inconclusive"]
        and len(line.get_xdata()) == 2
        and line.get_linewidth() == 4
        for line in ax.lines
    )
    assert any("a gate failed" in text.get_text().replace("\n", " ") for text in ax.texts)


def test_the_picture_has_the_interval_in_smallest_effects_a_dot_a_base_and_the_published_size(
    tmp_path,
):
    put(tmp_path)
    (ax,) = readme.picture(readme.rows(tmp_path)).axes
    thick = [line for line in ax.lines if line.get_linewidth() == 4]
    assert [tuple(line.get_xdata()) for line in thick] == [
        pytest.approx((0.15 / 0.08, 0.25 / 0.08))
    ]
    dots = [line for line in ax.lines if line.get_markersize() == 5]
    assert len(dots) == 3
    diamonds = [line for line in ax.lines if line.get_marker() == "D"]
    assert diamonds[0].get_xdata()[0] == pytest.approx(3)


def test_of_several_records_that_of_most_bases_is_shown_and_none_of_own_questions(tmp_path):
    put(tmp_path, bases=[0])
    put(tmp_path)
    put(tmp_path, bases=[0, 1, 2, 3], parameters={"questions": "mine.jsonl"})
    assert "one base" not in line_of(tmp_path, "1 Abstention loss")


def test_the_table_replaces_only_what_stands_between_its_marks():
    start, end = readme.MARKS
    text = f"before\n{start}\nold\n{end}\nafter\n"
    assert readme.with_table(text, "new") == f"before\n{start}\nnew\n{end}\nafter\n"
    with pytest.raises(ValueError, match="needs the two marks"):
        readme.with_table("no marks", "new")


def test_the_picture_counts_a_finding_of_several_parts_by_the_one_that_it_draws(tmp_path):
    open_one, shut = (
        Ruled(label="inconclusive", reason="so"),
        Ruled(label="does not replicate", reason="so"),
    )
    put(tmp_path, verdict=shut, parts={"first": shut, "second": open_one})
    put(tmp_path, "sycophancy", verdict=open_one, parts={"first": open_one, "second": shut})
    figure = readme.picture(readme.rows(tmp_path))
    title = "1 of 7 findings are decided on the pocket models, 1 of them in part"
    assert figure.get_suptitle() == title


def test_a_base_beyond_the_axis_is_marked_at_its_end(tmp_path):
    bases = {0: -0.2, 1: -0.9, 2: 0.9}
    put(tmp_path, primary=effect(-0.2, 0.05).model_copy(update={"by_base": bases}))
    (ax,) = readme.picture(readme.rows(tmp_path)).axes
    dots = {line.get_marker(): line.get_xdata() for line in ax.lines if line.get_markersize() == 5}
    assert dots["o"] == pytest.approx([2.5])
    assert list(dots[">"]) == [readme.REACH[1]] and list(dots["<"]) == [readme.REACH[0]]


@pytest.mark.parametrize(("estimate", "dots"), [(-0.2, [2.5]), (-0.9, []), (0.9, [])])
def test_an_estimate_beyond_the_axis_is_no_dot_at_its_end(tmp_path, estimate, dots):
    put(tmp_path, primary=effect(estimate, 0.05))
    (ax,) = readme.picture(readme.rows(tmp_path)).axes
    drawn = [line.get_xdata()[0] for line in ax.lines if line.get_markersize() == 11]
    assert drawn == pytest.approx(dots)
