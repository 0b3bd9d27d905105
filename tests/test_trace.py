import numpy as np
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

from deepmasque.image import read_image
from deepmasque.portrait.pipeline import STAGES, matte
from deepmasque.trace import log_stages


def test_every_stage_is_in_the_log_with_picture_time_and_notes(portrait, tmp_path):
    result = matte(portrait)
    log_stages(result, tmp_path, "portrait")
    log = EventAccumulator(str(tmp_path / "portrait"))
    log.Reload()
    assert set(log.Tags()["images"]) == set(STAGES)
    logged = read_image(log.Images("KNN matting")[0].encoded_image_string)
    stage = next(stage for stage in result.stages if stage.name == "KNN matting")
    np.testing.assert_array_equal(logged, stage.picture)
    seconds = [each.value for each in log.Scalars("seconds")]
    np.testing.assert_allclose(seconds, [each.seconds for each in result.stages], rtol=1e-5)
