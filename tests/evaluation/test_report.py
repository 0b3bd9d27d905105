import re

import cv2
import numpy as np
import pytest

from deepmasque.evaluation.benchmark import Row, Scene, table
from deepmasque.evaluation.report import html, markdown, scatter, summary
from deepmasque.image import encode_png


def row(image, method, **known):
    facts = {"state": "done", "hardware": "A CPU", "version": "1", "date": "2026-11-21T08:00:00"}
    facts |= {"seconds": 1.0, "cpu_seconds": 1.5, "peak_mb": 200.0, "added_mb": 20.0, "load": 3.0}
    return Row(image, "", method, method.upper(), **{**facts, "commit": "abc1234", **known})


ROWS = [
    row("easy", "one", iou=0.99, sad=1.0, seconds=1.0, peak_mb=300.0),
    row("hard", "one", iou=0.80, sad=5.0, seconds=3.0),
    row("easy", "two", iou=0.95, sad=2.0, seconds=9.0, trimap="portrait pipeline"),
    row("hard", "two", iou=0.90, sad=3.0, seconds=9.0, trimap="portrait pipeline"),
    row("easy", "<three>", state="failed", error="It <broke>.", seconds=None, peak_mb=None),
    row("hard", "<three>", state="failed", error="It <broke>.", seconds=None, peak_mb=None),
]


def test_summary_by_hand():
    lines = summary(table(ROWS)).set_index("method")
    assert list(lines.index) == ["TWO", "ONE", "<THREE>"]
    one = lines.loc["ONE"]
    assert one["IoU, % ↑"] == pytest.approx(89.5) and one["SAD ↓"] == pytest.approx(3)
    assert one["seconds ↓"] == 2 and one["peak MB ↓"] == 300
    assert list(lines["photos"]) == [2, 2, 0] and list(lines["failed"]) == [0, 0, 2]
    assert list(lines["trimap"]) == ["portrait pipeline", "", ""]
    assert "Grad ↓" not in lines and "boundary IoU, % ↑" not in lines


def test_errors_over_the_unknown_region_where_there_is_one():
    rows = [row("a", "one", iou=1.0, sad=9.0, sad_unknown=4.0, trimap="given")]
    assert summary(table(rows))["SAD ↓"][0] == 4


def test_each_set_of_trimaps_for_itself():
    rows = [
        Row("a", trimaps, "one", "One", "done", iou=value, date="2026", hardware="x")
        for trimaps, value in (("trimap1", 0.5), ("trimap2", 0.7))
    ]
    assert list(summary(table(rows))["IoU, % ↑"]) == [50, 70]
    assert "## Results, trimap1" in markdown(table(rows))


def test_markdown():
    text = markdown(table(ROWS))
    assert "Measured on A CPU, 2026-11-21, commit abc1234." in text
    assert "this work included: 3.0 to 3.0." in text
    assert "| TWO | portrait pipeline | 2 | 0 | **92.50** |" in text
    assert "| 89.50 | 3 | **2** |" in text
    assert text.index("- hard: ONE 80.00 %") < text.index("- easy: ONE 99.00 %")
    assert "- <THREE>: It <broke>. (easy, hard)" in text


@pytest.fixture
def run(tmp_path):
    """Photos and alphas on the disk, and the rows that name them."""
    scenes, rows = [], []
    for image in ("easy", "hard"):
        path = tmp_path / f"{image}.png"
        path.write_bytes(encode_png(np.full((40, 30, 3), 99, np.uint8)))
        scenes.append(Scene(image, path, truth=path))
    for each in ROWS:
        alpha = f"{each.image}-{each.method.strip('<>')}.png"
        (tmp_path / alpha).write_bytes(encode_png(np.full((40, 30), 200, np.uint8)))
        rows.append(Row(**{**vars(each), "alpha": alpha if each.state == "done" else ""}))
    return table(rows), tmp_path, scenes


def test_html_needs_nothing_from_outside(run):
    page = html(*run)
    markup = re.sub(r"(<script[^>]*>).*?</script>", r"\1", page, flags=re.DOTALL)
    assert re.findall(r'(?:src|href)="(?!data:)([^"]*)"', markup) == [] and "$" not in markup
    assert "&lt;THREE&gt;" in page and "<THREE>" not in page
    assert page.count('<img alt="Photo"') == page.count('<img alt="Truth"') == 2
    assert page.index("<h3>hard</h3>") < page.index("<h3>easy</h3>")
    assert page.index('<img alt="TWO"') < page.index('<img alt="ONE"')


def test_html_of_photos_without_truth_and_of_nothing_but_failures(run):
    found, out, scenes = run
    found = found.assign(iou=np.nan, sad=np.nan)
    bare = [Scene(scene.name, scene.image) for scene in scenes]
    page = html(found, out, bare)
    assert "The alphas" in page and '<img alt="Truth"' not in page and "IoU" not in page[:3000]
    failures = html(found[found["state"] == "failed"], out, bare)
    assert "What failed" in failures and "Every photo" not in failures


def test_scatter_has_a_dot_for_each_photo(run):
    found = run[0]
    figure = scatter(found[found["state"] == "done"], "seconds", "iou")
    assert [trace.name for trace in figure.data] == ["ONE", "TWO"]
    assert list(figure.data[0].y) == pytest.approx([99, 80])
    assert figure.data[0].customdata[1].tolist() == ["hard", "one", ""]


def test_pictures_are_small(run):
    found, out, scenes = run
    noise = np.random.default_rng(0).integers(0, 256, (1200, 900, 3), np.uint8)
    scenes[0].image.write_bytes(encode_png(cv2.GaussianBlur(noise, (0, 0), 3)))
    assert len(html(found, out, scenes)) < len(html(found, out, [])) + 60_000
