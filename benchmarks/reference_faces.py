"""Measure the reference table that percentiles come from: python benchmarks/reference_faces.py FOLDER

FOLDER has CelebA's official layout (img_align_celeba/, identity_CelebA.txt). For every person the first photo
that passes the gates gives the quantiles; persons with two or more give the spread of one person's photos and
the intraclass correlation ICC(1). Only these figures of the whole group are written, to
recommend/reading/percentiles.json and the correlation part of recommend/reading/prototypes.json.
"""

from __future__ import annotations

import argparse
import datetime
import json
from collections import defaultdict
from pathlib import Path

import numpy as np

from faces.images import load_image
from faces.landmarks import fit_landmarks, search_faces
from recommend.reading.gates import CLOSED_EYES, OPEN_MOUTH, PITCH_LIMIT, YAW_LIMIT
from recommend.reading.geometry import MEASURES, distance, measure
from recommend.reading.jitter import BOXES, fit_steadily
from recommend.reading.pose import pose_of
from recommend.reading.shape import FEATURES, features

READING = Path(__file__).resolve().parent.parent / "recommend" / "reading"
LEVELS = (1, 2.5, 5, 10, 15, 20, 25, 30, 40, 50, 60, 70, 75, 80, 85, 90, 95, 97.5, 99)
NEED_CLOSED_MOUTH = {
    "chin_height", "face_thirds", "nose_length", "lip_fullness", "lip_balance", "mouth_width", "mouth_corners",
}  # fmt: skip
PHOTOS_PER_PERSON = 8


def gather(folder: Path, per_person: int) -> tuple[dict[str, dict[str, list[float]]], list[list[float]]]:
    """Return measure → person → values over photos that pass, and one feature row a person for the shapes."""
    photos: dict[str, list[str]] = defaultdict(list)
    for line in (folder / "identity_CelebA.txt").read_text().splitlines():
        name, person = line.split()
        photos[person].append(name)
    values: dict[str, dict[str, list[float]]] = {name: defaultdict(list) for name in MEASURES}
    shapes: list[list[float]] = []
    for person, names in sorted(photos.items()):
        found = 0
        for name in names:
            image = load_image(folder / "img_align_celeba" / name)
            boxes = search_faces(image, max_upsample=0)
            # A rough fit is enough to set aside heads that are turned away; the steady one costs 23 fits.
            if len(boxes) != 1 or abs(pose_of(fit_landmarks(image, boxes[0])).yaw) > 1.5 * YAW_LIMIT:
                continue
            points = fit_steadily(image, boxes[0]).points
            pose = pose_of(points)
            measures = measure(points)
            if (
                abs(pose.yaw) > YAW_LIMIT
                or abs(pose.pitch) > PITCH_LIMIT
                or measures["eye_opening"] < CLOSED_EYES
            ):
                continue
            open_mouth = distance(points, 62, 66) / distance(points, 48, 54) > OPEN_MOUTH
            if found == 0:
                shapes.append(features(points))
            found += 1
            for measure_name, value in measures.items():
                if not (open_mouth and measure_name in NEED_CLOSED_MOUTH):
                    values[measure_name][person].append(value)
            if found == per_person:
                break
    return values, shapes


def row(people: dict[str, list[float]]) -> dict[str, object]:
    """Return the quantiles, the within-person SD and the ICC(1) of one measure."""
    first = np.array([photos[0] for photos in people.values()])
    groups = [np.array(photos) for photos in people.values() if len(photos) >= 2]
    total = sum(len(group) for group in groups)
    within = sum(float(((group - group.mean()) ** 2).sum()) for group in groups) / (total - len(groups))
    grand = np.concatenate(groups).mean()
    between = sum(len(g) * float((g.mean() - grand) ** 2) for g in groups) / (len(groups) - 1)
    size = (total - sum(len(g) ** 2 for g in groups) / total) / (len(groups) - 1)
    icc = (between - within) / (between + (size - 1) * within)
    return {
        "people": len(first),
        "quantiles": [round(float(v), 4) for v in np.percentile(first, LEVELS)],
        "within_person_sd": round(within**0.5, 4),
        "icc": round(icc, 2),
    }


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--per-person", type=int, default=PHOTOS_PER_PERSON)
    options = parser.parse_args()
    values, shapes = gather(options.folder, options.per_person)
    table = {
        "set": "CelebA, persons of its test partition: public figures, mostly posing",
        "measured": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "landmarks": f"dlib 68 points, mean of {2 * len(BOXES)} fits",
        "levels": list(LEVELS),
        "measures": {name: row(people) for name, people in values.items()},
    }
    lines = [f'  "{k}": {json.dumps(v)}' for k, v in table["measures"].items()]  # type: ignore[attr-defined]
    head = json.dumps({k: v for k, v in table.items() if k != "measures"}, indent=1)[:-2]
    body = head + ',\n "measures": {\n' + ",\n".join(lines) + "\n }\n}\n"
    (READING / "percentiles.json").write_text(body, encoding="utf-8")

    path = READING / "prototypes.json"
    prototypes = json.loads(path.read_text(encoding="utf-8"))
    prototypes["correlation"] = np.corrcoef(np.array(shapes).T).round(3).tolist()
    prototypes["correlation_people"] = len(shapes)
    assert prototypes["features"] == list(FEATURES)
    text = json.dumps(prototypes, indent=1, ensure_ascii=False)
    path.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
