"""Image files <-> frames [H W 3]: stills, folders in natural order, numbered patterns."""

import re
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from vacestream.errors import InputError, OutputError

IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".tif", ".tiff")
NUMBER = re.compile(r"%(?:0(\d+))?d")
"""The place of the frame number in a pattern such as `shot.%04d.png`."""


def natural_key(path: Path) -> list[tuple[int, int, str]]:
    """Sort key that puts 2.png before 10.png."""
    parts = re.findall(r"\d+|\D+", path.name)
    return [(0, int(part), "") if part.isdecimal() else (1, 0, part.lower()) for part in parts]


def in_folder(folder: Path) -> list[Path]:
    """The images of a folder in natural order, hidden files left out."""
    found = [p for p in folder.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES and not p.name.startswith(".")]
    if not found:
        raise InputError(f"{folder}: holds no images; {', '.join(IMAGE_SUFFIXES)} are read")
    return sorted(found, key=natural_key)


def numbered(pattern: str) -> list[Path]:
    """The files of a numbered pattern, which must follow one another without a gap."""
    folder, name = Path(pattern).parent, Path(pattern).name
    place = NUMBER.search(name)
    if place is None or not folder.is_dir():
        raise InputError(f"{pattern}: no such folder, or the frame number is not in the file name")
    digits = rf"\d{{{place[1]},}}" if place[1] else r"\d+"
    shape = re.compile(re.escape(name[: place.start()]) + f"({digits})" + re.escape(name[place.end() :]))
    found = {int(match[1]): p for p in folder.iterdir() if (match := shape.fullmatch(p.name))}
    if not found:
        raise InputError(f"{pattern}: no file of this pattern is there")
    for number in range(min(found), max(found)):
        if number not in found:
            raise InputError(
                f"{pattern}: number {number} is missing; name the folder to take the files as they are"
            )
    return [found[number] for number in sorted(found)]


def image_size(path: Path) -> tuple[int, int]:
    """(height, width) as displayed, from the header alone."""
    with _open(path) as image:
        turned = image.getexif().get(0x0112, 1) >= 5  # EXIF orientation: a quarter turn
        return (image.width, image.height) if turned else (image.height, image.width)


def read_image(path: Path) -> np.ndarray:
    """An image file as [H W 3] uint8, upright, what is transparent in white."""
    with _open(path) as image:
        if getattr(image, "is_animated", False):
            raise InputError(
                f"{path}: is animated; `ffmpeg -i {path.name} {path.stem}.mp4` makes a video of it"
            )
        try:
            return _rgb(ImageOps.exif_transpose(image))
        except (OSError, SyntaxError) as e:
            raise InputError(f"{path}: cut off or damaged ({e})") from e


def write_image(path: Path, frame: np.ndarray) -> None:
    """[H W 3] uint8 -> an image file that appears when it is complete."""
    part = path.with_name(f"{path.stem}.part{path.suffix}")
    try:
        Image.fromarray(frame).save(part, quality=95, compress_level=1)
        part.replace(path)
    except OSError as e:
        raise OutputError(f"{path}: cannot be written ({e.strerror or e})") from e


def _open(path: Path) -> Image.Image:
    try:
        return Image.open(path)
    except UnidentifiedImageError as e:
        raise InputError(f"{path}: is not an image") from e
    except OSError as e:
        raise InputError(f"{path}: cannot be read ({e.strerror or e})") from e


def _rgb(image: Image.Image) -> np.ndarray:
    if image.mode.startswith("I"):  # 16 bits a sample
        grey = (np.asarray(image).astype(np.uint32) // 257).clip(0, 255).astype(np.uint8)
        return np.repeat(grey[..., None], 3, axis=-1)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    return np.array(image.convert("RGB"))


def as_jpeg(frame: np.ndarray) -> bytes:
    """A frame [H W 3] as a JPEG file."""
    data = BytesIO()
    Image.fromarray(frame).save(data, "JPEG", quality=85)
    return data.getvalue()
