import os
import struct
import zlib
from io import BytesIO

import numpy as np
import pillow_heif
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageCms

from deepmasque import image, samples
from deepmasque.errors import ImageError
from deepmasque.image import (
    encode_jpeg,
    encode_png,
    png_comment,
    read_image,
    read_trimap,
    reduced,
    write_atomic,
)

RAMP = np.linspace(0, 65535, 64, dtype=np.uint16)[None].repeat(3, 0)


def picture(width=24, height=16):
    """Four flat quarters, so that lossy formats keep their colours and turns can be told apart."""
    pixels = np.empty((height, width, 3), np.uint8)
    pixels[: height // 2, : width // 2] = (220, 40, 40)
    pixels[: height // 2, width // 2 :] = (40, 200, 60)
    pixels[height // 2 :, : width // 2] = (50, 60, 210)
    pixels[height // 2 :, width // 2 :] = (230, 220, 90)
    return pixels


def saved(image, format, **options):
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    stream = BytesIO()
    image.save(stream, format, **options)
    return stream.getvalue()


def chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(width, height, depth, colour, rows=b"", extra=b""):
    """A PNG written by hand: Pillow cannot write 16-bit colours or a header without pixels."""
    header = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    parts = chunk(b"IHDR", header) + extra + chunk(b"IDAT", zlib.compress(rows))
    return b"\x89PNG\r\n\x1a\n" + parts + chunk(b"IEND", b"")


def png16(samples, colour):
    """(H, W, ...) uint16 samples as a 16-bit PNG."""
    height, width = samples.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in samples)
    return png(width, height, 16, colour, rows)


def icc(space, connection, tags):
    """A small ICC version 2 profile with the given tags (ICC.1:2001-04, section 6)."""
    table, body, offset = b"", b"", 128 + 4 + 12 * len(tags)
    for name, data in tags.items():
        data += b"\0" * (-len(data) % 4)
        table += struct.pack(">4sII", name, offset + len(body), len(data))
        body += data
    head = struct.pack(">I4sI4s4s4s", 0, b"none", 0x02400000, b"prtr", space, connection)
    head += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + b"\0" * 28
    head += struct.pack(">3i", 63190, 65536, 54061)  # D50
    head = head.ljust(128, b"\0") + struct.pack(">I", len(tags))
    profile = head + table + body
    return struct.pack(">I", len(profile)) + profile[4:]


def xyz(x, y, z):
    return b"XYZ \0\0\0\0" + struct.pack(">3i", *(round(v * 65536) for v in (x, y, z)))


def gamma(value):
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(value * 256))


def lut(corners):
    """A lut8 tag with two grid points per ink: Lab bytes for every corner of the ink cube."""
    table = b"mft1\0\0\0\0" + bytes([4, 3, 2, 0])
    table += struct.pack(">9i", *(65536 * v for v in (1, 0, 0, 0, 1, 0, 0, 0, 1)))
    ramp = bytes(range(256))
    return table + ramp * 4 + b"".join(bytes(c) for c in corners) + ramp * 3


WHITE_POINT = {b"wtpt": xyz(0.9642, 1, 0.8249)}
LINEAR_GREY = icc(b"GRAY", b"XYZ ", WHITE_POINT | {b"kTRC": gamma(1.0)})
SWAPPED_RGB = icc(  # the primaries of sRGB with red and green exchanged
    b"RGB ",
    b"XYZ ",
    WHITE_POINT
    | {
        b"rXYZ": xyz(0.3851, 0.7169, 0.0971),
        b"gXYZ": xyz(0.4361, 0.2225, 0.0139),
        b"bXYZ": xyz(0.1431, 0.0606, 0.7141),
        b"rTRC": gamma(2.2),
        b"gTRC": gamma(2.2),
        b"bTRC": gamma(2.2),
    },
)
PAPER, GREEN, BLACK = (255, 128, 128), (153, 68, 168), (0, 128, 128)  # Lab bytes
GREEN_CYAN = icc(  # an ink set whose cyan is a strong green: Lab 60, -60, 40
    b"CMYK", b"Lab ", WHITE_POINT | {b"A2B0": lut([PAPER, BLACK] * 4 + [GREEN, BLACK] * 4)}
)
VALID = {
    "jpeg": saved(picture(), "JPEG", quality=95, subsampling=0),
    "progressive": saved(picture(96, 64), "JPEG", quality=95, progressive=True),
    "png": saved(picture(), "PNG"),
    "webp": saved(picture(), "WEBP", quality=95),
    "webp_lossless": saved(picture(), "WEBP", lossless=True),
    "heic": saved(picture(96, 64), "HEIF", quality=95),
    "tiff": saved(picture(), "TIFF"),
    "tiff_lzw": saved(picture(), "TIFF", compression="tiff_lzw"),
    "tiff_jpeg": saved(picture(), "TIFF", compression="jpeg"),
    "bmp": saved(picture(), "BMP"),
    "palette": saved(Image.fromarray(picture()).quantize(8), "PNG"),
    "alpha": saved(Image.fromarray(picture()).convert("RGBA"), "PNG"),
}

TURNED = {
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.transpose(1, 0, 2),
    6: np.rot90,
    7: lambda a: np.rot90(a, 2).transpose(1, 0, 2),
    8: lambda a: np.rot90(a, -1),
}


class TestFormats:
    @pytest.mark.parametrize("name", VALID)
    def test_every_format_gives_the_pixels_that_were_saved(self, name):
        pixels = read_image(VALID[name])
        expected = picture(pixels.shape[1], pixels.shape[0])
        assert pixels.dtype == np.uint8 and pixels.shape == expected.shape
        assert pixels.flags.writeable
        middles = np.s_[4::8, 6::12] if len(pixels) == 16 else np.s_[16::32, 24::48]
        assert np.abs(pixels[middles].astype(int) - expected[middles]).max() <= 12

    def test_path_and_bytes_agree(self, tmp_path):
        file = tmp_path / "photo.jpg"
        file.write_bytes(VALID["jpeg"])
        assert np.array_equal(read_image(file), read_image(VALID["jpeg"]))
        assert np.array_equal(read_image(str(file)), read_image(VALID["jpeg"]))

    def test_the_content_decides_not_the_suffix(self, tmp_path):
        file = tmp_path / "photo.png"
        file.write_bytes(VALID["jpeg"])
        assert read_image(file).shape == (16, 24, 3)

    def test_grey_becomes_three_equal_channels(self):
        grey = picture()[..., 0]
        assert np.array_equal(read_image(saved(grey, "PNG")), grey[..., None].repeat(3, 2))

    def test_one_bit(self):
        image = Image.fromarray(picture()[..., 0] > 100)
        assert set(np.unique(read_image(saved(image, "PNG")))) == {0, 255}

    @pytest.mark.parametrize("mode", ["CMYK", "YCbCr"])
    def test_print_and_video_colours_in_jpeg(self, mode):
        data = saved(Image.fromarray(picture()).convert(mode), "JPEG", quality=95, subsampling=0)
        assert np.abs(read_image(data).astype(int) - picture())[2:-2:3, 2:-2:3].mean() < 12

    def test_lab_tiff(self):
        profile = ImageCms.profileToProfile(
            Image.fromarray(picture()),
            ImageCms.createProfile("sRGB"),
            ImageCms.createProfile("LAB"),
            outputMode="LAB",
        )
        assert np.abs(read_image(saved(profile, "TIFF")).astype(int) - picture()).max() < 12

    def test_transparency_is_flattened_on_white(self):
        rgba = np.dstack([picture(), np.full((16, 24), 128, np.uint8)])
        rgba[0, 0, 3] = 0
        pixels = read_image(saved(rgba, "PNG"))
        assert tuple(pixels[0, 0]) == (255, 255, 255)
        assert np.abs(pixels[8:].astype(int) - (picture()[8:].astype(int) + 255) / 2).max() <= 1.5

    def test_transparent_palette_and_grey_with_alpha(self):
        palette = saved(Image.fromarray(picture()).quantize(4), "PNG", transparency=0)
        assert (read_image(palette) == 255).all(axis=2).any()
        grey = Image.fromarray(np.full((4, 4), 100, np.uint8))
        grey.putalpha(0)
        assert (read_image(saved(grey, "PNG")) == 255).all()

    @pytest.mark.parametrize("format", ["PNG", "WEBP"])
    def test_first_frame_of_an_animation(self, format):
        later = [Image.new("RGB", (24, 16), colour) for colour in ("black", "white")]
        data = saved(
            picture(), format, save_all=True, append_images=later, duration=100, lossless=True
        )
        assert np.array_equal(read_image(data), picture())

    def test_first_page_of_a_tiff(self):
        data = saved(picture(), "TIFF", save_all=True, append_images=[Image.new("RGB", (9, 9))])
        assert np.array_equal(read_image(data), picture())

    @pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 5000), (5000, 1)])
    @pytest.mark.parametrize("format", ["PNG", "JPEG", "TIFF", "BMP"])
    def test_thin_pictures(self, width, height, format):
        assert read_image(saved(picture(width, height), format)).shape == (height, width, 3)


class TestDepth:
    expected = np.round(RAMP / 257).astype(np.uint8)

    def test_grey_png_is_scaled_over_the_whole_range(self):
        pixels = read_image(png16(RAMP, colour=0))
        assert np.array_equal(pixels, self.expected[..., None].repeat(3, 2))

    def test_rgb_png(self):
        samples = np.stack([RAMP, RAMP[:, ::-1], RAMP // 2], axis=-1)
        pixels = read_image(png16(samples, colour=2)).astype(int)
        assert np.abs(pixels - samples / 257).max() <= 1

    def test_rgba_and_grey_alpha_png(self):
        opaque = np.full_like(RAMP, 65535)
        for colour, channels in ((4, [RAMP, opaque]), (6, [RAMP, RAMP, RAMP, opaque])):
            pixels = read_image(png16(np.stack(channels, axis=-1), colour)).astype(int)
            assert np.abs(pixels[..., 1] - RAMP / 257).max() <= 1

    @pytest.mark.parametrize(
        ("order", "photometric"), [("<", 0), ("<", 1), ("<", 2), (">", 1), (">", 2)]
    )
    def test_tiff(self, order, photometric):
        """Written by hand: Pillow writes no 16-bit RGB TIFF and no white-is-zero one."""
        samples = np.stack([RAMP] * 3, axis=-1) if photometric == 2 else RAMP
        raster = samples.astype(order + "u2").tobytes()
        depth = samples.ndim == 3
        tags = [
            (256, 3, 1, 64),
            (257, 3, 1, 3),
            (258, 3, 3, 8) if depth else (258, 3, 1, 16),
            (259, 3, 1, 1),
            (262, 3, 1, photometric),
            (273, 4, 1, 200),
            (277, 3, 1, 3 if depth else 1),
            (278, 3, 1, 3),
            (279, 4, 1, len(raster)),
        ]
        directory = struct.pack(order + "H", len(tags))
        for tag, kind, count, value in tags:
            short = kind == 3 and count == 1
            directory += struct.pack(
                order + "HHI" + ("HH" if short else "I"),
                tag,
                kind,
                count,
                *((value, 0) if short else (value,)),
            )
        head = (b"II" if order == "<" else b"MM") + struct.pack(order + "HI", 42, 16)
        head += struct.pack(order + "HHHH", 16, 16, 16, 0)
        data = (head + directory + b"\0" * 4).ljust(200, b"\0") + raster
        pixels = read_image(data).astype(int)
        tones = 65535 - RAMP if photometric == 0 else RAMP
        assert np.abs(pixels - np.round(tones / 257)[..., None]).max() <= 1

    def test_floating_point_is_refused(self):
        image = Image.fromarray(np.zeros((4, 4), np.float32))
        with pytest.raises(ImageError, match="neither 8 nor 16 bits"):
            read_image(saved(image, "TIFF"))


class TestOrientation:
    @pytest.mark.parametrize("orientation", range(1, 9))
    @pytest.mark.parametrize("format", ["JPEG", "PNG", "TIFF", "WEBP"])
    def test_every_exif_orientation_is_undone(self, orientation, format):
        exif = Image.Exif()
        exif[0x0112] = orientation
        stored = np.ascontiguousarray(TURNED[orientation](picture()))
        options = {"quality": 100} if format in ("JPEG", "WEBP") else {}
        pixels = read_image(saved(stored, format, exif=exif, **options))
        assert pixels.shape == (16, 24, 3)
        assert np.abs(pixels[3::9, 3::17].astype(int) - picture()[3::9, 3::17]).max() <= 12

    def test_heic_is_turned_once(self):
        exif = Image.Exif()
        exif[0x0112] = 6
        stored = np.ascontiguousarray(np.rot90(picture(64, 96)))
        heif = pillow_heif.from_pillow(Image.fromarray(stored))
        stream = BytesIO()
        heif.save(stream, quality=95, exif=exif.tobytes())
        assert read_image(stream.getvalue()).shape == (96, 64, 3)

    def test_damaged_notes_do_not_cost_the_photo(self):
        data = saved(picture(), "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xff", quality=95)
        assert read_image(data).shape == (16, 24, 3)


class TestProfiles:
    def test_rgb_profile_is_converted(self):
        pixels = read_image(saved(picture(), "PNG", icc_profile=SWAPPED_RGB)).astype(int)
        assert np.abs(pixels - picture()[..., [1, 0, 2]]).max() <= 12

    def test_grey_profile_is_converted(self):
        linear = np.full((4, 4), 55, np.uint8)  # 21.6 % of the light is sRGB 128
        for stored in (Image.fromarray(linear), Image.fromarray(linear).convert("LA")):
            pixels = read_image(saved(stored, "PNG", icc_profile=LINEAR_GREY))
            assert np.abs(pixels.astype(int) - 128).max() <= 2

    def test_cmyk_profile_is_converted(self):
        cyan = Image.new("CMYK", (16, 16), (255, 0, 0, 0))
        for data in (
            saved(cyan, "JPEG", icc_profile=GREEN_CYAN, quality=95),
            saved(cyan, "TIFF", icc_profile=GREEN_CYAN),
        ):
            red, green, blue = read_image(data)[8, 8].astype(int)
            assert green > 140 and red < 60 and blue < 100, "sRGB of Lab 60, -60, 40 is a green"

    def test_rgb_profile_on_a_grey_picture(self):
        grey = np.full((4, 4), 90, np.uint8)
        pixels = read_image(saved(grey, "PNG", icc_profile=SWAPPED_RGB))
        assert np.abs(pixels.astype(int) - 90).max() <= 4

    @pytest.mark.parametrize("profile", [LINEAR_GREY, GREEN_CYAN, b"no profile", LINEAR_GREY[:90]])
    def test_a_profile_that_does_not_fit_is_ignored(self, profile):
        assert np.array_equal(read_image(saved(picture(), "PNG", icc_profile=profile)), picture())


class TestBadInput:
    @pytest.mark.parametrize(
        ("data", "sentence"),
        [
            (b"", "The file is empty."),
            (b"Dear photo, here is some text.\n" * 9, "The file is not a JPEG, PNG, WebP"),
            (saved(picture(), "GIF"), "The file is not a JPEG, PNG, WebP"),
            (saved(picture(), "ICO"), "The file is not a JPEG, PNG, WebP"),
            (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "The file is not a JPEG"),
            (png(50_000, 50_000, 8, 2), "The file has more than 64 megapixels"),
            (png(10_000, 9_000, 8, 2), "The file has more than 64 megapixels"),
            (png(64, 64, 8, 2), "The file is damaged or cut short."),
        ],
        ids=["empty", "text", "gif", "ico", "postscript", "bomb", "large", "header"],
    )
    def test_one_sentence(self, data, sentence):
        with pytest.raises(ImageError) as caught:
            read_image(data)
        assert str(caught.value).startswith(sentence)
        assert str(caught.value).endswith(".") and "\n" not in str(caught.value)

    def test_the_limit_itself_is_allowed(self, monkeypatch):
        monkeypatch.setattr(image, "PIXEL_LIMIT", 24 * 16)
        assert read_image(VALID["png"]).shape == (16, 24, 3)
        with pytest.raises(ImageError, match="the most allowed"):
            read_image(saved(picture(24, 17), "PNG"))

    @pytest.mark.parametrize("eighth", range(8))
    @pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "HEIF", "TIFF", "BMP"])
    def test_truncated_files_are_refused(self, format, eighth, portrait):
        data = saved(portrait, format)
        with pytest.raises(ImageError):
            read_image(data[: len(data) * eighth // 8])

    @pytest.mark.parametrize("progressive", [False, True])
    def test_truncated_jpeg_says_so(self, progressive, portrait):
        data = saved(portrait, "JPEG", progressive=progressive)
        for eighth in range(1, 8):
            with pytest.raises(ImageError, match="damaged or cut short"):
                read_image(data[: len(data) * eighth // 8])

    def test_missing_file(self, tmp_path):
        with pytest.raises(ImageError, match=r"absent\.jpg does not exist"):
            read_image(tmp_path / "absent.jpg")

    def test_folder(self, tmp_path):
        with pytest.raises(ImageError, match="is a folder"):
            read_image(tmp_path)

    def test_impossible_name(self):
        with pytest.raises(ImageError, match="cannot be opened"):
            read_image("photo\0.jpg")

    def test_pipe_does_not_block(self, tmp_path):
        os.mkfifo(tmp_path / "pipe.jpg")
        with pytest.raises(ImageError, match="not a file"):
            read_image(tmp_path / "pipe.jpg")

    @settings(max_examples=200, deadline=None)
    @given(st.binary(max_size=400))
    def test_random_bytes(self, data):
        with pytest.raises(ImageError):
            read_image(data)

    @settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(sorted(VALID)), st.data())
    def test_damaged_files_give_a_picture_or_an_image_error(self, name, draw):
        data = bytearray(VALID[name])
        places = st.integers(0, len(data) - 1)
        for place in draw.draw(st.lists(places, max_size=6)):
            data[place] ^= draw.draw(st.integers(1, 255))
        data = bytes(data[: draw.draw(st.one_of(st.just(len(data)), places))])
        for read, dimensions in ((read_image, 3), (read_trimap, 2)):
            try:
                pixels = read(data)
            except ImageError:
                continue
            assert pixels.dtype == np.uint8 and pixels.ndim == dimensions


class TestTrimap:
    values = np.array([[0, 1, 128, 254, 255]], np.uint8).repeat(3, 0)

    def test_values_are_kept_in_every_way_of_storing_them(self):
        rgb = self.values[..., None].repeat(3, 2)
        see_through = np.dstack([rgb, np.full((3, 5), 7, np.uint8)])
        grey = Image.fromarray(self.values)
        palette = grey.convert("P")
        for data in (
            saved(self.values, "PNG"),
            saved(rgb, "PNG"),
            saved(rgb, "BMP"),
            saved(see_through, "PNG"),
            saved(palette, "PNG"),
            saved(self.values, "PNG", icc_profile=LINEAR_GREY),
            png16(self.values.astype(np.uint16) * 257, colour=0),
        ):
            assert np.array_equal(read_trimap(data), self.values)

    def test_one_bit(self):
        image = Image.fromarray(self.values > 100)
        assert np.array_equal(read_trimap(saved(image, "PNG")), (self.values > 100) * 255)

    def test_bad_bytes(self):
        with pytest.raises(ImageError):
            read_trimap(b"no trimap")


class TestWriting:
    @pytest.mark.parametrize("channels", [None, 3, 4])
    def test_png_keeps_every_pixel(self, channels):
        shape = (7, 5) if channels is None else (7, 5, channels)
        pixels = np.random.default_rng(1).integers(0, 256, shape, np.uint8)
        with Image.open(BytesIO(encode_png(pixels))) as image:
            assert np.array_equal(np.asarray(image), pixels)
            assert image.info == {}

    def test_png_comment(self, tmp_path):
        file = tmp_path / "a.png"
        file.write_bytes(encode_png(picture(), comment="how it was made"))
        assert png_comment(file) == "how it was made"
        file.write_bytes(encode_png(picture()))
        assert png_comment(file) is None
        file.write_bytes(b"broken")
        assert png_comment(file) is None
        assert png_comment(tmp_path / "absent.png") is None

    def test_jpeg_is_close_and_without_metadata(self):
        data = encode_jpeg(picture(64, 64))
        assert np.abs(read_image(data).astype(int) - picture(64, 64)).max() <= 12
        with Image.open(BytesIO(data)) as image:
            assert not image.getexif() and "icc_profile" not in image.info

    def test_same_pixels_same_bytes(self):
        assert encode_png(picture()) == encode_png(picture())
        assert encode_jpeg(picture()) == encode_jpeg(picture())

    def test_write_atomic_replaces(self, tmp_path):
        file = tmp_path / "a.png"
        write_atomic(file, b"old")
        write_atomic(str(file), b"new")
        assert file.read_bytes() == b"new"
        assert list(tmp_path.iterdir()) == [file]

    def test_failed_writing_leaves_nothing(self, tmp_path):
        (tmp_path / "folder").mkdir()
        with pytest.raises(OSError):
            write_atomic(tmp_path / "folder", b"data")
        with pytest.raises(OSError):
            write_atomic(tmp_path / "absent" / "a.png", b"data")
        assert [p.name for p in tmp_path.iterdir()] == ["folder"]

    def test_written_files_have_the_usual_rights(self, tmp_path):
        (tmp_path / "usual").write_bytes(b"")
        write_atomic(tmp_path / "a.png", b"data")
        assert (tmp_path / "a.png").stat().st_mode == (tmp_path / "usual").stat().st_mode


class TestSamples:
    def test_all_can_be_read_and_are_credited(self):
        credits = (samples.FOLDER / "CREDITS.md").read_text()
        for portrait in samples.portraits():
            assert min(read_image(portrait.path).shape[:2]) >= 360
            assert portrait.path.name in credits and portrait.credit
        for background in samples.backgrounds():
            assert read_image(background.path).shape == (1200, 1600, 3)
        names = [sample.name for sample in samples.portraits() + samples.backgrounds()]
        assert len(set(names)) == len(names)


def test_a_photo_is_reduced_to_the_wanted_number_of_pixels_in_its_own_shape():
    photo = picture(1200, 800)
    small = reduced(photo, 60_000)
    assert small.shape == (200, 300, 3)
    assert small[20, 20].tolist() == [220, 40, 40]
    assert small[-20, -20].tolist() == [230, 220, 90]
    assert reduced(photo, 960_000) is photo


def test_the_thinnest_photo_keeps_a_pixel_of_width():
    assert reduced(np.zeros((10_000, 1, 3), np.uint8), 100).shape == (1000, 1, 3)
