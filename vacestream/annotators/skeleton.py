"""Joints of people -> coloured limbs, dots for the face, fingers: drawn on black as VACE does."""

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from vacestream.annotators.nets import resized, side_of

CANVAS, STEP = 1024, 64
"""Shorter side of the canvas that lines are drawn on before it is made as large as the frame."""
THICK, DOT, FACE_DOT, FINGER = 4, 4, 3, 2
"""Pixels of the canvas: half a limb's width, radius of a joint, of a face's point, a finger's width."""
DIM = 0.6
"""Of limbs; joints are in full colour."""
SURE = 0.3
"""Points less likely than this are not drawn."""

# of the 133 points: body 0 to 16, feet, face 23 to 90, left hand 91 to 111, right hand 112 to 132
FACE, HANDS = slice(23, 91), (slice(91, 112), slice(112, 133))
SHOULDERS = (5, 6)
NECK = -1
JOINTS = (0, NECK, 6, 8, 10, 5, 7, 9, 12, 14, 16, 11, 13, 15, 2, 1, 4, 3)
"""The 18 joints of OpenPose: nose, neck, right arm, left arm, right leg, left leg, eyes, ears."""
LIMBS = (
    (1, 2), (1, 5), (2, 3), (3, 4), (5, 6), (6, 7), (1, 8), (8, 9), (9, 10), (1, 11), (11, 12), (12, 13),
    (1, 0), (0, 14), (14, 16), (0, 15), (15, 17),
)  # fmt: skip
FINGERS = tuple(
    (0 if i == 0 else 4 * finger + i, 4 * finger + i + 1) for finger in range(5) for i in range(4)
)
_RAMP = (0, 85, 170, 255)


def _palette() -> list[tuple[int, int, int]]:
    """18 colours: those of OpenPose with red and blue exchanged, as VACE has them."""
    colours = []
    for i in range(18):
        arc, place = divmod(i, 3)
        rising, falling = _RAMP[place], _RAMP[3 - place]
        red, green, blue = (
            (255, rising, 0), (falling, 255, 0), (0, 255, rising), (0, falling, 255), (rising, 0, 255),
            (255, 0, falling),
        )[arc]  # fmt: skip
        colours.append((blue, green, red))
    return colours


PALETTE = _palette()


@dataclass(frozen=True)
class Person:
    """Points of one person."""

    places: np.ndarray  # [133 2], x and y in pixels of the frame
    sure: np.ndarray  # [133]


def draw(people: Sequence[Person], size: tuple[int, int], *, face: bool, hands: bool) -> np.ndarray:
    """[H W 3]."""
    canvas = np.zeros((*side_of(size, CANVAS, STEP), 3), np.uint8)
    scale = np.array([canvas.shape[1] / size[1], canvas.shape[0] / size[0]])
    bodies = [_body(person, scale) for person in people]
    for limb, colour in zip(LIMBS, PALETTE, strict=False):
        for places, seen in bodies:
            if seen[list(limb)].all():
                _limb(canvas, places[list(limb)], colour)
    canvas = (canvas * DIM).astype(np.uint8)
    for joint, colour in enumerate(PALETTE):
        for places, seen in bodies:
            if seen[joint]:
                _dot(canvas, places[joint], DOT, colour)
    for person in people:
        places, seen = person.places * scale, person.sure > SURE
        for part in HANDS if hands else ():
            _hand(canvas, places[part], seen[part])
        for place in places[FACE][seen[FACE]] if face else ():
            _dot(canvas, place, FACE_DOT, (255, 255, 255))
    return resized(canvas, size)


def _body(person: Person, scale: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """[18 2] places on the canvas, [18] whether each is seen; the neck is between the shoulders."""
    ends = list(SHOULDERS)
    places = np.concatenate([person.places, person.places[ends].mean(axis=0, keepdims=True)]) * scale
    seen = np.append(person.sure > SURE, (person.sure[ends] > SURE).all())
    return places[list(JOINTS)], seen[list(JOINTS)]


def _limb(canvas: np.ndarray, ends: np.ndarray, colour: tuple[int, int, int]) -> None:
    (x, y), (across, down) = ends.mean(axis=0), ends[0] - ends[1]
    axes = int(np.hypot(across, down) / 2), THICK
    angle = int(np.degrees(np.arctan2(down, across)))
    outline = cv2.ellipse2Poly((int(x), int(y)), axes, angle, 0, 360, 1)
    cv2.fillConvexPoly(canvas, outline, colour)


def _hand(canvas: np.ndarray, places: np.ndarray, seen: np.ndarray) -> None:
    for i, (a, b) in enumerate(FINGERS):
        if seen[a] and seen[b]:
            red, green, blue = (int(255 * part) for part in colorsys.hsv_to_rgb(i / len(FINGERS), 1, 1))
            start, end = (tuple(int(side) for side in places[point]) for point in (a, b))
            cv2.line(canvas, start, end, (blue, green, red), FINGER)
    for place in places[seen]:
        _dot(canvas, place, DOT, (255, 0, 0))


def _dot(canvas: np.ndarray, place: np.ndarray, radius: int, colour: tuple[int, int, int]) -> None:
    cv2.circle(canvas, (int(place[0]), int(place[1])), radius, colour, -1)
