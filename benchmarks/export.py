"""What an export costs and what it keeps: differences from PyTorch, sizes, latencies, and int8's AUC on real
faces.

    python benchmarks/export.py [--quick] [--json FILE] [--check]

Differences are the largest of any result over random inputs; the logits are some units large. Latencies are
medians of one picture on one thread, PyTorch and onnxruntime taking turns. For int8 the network with 40
attributes is trained briefly, without privacy, on real faces (MIEN_REAL_FACES or ../shared/data, celeba-faces)
and scored on other persons by both files. Without real faces these rows are left out.
"""

from __future__ import annotations

import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from _table import Row, at_most, main
from preparation import real_faces

from configs.schema import Data
from faces.federation import prepare_table
from faces.sample import FaceTable
from faces.split import split_by_person
from models import registry
from models.export import FLOAT_TOLERANCE, example, export_onnx
from models.inference import OnnxNetwork
from models.inputs import to_inputs
from models.losses import masked_binary_cross_entropy
from models.metrics import auc
from models.network import Network

SIDES = {"face": 64, "skin": 32, "nose": 32}
IDENTITY_SIDES = {"face": 112}
NETWORKS = (
    "face_shape", "skin", "nose", "attributes", "face_cnn", "private_head", "public_head", "multi_attribute",
    "mobile_face", "lenet", "alexnet", "vgg11", "resnet18", "nose_paper",
    "hsanet_small_embedder",
)  # fmt: skip
QUICK = ("attributes", "public_head", "multi_attribute")
INT8 = ("attributes", "multi_attribute", "mobile_face", "hsanet_small_embedder")
MIB = 2**20
BATCH = 64


def milliseconds(tasks: dict[str, Callable[[], object]], rounds: int) -> dict[str, float]:
    """Return the median CPU milliseconds of each task; the tasks take turns."""
    times: dict[str, list[float]] = {name: [] for name in tasks}
    for number in range(rounds + 1):
        for name, task in tasks.items():
            start = time.thread_time()
            task()
            if number:
                times[name].append((time.thread_time() - start) * 1e3)
    return {name: statistics.median(values) for name, values in times.items()}


def difference(model: Network, network: OnnxNetwork) -> float:
    """Return the largest difference between PyTorch and the file over random inputs."""
    columns = example(network.about, 16, seed=7)
    with torch.inference_mode():
        expected = model.eval()(to_inputs(columns)).numpy()
    return float(np.abs(network.results(columns) - expected).max())


def network_rows(name: str, folder: Path, rounds: int) -> list[Row]:
    """Export one network, as float32 and where it gains something as int8, and compare."""
    model = registry.build(name, seed=1)
    sides = IDENTITY_SIDES if model.outputs == ("embedding",) else SIDES
    rows, files = [], {"float32": folder / f"{name}.onnx"}
    export_onnx(files["float32"], model, name, {}, sides)
    if name in INT8:
        files["int8"] = folder / f"{name}-int8.onnx"
        export_onnx(files["int8"], model, name, {}, sides, int8=True)
    networks = {precision: OnnxNetwork(path) for precision, path in files.items()}
    columns = example(networks["float32"].about, 1)
    inputs = to_inputs(columns)

    def by_torch() -> None:
        with torch.inference_mode():
            model.eval()(inputs)

    tasks: dict[str, Callable[[], object]] = {"torch": by_torch}
    for precision, network in networks.items():
        tasks[precision] = lambda network=network: network.results(columns)
    times = milliseconds(tasks, rounds)
    for precision, network in networks.items():
        gap, label = difference(model, network), f"{name} {precision}"
        if precision == "float32":
            rows.append(at_most(f"{label}: largest difference", gap, "", FLOAT_TOLERANCE))
        else:
            rows.append(Row(f"{label}: largest difference", gap, "", note="of results, first weights"))
        rows.append(Row(f"{label}: file", files[precision].stat().st_size / MIB, "MiB"))
        rows.append(
            Row(f"{label}: one record", times[precision], "ms", note=f"PyTorch {times['torch']:.2f} ms")
        )
    return rows


def trained(table: FaceTable, quick: bool) -> tuple[Network, FaceTable]:
    """Return the 40-attribute network after a short training, and the rows of persons it has not seen."""
    train, test = split_by_person(table, 0.2, 1)
    model = registry.build("multi_attribute", seed=1)
    labels = np.stack([table.label(name) for name in model.outputs], axis=1)
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    generator = np.random.default_rng(1)
    model.train()
    for _ in range(1 if quick else 4):
        for rows in np.array_split(generator.permutation(train), max(1, len(train) // BATCH)):
            optimizer.zero_grad()
            scores = model(to_inputs({"face": table.face[rows]}))
            masked_binary_cross_entropy(scores, torch.from_numpy(labels[rows])).mean().backward()
            optimizer.step()
    return model.eval(), table.select(test)


def int8_rows(folder: Path, quick: bool) -> list[Row]:
    """Return what int8 changes on real faces of unseen persons."""
    found = real_faces()
    if found is None:
        return []
    table = prepare_table(Data(source=f"celeba={found}"))
    if quick:
        table = table.select(np.flatnonzero(table.persons % 4 == 0))
    model, test = trained(table, quick)
    scores = []
    for int8 in (False, True):
        export_onnx(folder / "m.onnx", model, "multi_attribute", {}, SIDES, int8=int8)
        network = OnnxNetwork(folder / "m.onnx")
        parts = np.array_split(np.arange(len(test)), max(1, len(test) // 256))
        scores.append(np.concatenate([network.results({"face": test.face[rows]}) for rows in parts]))
    changes, levels = [], []
    for index, name in enumerate(model.outputs):
        pair = [auc(each[:, index], test.label(name)) for each in scores]
        if pair[0] is not None and pair[1] is not None:
            changes.append(abs(pair[1] - pair[0]))
            levels.append(pair[0])
    note = f"{len(test)} photos of {len(test.persons_present())} unseen persons, {len(changes)} attributes"
    return [
        Row("int8 on real faces: mean AUC of float32", float(np.mean(levels)), "", note=note),
        at_most("int8 on real faces: mean change of AUC", float(np.mean(changes)), "", 0.005),
        at_most("int8 on real faces: largest change of AUC", float(np.max(changes)), "", 0.005),
        Row("int8 on real faces: largest logit difference", float(np.abs(scores[1] - scores[0]).max()), ""),
        Row("int8 on real faces: mean logit difference", float(np.abs(scores[1] - scores[0]).mean()), ""),
    ]


def measure(quick: bool) -> list[Row]:
    """Return every row."""
    torch.set_num_threads(1)
    rows = []
    with tempfile.TemporaryDirectory() as folder:
        for name in QUICK if quick else NETWORKS:
            rows += network_rows(name, Path(folder), 9 if quick else 30)
        return rows + int8_rows(Path(folder), quick)


if __name__ == "__main__":
    main("Export: ONNX and int8 beside PyTorch", measure)
