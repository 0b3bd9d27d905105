import numpy as np

from deepmasque.portrait import pictures


def test_difference_is_amber_where_the_first_is_more_opaque_and_blue_where_the_second_is():
    first, second = np.float32([[0, 1, 0.0, 1.0, 0.05]]), np.float32([[0, 1, 1.0, 0.0, 0.0]])
    picture = pictures.difference(first, second)
    assert picture.dtype == np.uint8
    clear, opaque, blue, amber, half = picture[0].tolist()
    assert clear == [0, 0, 0]
    assert opaque == [pictures.UNDERNEATH] * 3
    assert blue == list(pictures.COUNTERPART)
    assert amber == list(pictures.ACCENT)
    assert half == [128, 89, 1]


def test_a_large_difference_picture_is_reduced():
    alpha = np.zeros((1500, 3000), np.float32)
    assert pictures.difference(alpha, alpha).shape == (512, 1024, 3)
