"""How one picture of a synthetic person is taken: expression, pose, camera, light, background, clothes.

Drawn from a seed of its own, independent of who is in the picture.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.random import Generator

Triple: TypeAlias = tuple[float, float, float]

STREAM = 0x9070
"""Keeps the random streams of photos apart from those of persons."""


def _both(**units: float) -> dict[str, float]:
    """Return the units with the same weight on both sides of the face."""
    return {name + side: weight for name, weight in units.items() for side in ("Left", "Right")}


EXPRESSIONS: dict[str, dict[str, float]] = {
    "neutral": _both(mouthSmile=0.08),
    "smile": _both(mouthSmile=0.8, cheekSquint=0.4),
    "laugh": {**_both(mouthSmile=1.0, cheekSquint=0.6, mouthUpperUp=0.35), "jawOpen": 0.22},
    "sad": {**_both(mouthFrown=0.5), "browInnerUp": 0.6},
    "surprise": {**_both(browOuterUp=0.6, eyeWide=0.5), "jawOpen": 0.35, "browInnerUp": 0.6},
    "angry": _both(browDown=0.7, mouthPress=0.5, noseSneer=0.3),
    "squint": {**_both(eyeSquint=0.6), "mouthPucker": 0.25},
}
CHANCES = (0.32, 0.27, 0.14, 0.07, 0.08, 0.06, 0.06)
"""How often each of ``EXPRESSIONS`` is drawn."""


@dataclass(frozen=True)
class Pose:
    """How the head is turned, in degrees, and where the eyes look, in radians."""

    yaw: float = 0.0
    """Positive turns the face to the right of the picture."""
    pitch: float = 0.0
    """Positive lowers the chin towards the chest."""
    roll: float = 0.0
    gaze: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Camera:
    """Where the camera stands: ``distance`` in decimetres, the rest as shares of the picture's height."""

    distance: float = 12.0
    zoom: float = 1.0
    shift: tuple[float, float] = (0.0, 0.0)


@dataclass(frozen=True)
class Light:
    """One key light, the sky and the ground, and a fill from the other side; colours are linear RGB."""

    azimuth: float = 30.0
    """Degrees from straight ahead; positive comes from the right of the picture."""
    elevation: float = 30.0
    key: Triple = (1.25, 1.25, 1.25)
    sky: Triple = (0.4, 0.4, 0.4)
    ground: Triple = (0.2, 0.2, 0.2)
    fill: float = 0.15
    softness: float = 0.9
    shadow: float = 0.6
    exposure: float = 0.95

    @property
    def direction(self) -> Triple:
        """The unit vector from the head to the key light: x right, y up, z to the viewer."""
        azimuth, elevation = np.radians([self.azimuth, self.elevation])
        return (
            float(np.sin(azimuth) * np.cos(elevation)),
            float(np.sin(elevation)),
            float(np.cos(azimuth) * np.cos(elevation)),
        )


@dataclass(frozen=True)
class Background:
    """Two colours across the picture, and some out-of-focus boxes."""

    near: Triple = (0.3, 0.3, 0.3)
    far: Triple = (0.2, 0.2, 0.2)
    angle: float = 0.0
    boxes: int = 0
    blur: float = 1.0


@dataclass(frozen=True)
class Photo:
    """Everything about one picture that is not the person. The defaults are a plain passport picture."""

    seed: int = 0
    expression: str = "neutral"
    units: tuple[tuple[str, float], ...] = ()
    """Weights of the expression units (``targets.EXPRESSION_UNITS``)."""
    pose: Pose = Pose()
    camera: Camera = Camera()
    light: Light = Light()
    background: Background = Background()
    clothes: Triple = (0.2, 0.2, 0.25)
    flush: float = 1.0
    """How much of the person's blush shows in this picture: about 1 when flushed or made up, else little."""
    noise: float = 0.008
    """Standard deviation of the sensor noise, 1 is white."""
    blur: float = 0.0
    """Standard deviation of the lens blur in thousandths of the picture's height."""


def sample_photo(seed: int) -> Photo:
    """Draw the conditions that belong to ``seed``; the same seed always gives the same ones."""
    random = np.random.default_rng([STREAM, seed])
    expression = str(random.choice(list(EXPRESSIONS), p=CHANCES))
    strength = random.uniform(0.6, 1.1)
    blink = float(max(0.0, random.normal(0, 0.10)))
    units = {name: float(weight * strength) for name, weight in EXPRESSIONS[expression].items()}
    return Photo(
        seed=seed,
        expression=expression,
        units=(*units.items(), ("eyeBlinkLeft", blink), ("eyeBlinkRight", blink)),
        pose=Pose(
            yaw=float(np.clip(random.normal(0, 8), -15, 15)),
            pitch=float(np.clip(random.normal(0, 6), -15, 15)),
            roll=float(np.clip(random.normal(0, 3), -9, 9)),
            gaze=(float(random.normal(0, 0.10)), float(random.normal(0, 0.05))),
        ),
        camera=Camera(
            distance=float(random.uniform(9, 16)),
            zoom=float(random.uniform(0.92, 1.06)),
            shift=(float(random.normal(0, 0.015)), float(random.normal(0, 0.012))),
        ),
        light=_light(random),
        background=_background(random),
        clothes=_triple(random.uniform(0.02, 0.6) * np.clip(1 + random.normal(0, 0.35, 3), 0.2, 2)),
        flush=float(random.uniform(0.85, 1.1) if random.random() < 0.55 else random.uniform(0.05, 0.4)),
        noise=float(random.uniform(0.003, 0.012)),
        blur=float(max(0.0, random.normal(0.0, 2.0))),
    )


def _light(random: Generator) -> Light:
    warmth, cold = random.normal(0, 0.08), random.normal(0, 0.07)
    key, ambient = random.uniform(0.85, 1.8), random.uniform(0.28, 0.6)
    return Light(
        azimuth=float(random.uniform(-65, 65)),
        elevation=float(random.uniform(5, 55)),
        key=_triple(key * np.array([1 + warmth, 1, 1 - warmth])),
        sky=_triple(ambient * np.array([1 - cold, 1, 1 + cold])),
        ground=_triple(ambient * random.uniform(0.3, 0.7) * np.array([1.08, 1, 0.9])),
        fill=float(random.uniform(0.03, 0.35)),
        softness=float(random.uniform(0.6, 1.2)),
        shadow=float(random.uniform(0.3, 0.85)),
        exposure=float(random.uniform(0.8, 1.08)),
    )


def _background(random: Generator) -> Background:
    near = random.uniform(0.03, 0.6) * np.clip(1 + random.normal(0, 0.12, 3), 0.5, 1.5)
    return Background(
        near=_triple(near),
        far=_triple(np.clip(near * random.uniform(0.4, 1.6), 0.01, 0.9)),
        angle=float(random.uniform(0, 2 * np.pi)),
        boxes=int(random.integers(0, 25)),
        blur=float(random.uniform(0.4, 2.5)),
    )


def _triple(values: np.ndarray[tuple[int, ...], np.dtype[np.floating]]) -> Triple:
    red, green, blue = (float(value) for value in values)
    return red, green, blue
