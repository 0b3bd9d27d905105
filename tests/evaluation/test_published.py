from deepmasque.evaluation.published import figures


def test_every_figure_carries_its_source():
    for figure in figures():
        assert figure.method and figure.metric and figure.dataset and figure.source
        assert figure.low <= figure.high


def test_the_slides_figures_are_all_there():
    slides = [each.shown for each in figures() if "slides" in each.source]
    assert slides == ["55", "75", "70", "92–93", "95", "95.9", "97.1", "97"]
    assert "95.91" in [each.shown for each in figures() if "Shen" in each.source]
    iou = [each for each in figures() if "IoU" in each.metric]
    assert all(50 < each.low < 100 for each in iou)
