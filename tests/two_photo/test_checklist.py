"""Every light on pairs that are spoilt more and more in one way."""

import cv2
import numpy as np
import pytest

from deepmasque.image import read_image
from deepmasque.samples import pairs
from deepmasque.two_photo.alignment import align
from deepmasque.two_photo.checklist import checklist

SIZE = 300, 400
NAMES = (
    "Static background",
    "Shadows",
    "Exposure lock",
    "Colour coincidence",
    "Camera motion",
    "Sharpness",
)


def place():
    rng = np.random.default_rng(5)
    picture = np.full((*SIZE, 3), 150.0)
    for cells, strength in ((6, 25), (60, 18)):
        noise = rng.normal(0, strength, (cells, cells, 3)).astype(np.float32)
        picture += cv2.resize(noise, SIZE[::-1], interpolation=cv2.INTER_CUBIC)
    return np.clip(picture, 60, 235).astype(np.uint8)


def with_subject(picture, colour=(30, 40, 160)):
    return cv2.ellipse(picture.copy(), (200, 260), (60, 160), 0, 0, 360, colour, -1)


def lights(image, plate):
    found = {light.name: light for light in checklist(image, align(image, plate))}
    assert tuple(found) == NAMES
    return found


def moved_objects(strength):
    image = with_subject(place())
    for index in range(3 * strength):
        corner = 20 + 40 * (index % 3), 20 + 45 * (index // 3)
        cv2.rectangle(image, corner, (corner[0] + 25, corner[1] + 25), (250, 250, 250), -1)
    return image, place()


def shadow(strength):
    darkened = place().astype(np.float32)
    darkened[100:300, 255 : 255 + 30 * strength] *= 0.75
    return with_subject(darkened.astype(np.uint8)), place()


def exposure(strength):
    return with_subject(place()), cv2.convertScaleAbs(place(), alpha=1 - 0.08 * strength)


def like_the_background(strength):
    image, plate = with_subject(place()), place()
    for band in range(strength):
        rows = slice(120 + 40 * band, 140 + 40 * band)
        image[rows, 165:235] = plate[rows, 165:235] + 3
    return image, plate


def camera(strength):
    moved = np.float32([[1, 0, 6 * strength], [0, 1, -5 * strength]])
    seen = cv2.warpAffine(place(), moved, SIZE[::-1], borderMode=cv2.BORDER_REFLECT_101)
    return with_subject(seen), place()


def blur(strength):
    plate = cv2.GaussianBlur(place(), (0, 0), 0.9 * strength) if strength else place()
    return with_subject(place()), plate


@pytest.mark.parametrize(
    ("name", "spoil"),
    zip(
        NAMES,
        (moved_objects, shadow, exposure, like_the_background, camera, blur),
        strict=True,
    ),
)
def test_a_light_turns_as_the_pair_gets_worse(name, spoil):
    seen = [lights(*spoil(strength))[name] for strength in (0, 1, 3)]
    values = [light.value for light in seen]
    assert values == sorted(values)
    assert values[0] < values[1] < values[2]
    assert seen[0].state == "good"
    assert seen[2].state == "poor"
    assert seen[0].advice != seen[2].advice


def test_what_spoils_one_light_leaves_the_others_alone():
    states = {name: light.state for name, light in lights(*exposure(3)).items()}
    assert states.pop("Exposure lock") == "poor"
    assert set(states.values()) == {"good"}


def test_the_tripod_sample_is_a_good_capture():
    pair = pairs()[1]
    found = lights(read_image(pair.path), read_image(pair.plate))
    assert found["Camera motion"].state == "good"
    assert found["Static background"].state == "good"
