"""A digit comes out of any picture as MNIST has it: upright, light on dark, 20 pixels, by its mass."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from trainable.mnist.data import LabelledImages, Source
from trainable.mnist.picture import MNIST, PictureError, frame_for, framed, ink_of, read_digit

SIZE = (200, 300)


def seven(ink: int = 0, paper: int = 255, width: int = 14) -> Image.Image:
    """A 7 in a picture of 200x300, grey, off its centre."""
    picture = Image.new("L", SIZE, paper)
    draw = ImageDraw.Draw(picture)
    draw.line([(40, 60), (140, 55), (80, 230)], fill=ink, width=width, joint="curve")
    return picture


def likeness(one: NDArray[np.uint8], other: NDArray[np.uint8]) -> float:
    """Correlation of two images, -1 to 1; moved by a pixel where that is better, for a centre of
    mass between two pixels may be rounded either way."""
    moved = [np.roll(one, (down, right), (0, 1)) for down in (-1, 0, 1) for right in (-1, 0, 1)]
    return max(float(np.corrcoef(each.ravel(), other.ravel())[0, 1]) for each in moved)


PLAIN = framed(ink_of(seven()))


def saved(picture: Image.Image, path: Path, **options: Any) -> NDArray[np.uint8]:
    picture.save(path, **options)
    return read_digit(path)


def test_the_longer_side_is_20_pixels_and_the_centre_of_mass_in_the_middle() -> None:
    rows, columns = np.flatnonzero(PLAIN.any(axis=1)), np.flatnonzero(PLAIN.any(axis=0))
    assert rows[-1] - rows[0] + 1 == 20
    assert 10 <= columns[-1] - columns[0] + 1 < 20
    y, x = np.mgrid[:28, :28]
    for axis in (y, x):
        assert abs((axis * PLAIN.astype(float)).sum() / PLAIN.sum() - 14) <= 0.5
    assert PLAIN.max() == 255
    assert PLAIN[0].max() == 0


def test_a_digit_of_mnist_comes_out_as_it_is(mnist_folder: Path) -> None:
    images = Source(dataset="mnist").load(mnist_folder).validation.images[:300]
    again = np.stack([framed(ink_of(Image.fromarray(image))) for image in images])
    assert np.mean([likeness(one, other) > 0.98 for one, other in zip(again, images, strict=True)]) > 0.95


@pytest.mark.parametrize(
    ("mode", "suffix"),
    [
        ("1", "png"),
        ("L", "png"),
        ("P", "gif"),
        ("RGB", "jpg"),
        ("RGB", "webp"),
        ("RGBA", "png"),
        ("LA", "png"),
        ("CMYK", "jpg"),
        ("I;16", "png"),
        ("F", "tiff"),
    ],
)
def test_every_mode_of_picture_gives_the_same_digit(mode: str, suffix: str, tmp_path: Path) -> None:
    if mode == "I;16":
        picture = Image.fromarray(np.asarray(seven(), dtype=np.uint16) * 257)
    else:
        picture = seven().convert(mode)
    assert picture.mode == mode
    assert likeness(saved(picture, tmp_path / f"seven.{suffix}"), PLAIN) > 0.99


@pytest.mark.parametrize("highest", [1023, 4095])
def test_a_scan_of_fewer_bits_than_its_file_has_room_for_is_no_blank(highest: int, tmp_path: Path) -> None:
    scan = np.asarray(seven(), dtype=np.uint32) * highest // 255
    assert likeness(saved(Image.fromarray(scan.astype(np.uint16)), tmp_path / "scan.png"), PLAIN) > 0.99


@pytest.mark.parametrize(("ink", "paper"), [(0, 255), (255, 0), (90, 200), (200, 90), (130, 100)])
def test_dark_on_light_and_light_on_dark_are_told_apart_by_the_border(ink: int, paper: int) -> None:
    assert likeness(framed(ink_of(seven(ink, paper))), PLAIN) > 0.99


def test_inverting_may_be_said_and_then_is_not_guessed() -> None:
    both = seven(ink=0, paper=120)
    ImageDraw.Draw(both).ellipse((150, 10, 190, 50), fill=255)
    dark, light = framed(ink_of(both, invert=True)), framed(ink_of(both, invert=False))
    assert likeness(dark, PLAIN) > 0.99
    assert likeness(light, PLAIN) < 0.5
    with pytest.raises(PictureError, match="light on dark"):
        ink_of(seven(), invert=False)


@pytest.mark.parametrize(
    ("ink", "paper"),
    [((30, 40, 160), (250, 240, 120)), ((220, 60, 60), (40, 150, 60)), ((255, 255, 255), (200, 30, 30))],
    ids=["blue on yellow", "red on equally light green", "white on red"],
)
def test_coloured_ink_on_coloured_paper_is_seen(ink: tuple[int, ...], paper: tuple[int, ...]) -> None:
    share = (255 - np.asarray(seven(), dtype=float))[..., None] / 255
    mixed = np.array(paper) + (np.array(ink) - np.array(paper)) * share
    assert likeness(framed(ink_of(Image.fromarray(mixed.astype(np.uint8)))), PLAIN) > 0.99


@pytest.mark.parametrize("colour", [(0, 0, 0), (255, 255, 255), (200, 0, 0)])
def test_ink_of_any_colour_on_nothing_is_seen(colour: tuple[int, ...], tmp_path: Path) -> None:
    opacity = Image.eval(seven(), lambda level: 255 - level)
    picture = Image.merge("RGBA", [*[Image.new("L", SIZE, part) for part in colour], opacity])
    assert likeness(saved(picture, tmp_path / "ink.png"), PLAIN) > 0.99
    assert likeness(read_digit(tmp_path / "ink.png", invert=True), PLAIN) > 0.99
    assert likeness(read_digit(tmp_path / "ink.png", invert=False), PLAIN) > 0.99


def test_a_card_with_transparent_corners_is_paper_and_not_ink(tmp_path: Path) -> None:
    card = Image.new("L", SIZE, 0)
    ImageDraw.Draw(card).rounded_rectangle((5, 5, 194, 294), 40, fill=255)
    picture = Image.merge("RGBA", [*[seven()] * 3, card])
    assert likeness(saved(picture, tmp_path / "card.png"), PLAIN) > 0.99


def test_a_transparent_colour_of_a_palette_is_paper(tmp_path: Path) -> None:
    picture = seven().convert("1").convert("P")
    assert likeness(saved(picture, tmp_path / "seven.gif", transparency=255), PLAIN) > 0.98


def test_a_picture_is_turned_as_its_exif_says(tmp_path: Path) -> None:
    lying = seven().transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # "turn me a quarter clockwise", as phones write it
    assert likeness(saved(lying, tmp_path / "lying.jpg", exif=exif), PLAIN) > 0.99


@pytest.mark.parametrize(("width", "height"), [(28, 28), (60, 90), (2000, 3000), (300, 300)])
def test_size_and_margins_do_not_matter(width: int, height: int) -> None:
    side = min(width, height)
    picture = Image.new("L", (width, height), 255)
    picture.paste(seven().crop((30, 45, 150, 240)).resize((side * 6 // 10, side * 39 // 40)), (side // 5, 0))
    assert likeness(framed(ink_of(picture)), PLAIN) > 0.93


def test_light_that_falls_from_one_side_is_no_ink() -> None:
    rows = np.linspace(0, 90, SIZE[1])[:, None] + np.linspace(0, 40, SIZE[0])[None]
    lit = np.asarray(seven(ink=60, paper=240), dtype=float) - rows
    grainy = lit + np.random.default_rng(0).normal(0, 6, lit.shape)
    assert likeness(framed(ink_of(Image.fromarray(grainy.clip(0, 255).astype(np.uint8)))), PLAIN) > 0.98


def test_dust_is_not_a_part_of_the_digit() -> None:
    picture = seven()
    draw = ImageDraw.Draw(picture)
    for place in ((3, 3), (190, 290), (10, 280)):
        draw.point(place, fill=0)
        draw.ellipse((*place, place[0] + 4, place[1] + 4), fill=0)
    assert likeness(framed(ink_of(picture)), PLAIN) > 0.99


def test_a_pen_of_one_pixel_is_full_ink_at_its_darkest() -> None:
    image = framed(ink_of(seven(width=1)))
    assert image.max() == 255
    assert likeness(image, PLAIN) > 0.6


def test_a_larger_or_smaller_image_is_filled_by_the_digit() -> None:
    image = framed(ink_of(seven()), frame_for(8, 8))
    assert image.shape == (8, 8)
    assert image.any(axis=1).all()
    assert frame_for(28, 28) == MNIST


def blank(path: Path) -> None:
    Image.new("L", SIZE, 255).save(path)


def grain(path: Path) -> None:
    noise = np.random.default_rng(0).normal(200, 4, SIZE[::-1]).astype(np.uint8)
    Image.fromarray(noise).save(path, format="JPEG")


def nothing_on_nothing(path: Path) -> None:
    Image.new("RGBA", SIZE, (0, 0, 0, 0)).save(path)


def cut_off(path: Path) -> None:
    seven().save(path)
    path.write_bytes(path.read_bytes()[:200])


def text(path: Path) -> None:
    path.write_text("7")


def folder(path: Path) -> None:
    path.mkdir()


def missing(path: Path) -> None:
    pass


def bomb(path: Path) -> None:
    Image.new("1", (20_000, 10_000)).save(path)


@pytest.mark.parametrize(
    ("made", "sentence"),
    [
        (blank, "shows no digit: something must differ from the background by 20 of 255 levels"),
        (grain, "shows no digit"),
        (nothing_on_nothing, "shows no digit"),
        (cut_off, "damaged or incomplete"),
        (text, "must be a picture that Pillow can read"),
        (folder, "Is a directory"),
        (missing, "no such file"),
        (bomb, "must have at most 89,478,485 pixels"),
    ],
)
def test_what_is_no_picture_of_a_digit_is_said_with_its_file(
    made: Callable[[Path], None], sentence: str, tmp_path: Path
) -> None:
    path = tmp_path / "seven.png"
    made(path)
    with pytest.raises(PictureError, match=sentence) as raised:
        read_digit(path)
    assert str(raised.value).startswith(f"{path}: ")


@pytest.mark.parametrize("size", [(1, 1), (2, 1), (1, 40), (3, 3), (4000, 2)])
def test_a_picture_of_hardly_any_pixels_is_answered_or_refused(size: tuple[int, int]) -> None:
    for level in (0, 255):
        picture = Image.new("L", size, 255)
        picture.putpixel((0, 0), level)
        try:
            assert framed(ink_of(picture)).shape == (28, 28)
        except PictureError as error:
            assert "shows no digit" in str(error)


def test_printed_digits_of_a_font_fill_the_frame() -> None:
    font = ImageFont.load_default(size=120)
    for digit in range(10):
        picture = Image.new("L", SIZE, 255)
        ImageDraw.Draw(picture).text((60, 70), str(digit), font=font, fill=20)
        image = framed(ink_of(picture))
        assert image.any(axis=1).sum() == 20, digit


def test_every_class_of_the_small_digits_survives_a_detour_over_a_large_picture(digits: Any) -> None:
    held: LabelledImages = digits.validation
    for label in range(10):
        image = held.images[np.flatnonzero(held.labels == label)[0]]
        large = Image.fromarray(255 - image).resize((160, 160), Image.Resampling.BICUBIC)
        back = framed(ink_of(large), frame_for(8, 8))
        assert likeness(back, image) > 0.7, label
