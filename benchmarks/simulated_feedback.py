"""Write ``faces/simulated_feedback.json``: opinions of simulated people, for runs of the model rule_prior.

    python benchmarks/simulated_feedback.py

Each of 500 people uses the adviser six times without any prior and rates six cards each time. Their tastes are
those of ``_simulated_people.py``; the people on whom results are measured are others.
"""

from __future__ import annotations

import json
from pathlib import Path

from _feedback_sessions import sessions
from _simulated_people import population

from faces.feedback import FEATURES
from recommend.knowledge.load import shipped

PEOPLE, SESSIONS, SEED = 500, 6, 2601
TARGET = Path(__file__).resolve().parent.parent / "faces" / "simulated_feedback.json"


def main() -> None:
    """Draw the people, let them use the adviser, write what they said."""
    knowledge = shipped()
    rows: dict[tuple[tuple[int, float], ...], int] = {}
    people: dict[str, list[int]] = {}
    for number, person in enumerate(population(PEOPLE, SEED, knowledge)):
        _, opinions = sessions(person, knowledge, count=SESSIONS)
        said = []
        for opinion in opinions:
            row = tuple(
                (column, round(opinion.features[name], 3))
                for column, name in enumerate(FEATURES)
                if name in opinion.features
            )
            index = rows.setdefault(row, len(rows))
            said.append(index if opinion.liked else -1 - index)
        people[f"simulated-{number:03d}"] = said
    parts = [
        '"note":"opinions of simulated people; made by benchmarks/simulated_feedback.py"',
        f'"features":{json.dumps(FEATURES, separators=(",", ":"))}',
        '"rows":[\n' + ",\n".join(json.dumps(row, separators=(",", ":")) for row in rows) + "\n]",
        '"people":{\n'
        + ",\n".join(f'"{name}":{json.dumps(said, separators=(",", ":"))}' for name, said in people.items())
        + "\n}",
    ]
    TARGET.write_text("{" + ",\n".join(parts) + "}\n", encoding="utf-8")
    print(f"{TARGET.name}: {len(people)} people, {sum(map(len, people.values()))} opinions, {len(rows)} rows")


if __name__ == "__main__":
    main()
