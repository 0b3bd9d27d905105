import numpy as np

from deepmasque.training.labels import Witnesses, undisputed


def test_only_what_all_witnesses_deny_is_disputed():
    mask = np.zeros((60, 40), np.uint8)
    mask[:30] = 255
    denied = np.where(mask > 127, 0.95, 0.05).astype(np.float32)
    denied[5:15, 5:15] = 0.05
    denied[40:50, 5:15] = 0.95
    alone = denied.copy()
    alone[20:28, 20:28] = 0.05
    trusted = undisputed([denied, denied, alone], mask)
    expected = np.full((60, 40), 255)
    expected[5:15, 5:15] = expected[40:50, 5:15] = 0
    np.testing.assert_array_equal(trusted, expected)


def test_a_seam_along_the_boundary_is_no_dispute():
    mask = np.zeros((60, 40), np.uint8)
    mask[:30] = 255
    lower = np.zeros((60, 40), np.float32)
    lower[:34] = 1
    assert (undisputed([lower] * 3, mask) == 255).all()


def test_a_mask_that_leaves_the_head_out_is_disputed(portrait):
    height, width = portrait.shape[:2]
    mask = np.zeros((height, width), np.uint8)
    trusted = Witnesses().trusted(portrait, mask)
    assert 0.1 < np.mean(trusted == 0) < 0.9
