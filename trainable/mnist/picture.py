"""Reads a picture of a digit from any image file, and gives it the form of MNIST's digits.

MNIST's web page describes that form: NIST's bilevel digits "were size normalized to fit in a 20x20 pixel box
while preserving their aspect ratio", the grey levels come from the anti-aliasing, and each digit was put into
28x28 pixels "by computing the center of mass of the pixels, and translating the image so as to position this
point at the center" (yann.lecun.com/exdb/mnist; Y. LeCun, L. Bottou, Y. Bengio and P. Haffner,
"Gradient-based learning applied to document recognition", Proc. IEEE 86 (1998), section III-A). A network
that was trained on such images makes many mistakes on others.
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
"""float [height, width], from 0 (background) to 1 (ink)."""

_MAX_SIDE = 1024
"""Pixels to which the longer side is reduced. More detail in a photograph is only noise."""
_MIN_CONTRAST = 20
"""Minimum difference between background and ink, of 255 levels. Paper grain and JPEG artifacts have less."""
_FAINT = 0.1
"""Ink below this share of the darkest ink counts as background, which is exactly 0 in MNIST."""
_HALF = 0.5
"""Ink above this share of the darkest ink is never treated as paper grain."""
_SPECK = 0.02
"""A separate spot with less than this share of the largest spot's area is dust."""
_TRIMMINGS = 10
"""Number of iterations of the background's fit."""
_DEPTHS = (255, 1023, 4095, 65535)
"""Highest levels of 8, 10, 12 and 16 bits. Files of cameras and scanners often declare 16 bits for fewer."""


class PictureError(ValueError):
    """The file cannot be read as a picture, or shows no digit."""


@dataclass(frozen=True)
class Frame:
    """The size and position of the digit in a network's input image."""

    height: int
    """Height of the image in pixels."""
    width: int
    """Width of the image in pixels."""
    box: int
    """Length of the digit's longer side in pixels."""
    by_mass: bool
    """Whether the digit's center of mass is put at the center of the image, or else the center of its box."""


MNIST = Frame(28, 28, 20, by_mass=True)


def frame_for(height: int, width: int) -> Frame:
    """Returns MNIST's frame for its size. In images of any other size the digit fills the image, as in UCI's
    8x8 digits."""
    if (height, width) == (MNIST.height, MNIST.width):
        return MNIST
    return Frame(height, width, min(height, width), by_mass=False)


def read_digit(path: Path, frame: Frame = MNIST, invert: bool | None = None) -> NDArray[np.uint8]:
    """Returns the digit in an image file of any format, size and mode that Pillow reads.

    invert: True if the digit is dark on a light background; None to detect it from the border, which is
    assumed to be background. Ignored if the ink has one color and the background is transparent.

    The picture is rotated as its EXIF orientation says. If it has several frames, the first one is used. It
    should show nothing but one digit. Returns uint8 [height, width] of the frame, from 0 (background) to 255
    (ink). Raises PictureError.
    """
    try:
        return framed(ink_of(_open(path), invert), frame)
    except PictureError as error:
        raise PictureError(f"{path}: {error}") from error


def _open(path: Path) -> Image.Image:
    """Returns the picture, rotated upright. Raises PictureError without the file's name."""
    try:
        with warnings.catch_warnings():
            # Pillow warns of pictures that may fill the memory, and refuses them at twice that size only.
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            # The pixels are usable even if the metadata is broken.
            warnings.filterwarnings("ignore", category=UserWarning)
            with Image.open(path) as file:
                file.load()
                return ImageOps.exif_transpose(file)
    except FileNotFoundError as error:
        raise PictureError("no such file") from error
    except (Image.DecompressionBombWarning, Image.DecompressionBombError) as error:
        limit = Image.MAX_IMAGE_PIXELS
        raise PictureError(
            f"a picture must have at most {limit:,} pixels, but has more; reduce its size"
        ) from error
    except UnidentifiedImageError as error:
        raise PictureError(
            "must be a picture that Pillow can read (PNG, JPEG, TIFF, WebP, …), but is not"
        ) from error
    except OSError as error:
        reason = error.strerror or f"it is damaged or incomplete ({error})"
        raise PictureError(f"cannot be read: {reason}") from error
    except Exception as error:  # decoders may raise anything for a damaged file
        raise PictureError(f"cannot be read: {type(error).__name__}: {error}") from error


def ink_of(picture: Image.Image, invert: bool | None = None) -> Ink:
    """Returns the amount of ink at each pixel, scaled so that the darkest is 1.

    invert: as for `read_digit`. Raises PictureError if nothing stands out from the background.
    """
    levels, opacity = _levels(picture)
    lighter = levels - _background(levels)
    if invert is None or opacity:
        invert = _height(-lighter) > _height(lighter)
    ink = -lighter if invert else lighter
    top = _height(ink)
    if top < _MIN_CONTRAST:
        polarity = "dark on light" if invert else "light on dark"
        raise PictureError(
            f"shows no digit: something must differ from the background by {_MIN_CONTRAST} of 255 levels, "
            f"but "
            f"the largest difference is {max(top, 0):.0f} ({polarity})"
        )
    # The noise of the background as a standard deviation, from its median, since ink may touch the border.
    grain = 1.4826 * float(np.median(np.abs(_border(lighter))))
    shares = np.clip(ink / top, 0, 1).astype(np.float32)
    shares[shares < min(max(_FAINT, 4 * grain / top), _HALF)] = 0
    return _without_specks(shares)


def _levels(picture: Image.Image) -> tuple[NDArray[np.float32], bool]:
    """Returns the picture as levels from 0 to 255, float [height, width], with sides of at most _MAX_SIDE,
    and whether the levels are of opacity instead of brightness."""
    if picture.mode.startswith(("I", "F")):
        values = np.asarray(picture, dtype=np.float32)
        return _reduce_levels(_to_8_bits(values)), False
    if picture.has_transparency_data:
        return _from_rgba(np.asarray(_reduce(picture.convert("RGBA")), dtype=np.float32))
    colors = np.asarray(_reduce(picture.convert("RGB")), dtype=np.float32)
    return _grey(colors), False


def _to_8_bits(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scales integer levels of more than 8 bits, or float levels, to 0..255."""
    values = np.nan_to_num(values, nan=0.0, posinf=0.0, neginf=0.0)
    low, high = float(values.min()), float(values.max())
    if low < 0 or high > _DEPTHS[-1]:
        return (values - low) * np.float32(255 / max(high - low, 1e-30))
    if high <= 1:
        return values * np.float32(255)
    return values * np.float32(255 / next(depth for depth in _DEPTHS if high <= depth))


def _from_rgba(pixels: NDArray[np.float32]) -> tuple[NDArray[np.float32], bool]:
    """Returns the levels of RGBA pixels, float [height, width, 4], and whether they are of opacity.

    If the opaque pixels have one color, the ink is the opacity: on any fixed background, ink of the same
    color would be lost. If they have several colors, the picture is put on a background of its paper's color.
    """
    alpha = pixels[..., 3]
    grey = _grey(pixels[..., :3])
    opaque = grey[alpha > 127]
    paper = np.float32(np.median(opaque)) if opaque.size else np.float32(0)
    if opaque.size == 0 or _height(np.abs(opaque - paper)) < _MIN_CONTRAST:
        return alpha, True
    share = alpha / 255
    return (grey * share + paper * (1 - share)).astype(np.float32), False


def _grey(colors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the luminance (ITU-R 601) of RGB pixels, float [height, width, 3]. Returns a single channel
    instead if its contrast is twice as high: red ink on green paper can have the same luminance."""
    luminance = (colors @ np.array([0.299, 0.587, 0.114], dtype=np.float32)).astype(np.float32)
    channels = [luminance, *np.moveaxis(colors, -1, 0)]
    contrasts = [float(np.ptp(channel)) for channel in channels]
    best = int(np.argmax(contrasts))
    return channels[best] if contrasts[best] > 2 * contrasts[0] else luminance


def _reduce(picture: Image.Image) -> Image.Image:
    longest = max(picture.size)
    if longest <= _MAX_SIDE:
        return picture
    size = [max(1, round(side * _MAX_SIDE / longest)) for side in picture.size]
    return picture.resize((size[0], size[1]), Image.Resampling.BOX)


def _reduce_levels(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(_reduce(Image.fromarray(levels)), dtype=np.float32)


def _border(values: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the values along the four sides, to the depth of a fiftieth of the shorter side: float [N]."""
    border: NDArray[np.float32] = values[_is_border(values.shape)]
    return border


def _is_border(shape: tuple[int, ...]) -> NDArray[np.bool_]:
    depth = max(1, min(shape) // 50)
    border = np.ones(shape, dtype=np.bool_)
    border[depth:-depth, depth:-depth] = False
    return border


def _background(levels: NDArray[np.float32]) -> NDArray[np.float32]:
    """Returns the background's levels, float [height, width]: a plane that is fitted to the border, since
    paper is often lit from one side. Up to two fifths of the border may be ink, or a finger."""
    height, width = levels.shape
    y, x = np.mgrid[-1 : 1 : height * 1j, -1 : 1 : width * 1j]
    chosen = _is_border(levels.shape)
    terms, border = np.stack([np.ones(chosen.sum()), y[chosen], x[chosen]], axis=1), levels[chosen]
    # Least trimmed squares: starting from the median, fits the nearest three fifths again and again.
    plane = np.array([np.median(border), 0.0, 0.0])
    for _ in range(_TRIMMINGS):
        distance = np.abs(border - terms @ plane)
        near = distance <= np.quantile(distance, 0.6)
        plane = np.linalg.lstsq(terms[near], border[near], rcond=None)[0]
    fitted: NDArray[np.float32] = (plane[0] + plane[1] * y + plane[2] * x).astype(np.float32)
    return fitted


def _height(values: NDArray[np.float32]) -> float:
    """Returns the mean of the highest values, of enough of them not to depend on a single spot."""
    count = min(values.size, max(8, values.size // 1000))
    return float(np.partition(values, -count, axis=None)[-count:].mean())


def _without_specks(ink: Ink) -> Ink:
    """Removes spots that are small compared with the largest one. Changes `ink`."""
    labels, count = ndimage.label(ink > 0, structure=np.ones((3, 3)))
    if count <= 1:
        return ink
    areas = np.bincount(labels.ravel())
    areas[0] = 0
    ink[(areas < _SPECK * areas.max())[labels]] = 0
    return ink


def framed(ink: Ink, frame: Frame = MNIST) -> NDArray[np.uint8]:
    """Crops an image to its ink, scales it to the frame's box and puts it at the center of the frame.

    ink: must not be 0 everywhere. Returns uint8 [height, width].
    """
    rows, columns = np.flatnonzero(ink.any(axis=1)), np.flatnonzero(ink.any(axis=0))
    cropped = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    longest = max(cropped.shape)
    height, width = (max(1, round(side * frame.box / longest)) for side in cropped.shape)
    scaled = Image.fromarray(cropped).resize((width, height), Image.Resampling.BILINEAR)
    digit = np.clip(np.asarray(scaled, dtype=np.float32), 0, 1)
    # The lines of a thin pen fade when the image is reduced, but MNIST's darkest pixels are full ink.
    digit = digit / digit.max()
    image = np.zeros((frame.height, frame.width), dtype=np.uint8)
    top = _start(digit.sum(axis=1), frame.height, frame.by_mass)
    left = _start(digit.sum(axis=0), frame.width, frame.by_mass)
    image[top : top + height, left : left + width] = np.rint(255 * digit)
    return image


def _start(ink: NDArray[np.float32], size: int, by_mass: bool) -> int:
    """Returns the first pixel of a digit along a side of `size` pixels, such that its center is in the
    middle.

    ink: sums along that side. In MNIST all 60,000 centers of mass are within half a pixel of position 14.
    """
    center = float(ink @ np.arange(len(ink)) / ink.sum()) if by_mass else (len(ink) - 1) / 2
    middle = size / 2 if by_mass else (size - 1) / 2
    return min(max(0, round(middle - center)), size - len(ink))
