"""What in a photo stands in the way of a measure, told from pixels and landmarks.

Every check gives a *notice*: a code (its sentences are in knowledge/wording.json, with what to do next), how
bad it is, and which needs of the attributes it takes away. Thresholds come from ``benchmarks/advice.py``,
which degrades good photos and counts; each is relative to the face or the scene, never to how light the skin
is. Glasses, a covered forehead and make-up already worn are hints, which the person may overrule.
"""

from __future__ import annotations

import dataclasses
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from recommend.colour import linear_to_lab, luminance, srgb8_to_linear
from recommend.knowledge.model import Need
from recommend.reading.gates import CLOSED_EYES, OPEN_MOUTH, PITCH_LIMIT, YAW_LIMIT
from recommend.reading.geometry import Points, distance, frame_of, measure
from recommend.reading.patches import (
    LEFT_EYE,
    RIGHT_EYE,
    FacePixels,
    brow_strip,
    cheeks,
    chin_patch,
    circle,
)
from recommend.reading.pose import Pose
from recommend.reading.skin import eye_white

Code = Literal[
    "others_left_out", "small_face", "cut_off", "unsteady", "blurred", "dark", "overexposed",
    "uneven_light", "colourless", "turned", "tilted", "eyes_closed", "eyes_unseen", "mouth_open", "fringe",
    "glasses", "makeup_worn",
]  # fmt: skip

OF_POSE: frozenset[Code] = frozenset({"turned", "tilted", "eyes_closed", "mouth_open"})

SMALL_FACE = 18.0  # pixels between the eyes
UNSTEADY = 0.06  # eye distances
BLUR = -3.25
CLIPPED = 250  # of 255
LEAST_UNCLIPPED = 0.2  # share of the face; below it the whole face counts
DARKEST = 0.02  # luminance below which noise would pass for detail
DARK_SCENE, DARK_EYE_WHITE = 0.16, 0.035  # luminance, 0..1
BLOWN_SHARE = 0.12
UNEVEN = 1.0  # stops
GREY = 2.5  # CIELAB chroma
# Range of log luminance from iris to white. Below it are 2 of 135 photos, none of 25 synthetic people with open
# eyes, and 20 of them with closed ones, whose eyes the landmarks see open (.29 at the median).
EYE_CONTRAST = 1.0
FEWEST_PIXELS = 8
FRINGE = 42.0
GLASSES = 0.55
MAKEUP = 33.0
MEAN_PITCH = -3.0  # what the mean head makes of an upright face


@dataclasses.dataclass(frozen=True)
class Notice:
    """Something about the photo that the person should know.

    ``blocks`` are the needs that are not met because of it: attributes with such a need stay undecided.
    ``value`` is the figure that was compared, for the JSON.
    """

    code: Code
    value: float
    blocks: tuple[Need, ...] = ()


def check(
    image: NDArray[np.uint8], points: Points, spread: float, pose: Pose, pixels: FacePixels
) -> list[Notice]:
    """Return the notices of one face in one photo (uint8 RGB [H, W, 3], landmarks [68, 2])."""
    found = [
        *_framing(image, points, spread),
        *of_pose(points, pose),
        _eyes(pixels),
        *_light(image, pixels),
        *_worn(pixels),
    ]
    return [notice for notice in found if notice is not None]


def _framing(image: NDArray[np.uint8], points: Points, spread: float) -> list[Notice | None]:
    height, width = image.shape[:2]
    outside = float(np.mean((points < 0).any(axis=1) | (points > [width - 1, height - 1]).any(axis=1)))
    unit = frame_of(points).unit
    sharpness = detail(image, points)
    return [
        Notice("small_face", unit, ("sharp",)) if unit < SMALL_FACE else None,
        Notice("cut_off", outside, ("facing",)) if outside > 0.03 else None,
        Notice("unsteady", spread, ("sharp", "facing")) if spread > UNSTEADY else None,
        Notice("blurred", sharpness, ("sharp",)) if sharpness < BLUR else None,
    ]


def of_pose(points: Points, pose: Pose) -> list[Notice | None]:
    """Return the notices that the landmarks alone give: how the head is held, the eyes, the mouth."""
    opening = measure(points)["eye_opening"]
    gap = distance(points, 62, 66) / distance(points, 48, 54)
    pitch = pose.pitch - MEAN_PITCH
    return [
        Notice("turned", pose.yaw, ("facing",)) if abs(pose.yaw) > YAW_LIMIT else None,
        Notice("tilted", pitch, ("facing",)) if abs(pitch) > PITCH_LIMIT else None,
        Notice("eyes_closed", opening, ("eyes_open",)) if opening < CLOSED_EYES else None,
        Notice("mouth_open", gap, ("mouth_closed",)) if gap > OPEN_MOUTH else None,
    ]


def _eyes(pixels: FacePixels) -> Notice | None:
    """Notice eyes without iris and white: landmarks alone see closed lids as open eyes, where lids are expected."""
    if measure(pixels.points)["eye_opening"] < CLOSED_EYES:
        return None  # said already
    contrast = eye_contrast(pixels)
    if contrast is None or contrast >= EYE_CONTRAST:
        return None
    return Notice("eyes_unseen", contrast, ("eyes_open",))


def _light(image: NDArray[np.uint8], pixels: FacePixels) -> list[Notice | None]:
    scene, white = brightest(image), eye_white(pixels)
    dark = scene < DARK_SCENE or (white is not None and float(luminance(white)) < DARK_EYE_WHITE)
    skin = np.concatenate([pixels.take(pixels.srgb, edge) for edge in cheeks(pixels.points)])
    blown = float(np.mean(skin.max(axis=1) >= 252)) if len(skin) else 0.0
    side = unevenness(pixels)
    grey = colourfulness(pixels)
    return [
        Notice("dark", scene, ("lit",)) if dark else None,
        Notice("overexposed", blown, ("lit",)) if blown > BLOWN_SHARE else None,
        Notice("uneven_light", side, ("even_light",)) if side > UNEVEN else None,
        Notice("colourless", grey, ("lit",)) if grey < GREY else None,
    ]


def _worn(pixels: FacePixels) -> list[Notice | None]:
    covered, frames, painted = forehead_cover(pixels), glasses_edges(pixels), makeup_contrast(pixels)
    return [
        Notice("fringe", covered, ("forehead_seen",)) if covered > FRINGE else None,
        Notice("glasses", frames) if frames > GLASSES else None,
        Notice("makeup_worn", painted) if painted > MAKEUP else None,
    ]


def detail(image: NDArray[np.uint8], points: Points) -> float:
    """Return how much fine detail the face has: the log of its Laplacian's variance over its contrast.

    Taken on the logarithm of luminance, where a skin's depth is a mere offset: the same photo with lighter or
    deeper skin has the same detail. The face is first brought to 128 pixels across, so that a large blurred
    face does not pass for sharp.
    """
    left, top = np.maximum(np.floor(points.min(axis=0)).astype(int), 0)
    right, bottom = np.ceil(points.max(axis=0)).astype(int)
    face = Image.fromarray(image[top : max(bottom, top + 2), left : max(right, left + 2)])
    width = max(8, min(128, face.width))
    height = max(8, round(width * face.height / face.width))
    small = np.asarray(face.resize((width, height), Image.Resampling.BOX))
    tone = np.log(luminance(srgb8_to_linear(small)) + DARKEST)
    laplacian = tone[1:-1, :-2] + tone[1:-1, 2:] + tone[:-2, 1:-1] + tone[2:, 1:-1] - 4 * tone[1:-1, 1:-1]
    # Where a channel is clipped there is no texture to see, sharp or not: such places say nothing.
    whole = small.max(axis=2) < CLIPPED
    inner = whole[1:-1, :-2] & whole[1:-1, 2:] & whole[:-2, 1:-1] & whole[2:, 1:-1] & whole[1:-1, 1:-1]
    if inner.mean() > LEAST_UNCLIPPED:
        laplacian, tone = laplacian[inner], tone[whole]
    return float(np.log(laplacian.var() + 1e-6) - np.log(tone.var() + 1e-6))


def eye_contrast(pixels: FacePixels) -> float | None:
    """Return the range of log luminance inside the eye that shows more; None where eyes are only a few pixels."""
    ranges = []
    for eye in (RIGHT_EYE, LEFT_EYE):
        edge = pixels.points[eye]
        middle = edge.mean(axis=0)
        found = pixels.inside(middle + 0.9 * (edge - middle))  # the lashes stay outside
        if len(found) < FEWEST_PIXELS:
            return None
        low, high = np.percentile(np.log(luminance(found) + 0.01), [5, 95])
        ranges.append(float(high - low))
    return max(ranges)


def brightest(image: NDArray[np.uint8]) -> float:
    """Return the luminance (0..1) that one pixel in a hundred of the whole scene exceeds."""
    step = max(1, int(np.sqrt(image.shape[0] * image.shape[1] / 40_000)))
    return float(np.percentile(luminance(srgb8_to_linear(image[::step, ::step])), 99))


def unevenness(pixels: FacePixels) -> float:
    """Return how differently the two sides are lit: the median log2 ratio over pairs of mirrored places."""
    frame = frame_of(pixels.points)
    right, left = cheeks(pixels.points)
    shift = frame.right * frame.unit
    pairs = [(right, left), (right - shift * 0.22, left + shift * 0.22)]
    for one, two in ((19, 24), (48, 54), (5, 11)):
        inward = frame.right * (0.12 if one != 19 else 0.0) * frame.unit
        lift = frame.up * (0.28 if one == 19 else 0.1 if one == 5 else 0.0) * frame.unit
        radius = 0.1 * frame.unit
        pairs.append(
            (
                circle(pixels.points[one] + inward + lift, radius),
                circle(pixels.points[two] - inward + lift, radius),
            )
        )
    ratios = []
    for one_edge, two_edge in pairs:
        first, second = pixels.inside(one_edge), pixels.inside(two_edge)
        if len(first) >= 6 and len(second) >= 6:
            ratio = (np.median(luminance(first)) + 5e-3) / (np.median(luminance(second)) + 5e-3)
            ratios.append(float(np.log2(ratio)))
    return abs(float(np.median(ratios))) if ratios else 0.0


def colourfulness(pixels: FacePixels) -> float:
    """Return the median chroma (CIELAB) of the face: near 0 in a black-and-white photo."""
    lab = linear_to_lab(pixels.linear[::3, ::3].reshape(-1, 3))
    return float(np.median(np.hypot(lab[:, 1], lab[:, 2])))


def forehead_cover(pixels: FacePixels) -> float:
    """Return how unlike the cheeks the upper forehead is (CIELAB distance plus its own spread)."""
    strip = brow_strip(pixels.points) + frame_of(pixels.points).up * pixels.unit * 0.28
    upper, cheek = pixels.inside(strip), np.concatenate([pixels.inside(e) for e in cheeks(pixels.points)])
    if len(upper) < 12 or len(cheek) < 12:
        return 0.0
    lab, reference = linear_to_lab(upper), np.median(linear_to_lab(cheek), axis=0)
    away = np.median(np.hypot(*(lab - reference)[:, 1:].T)) + abs(float(np.median(lab[:, 0]) - reference[0]))
    return float(away + lab[:, 0].std())


def glasses_edges(pixels: FacePixels) -> float:
    """Return how much stronger edges are on the bridge of the nose and under the eyes than on the cheeks."""
    grey = np.sqrt(luminance(pixels.linear))
    along = np.abs(np.gradient(grey, axis=0))
    points, frame = pixels.points, frame_of(pixels.points)
    bridge = np.vstack(
        [points[[39, 42]] + frame.up * 0.1 * frame.unit, points[[42, 39]] - frame.up * 0.12 * frame.unit]
    )
    middle = bridge.mean(axis=0)
    bridge = middle + (bridge - middle) * 0.6
    unders = [
        circle(points[[a, b]].mean(axis=0) - frame.up * 0.3 * frame.unit, 0.16 * frame.unit)
        for a, b in ((40, 41), (46, 47))
    ]
    regions = [pixels.take(along, edge) for edge in (bridge, *unders)]
    calm = [pixels.take(along, edge) for edge in (*cheeks(points), chin_patch(points))]
    if any(len(region) < 6 for region in (*regions, *calm)):
        return 0.0
    strong = [float(np.percentile(region, 90)) for region in regions]
    base = float(np.median([np.percentile(region, 90) for region in calm])) + 4e-3
    return float(np.log(max((strong[0] * 2 + strong[1] + strong[2]) / 4, 1e-6) / base))  # flat: far below


def makeup_contrast(pixels: FacePixels) -> float:
    """Return how far lips and lids are from the skin around them: a hint of make-up, on any skin."""
    points = pixels.points
    lips = np.concatenate(
        [pixels.inside(points[[*range(48, 55), 64, 63, 62, 61, 60]]), pixels.inside(points[48:60])]
    )
    lids = [pixels.inside(np.vstack([points[a:b], points[c : d][::-1] * 0.4 + points[a:b][::-1] * 0.6]))
            for a, b, c, d in ((36, 40, 18, 22), (42, 46, 22, 26))]  # fmt: skip
    skin = np.concatenate([pixels.inside(edge) for edge in cheeks(points)])
    if min(len(lips), len(skin), *(len(lid) for lid in lids)) < 6:
        return 0.0
    lip, cheek = (np.median(linear_to_lab(part), axis=0) for part in (lips, skin))
    lid = np.median(linear_to_lab(np.concatenate(lids)), axis=0)
    redder = float(np.hypot(lip[1], lip[2]) - np.hypot(cheek[1], cheek[2])) + 0.5 * float(lip[1] - cheek[1])
    return redder + 0.4 * float(cheek[0] - lid[0])
