"""A picture of a digit, from any file, brought into the form that MNIST's digits have.

MNIST's pages say how they were made: NIST's bilevel digits "were size normalized to fit in a 20x20
pixel box while preserving their aspect ratio", grey levels come from the anti-aliasing, and each
was put into 28x28 "by computing the center of mass of the pixels, and translating the image so as to
position this point at the center" (yann.lecun.com/exdb/mnist; Y. LeCun, L. Bottou, Y. Bengio and
P. Haffner, "Gradient-based learning applied to document recognition", Proc. IEEE 86 (1998), section
III-A). A network that was trained on these sees others as badly as it sees a digit in a corner.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps, UnidentifiedImageError
from scipy import ndimage

Ink = NDArray[np.float32]
"""Float [height, width], 0 background to 1 ink."""

_LARGEST = 1024
"""Pixels of the longer side that are looked at: of a photograph, more would only be grain."""
_LEAST_CONTRAST = 20
"""Of 255 levels between background and ink; less is paper's grain or what JPEG makes of nothing."""
_FAINT = 0.1
"""Ink below this share of the darkest is background: MNIST's is 0 throughout."""
_HALF = 0.5
"""What has this share of the darkest ink is ink, however grainy the paper."""
_SPECK = 0.02
"""A separate spot with less than this share of the largest one's area is dust."""
_TRIMMINGS = 10
"""Rounds in which the background's plane leaves behind what is no background."""
_DEPTHS = (255, 1023, 4095, 65535)
"""Highest level of the depths in which cameras and scanners count; files often say 16 bits for fewer."""


class PictureError(ValueError):
    """The file cannot be read as a picture, or shows no ink; says which and why."""


@dataclass(frozen=True)
class Frame:
    """Where the digit goes in the image that a network sees.

    height, width: of the image. box: side of the square that the digit fills with its longer side;
    all in pixels. by_mass: whether its centre of mass comes to the image's centre, or its box's.
    """

    height: int
    width: int
    box: int
    by_mass: bool


MNIST = Frame(28, 28, 20, by_mass=True)


def frame_for(height: int, width: int) -> Frame:
    """MNIST's frame for its size; for any other the digit fills the image, as UCI's 8x8 ones do."""
    if (height, width) == (MNIST.height, MNIST.width):
        return MNIST
    return Frame(height, width, min(height, width), by_mass=False)


def read_digit(path: Path, frame: Frame = MNIST, invert: bool | None = None) -> NDArray[np.uint8]:
    """The digit in an image file of any format, size and mode that Pillow reads: uint8 [height,
    width] of the frame, 0 background to 255 ink.

    invert: whether it is dark on light; None to tell by the border, which is background. Not asked
        where all ink has one colour and lies on nothing.
    The picture is turned as its EXIF orientation says; of several frames the first is taken. It should
    show one digit: what else there is, is taken for a part of it.

    Raises PictureError.
    """
    try:
        return framed(ink_of(_opened(path), invert), frame)
    except PictureError as error:
        raise PictureError(f"{path}: {error}") from error


def _opened(path: Path) -> Image.Image:
    """The picture, upright. Raises PictureError without the file's name."""
    try:
        with warnings.catch_warnings():
            # Pillow warns of what it will refuse at twice the size: a picture made to fill memory.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # Broken metadata is no reason to refuse the pixels.
            warnings.filterwarnings("ignore", category=UserWarning)
            with Image.open(path) as file:
                file.load()
                return ImageOps.exif_transpose(file)
    except FileNotFoundError as error:
        raise PictureError("no such file") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        limit = Image.MAX_IMAGE_PIXELS
        raise PictureError(
            f"a picture must have at most {limit:,} pixels, but has more; shrink it"
        ) from error
    except UnidentifiedImageError as error:
        raise PictureError(
            "must be a picture that Pillow reads (PNG, JPEG, TIFF, WebP, …), but is not"
        ) from error
    except OSError as error:
        reason = error.strerror or f"it is damaged or cut off ({error})"
        raise PictureError(f"cannot be read: {reason}") from error
    except Exception as error:  # decoders raise whatever a damaged file makes them stumble over
        raise PictureError(f"cannot be read: {type(error).__name__}: {error}") from error


def ink_of(picture: Image.Image, invert: bool | None = None) -> Ink:
    """How much ink there is at each place, whatever the picture's mode: 0 to 1, its darkest being 1.

    invert: as for `read_digit`. Raises PictureError when nothing stands out from the background.
    """
    levels, opacity = _levels(picture)
    lighter = levels - _background(levels)
    if invert is None or opacity:
        invert = _height(-lighter) > _height(lighter)
    ink = -lighter if invert else lighter
    top = _height(ink)
    if top < _LEAST_CONTRAST:
        told = "dark on light" if invert else "light on dark"
        raise PictureError(
            f"shows no digit: nothing stands out from its background by {_LEAST_CONTRAST} of 255 levels"
            f" ({told}, at most {max(top, 0):.0f})"
        )
    # The background's own unrest, as a standard deviation, from its median: ink may touch the border.
    grain = 1.4826 * float(np.median(np.abs(_border(lighter))))
    shares = np.clip(ink / top, 0, 1).astype(np.float32)
    shares[shares < min(max(_FAINT, 4 * grain / top), _HALF)] = 0
    return _without_specks(shares)


def _levels(picture: Image.Image) -> tuple[NDArray[np.float32], bool]:
    """The picture as levels of 0 to 255, float [height, width], at most _LARGEST a side, and whether
    they are of opacity rather than of light."""
    if picture.mode.startswith(("I", "F")):
        values = np.asarray(picture, dtype=np.float32)
        return _shrunk(_of_depth(values)), False
    if picture.has_transparency_data:
        return _of_transparent(np.asarray(_small(picture.convert("RGBA")), dtype=np.float32))
    colours = np.asarray(_small(picture.convert("RGB")), dtype=np.float32)
    return _grey(colours), False


def _of_depth(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Levels of more than 8 bits, or in floats, as levels of 0 to 255."""
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > _DEPTHS[-1]:
        return (values - low) * np.float32(255 / max(high - low, 1e-30))
    if high <= 1:
        return values * np.float32(255)
    return values * np.float32(255 / next(depth for depth in _DEPTHS if high <= depth))


def _of_transparent(pixels: NDArray[np.float32]) -> tuple[NDArray[np.float32], bool]:
    """Levels of RGBA pixels, float [height, width, 4].

    Ink of one colour on nothing is its opacity, whatever the colour: on white paper white ink would
    be lost, and black ink on black. A picture that has ink and paper is laid on more of its paper.
    """
    alpha = pixels[..., 3]
    grey = _grey(pixels[..., :3])
    opaque = grey[alpha > 127]
    paper = np.float32(np.median(opaque)) if opaque.size else np.float32(0)
    if opaque.size == 0 or _height(np.abs(opaque - paper)) < _LEAST_CONTRAST:
        return alpha, True
    share = alpha / 255
    return (grey * share + paper * (1 - share)).astype(np.float32), False


def _grey(colours: NDArray[np.float32]) -> NDArray[np.float32]:
    """Luminance (ITU-R 601) of RGB, float [height, width, 3]; a channel of its own where that shows
    twice as much: red ink on green paper can be equally light."""
    luminance = (colours @ np.array([0.299, 0.587, 0.114], dtype=np.float32)).astype(np.float32)
    channels = [luminance, *np.moveaxis(colours, -1, 0)]
    contrasts = [float(np.ptp(channel)) for channel in channels]
    clearest = int(np.argmax(contrasts))
    return channels[clearest] if contrasts[clearest] > 2 * contrasts[0] else luminance


def _small(picture: Image.Image) -> Image.Image:
    longest = max(picture.size)
    if longest <= _LARGEST:
        return picture
    size = [max(1, round(side * _LARGEST / longest)) for side in picture.size]
    return picture.resize((size[0], size[1]), Image.Resampling.BOX)


def _shrunk(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(_small(Image.fromarray(levels)), dtype=np.float32)


def _border(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """What lies along the four sides, a fiftieth of the shorter one deep: [N]."""
    border: NDArray[np.float32] = values[_is_border(values.shape)]
    return border


def _is_border(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    deep = max(1, min(shape) // 50)
    border = np.ones(shape, dtype=np.bool_)
    border[deep:-deep, deep:-deep] = False
    return border


def _background(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """The background's levels, [height, width], as the border tells them: a plane, for light falls
    onto paper from one side. Two fifths of the border may be ink, or a finger."""
    height, width = levels.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    chosen = _is_border(levels.shape)
    terms, border = np.stack([np.ones(chosen.sum()), y[chosen], x[chosen]], axis=1), levels[chosen]
    # Least trimmed squares: from the median on, the nearer three fifths decide what is near.
    plane = np.array([np.median(border), 0.0, 0.0])
    for _ in range(_TRIMMINGS):
        off = np.abs(border - terms @ plane)
        near = off <= np.quantile(off, 0.6)
        plane = np.linalg.lstsq(terms[near], border[near], rcond=None)[0]
    fitted: NDArray[np.float32] = (plane[0] + plane[1] * y + plane[2] * x).astype(np.float32)
    return fitted


def _height(values: NDArray[np.float32]) -> float:
    """How high it rises: the mean of its highest values, enough of them to be no chance spot."""
    count = min(values.size, max(8, values.size // 1000))
    return float(np.partition(values, -count, axis=None)[-count:].mean())


def _without_specks(ink: Ink) -> Ink:
    """The ink without the spots that are small beside the largest; changed in place."""
    labels, count = ndimage.label(ink > 0, structure=np.ones((3, 3)))
    if count <= 1:
        return ink
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    ink[(areas < _SPECK * areas.max())[labels]] = 0
    return ink


def framed(ink: Ink, frame: Frame = MNIST) -> NDArray[np.uint8]:
    """Cropped to the ink, scaled to the frame's box, and put at its centre: uint8 [height, width].

    ink: with some above 0.
    """
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    cropped = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    longest = max(cropped.shape)
    height, width = (max(1, round(side * frame.box / longest)) for side in cropped.shape)
    scaled = Image.fromarray(cropped).resize((width, height), Image.Resampling.BILINEAR)
    digit = np.clip(np.asarray(scaled, dtype=np.float32), 0, 1)
    # A thin pen fades as it is shrunk; MNIST's darkest pixels are full ink.
    digit = digit / digit.max()
    image = np.zeros((frame.height, frame.width), dtype=np.uint8)
    top = _start(digit.sum(axis=1), frame.height, frame.by_mass)
    left = _start(digit.sum(axis=0), frame.width, frame.by_mass)
    image[top : top + height, left : left + width] = np.rint(255 * digit)
    return image


def _start(ink: NDArray[np.float32], room: int, by_mass: bool) -> int:
    """Where a digit begins along one side of `room` pixels, so that its centre comes to the middle.

    ink: along that side. In MNIST all 60,000 centres of mass lie within half a pixel of place 14.
    """
    centre = float(ink @ np.arange(len(ink)) / ink.sum()) if by_mass else (len(ink) - 1) / 2
    middle = room / 2 if by_mass else (room - 1) / 2
    return min(max(0, round(middle - centre)), room - len(ink))
