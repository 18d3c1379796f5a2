"""HSANet: the sizes of the paper's table, what its attention computes, and every record's own gradient."""

from __future__ import annotations

import math

import pytest
import torch
import torchvision
from torch import nn

from mien.errors import ModelError
from models import registry
from models.hsanet import HybridSelfAttention, KeyWindows, WindowAttention
from models.initialise import initialise
from models.losses import identity_cross_entropy
from models.network import Network
from models.resnet import make_norm

MIB = 2**20


def _torchsummary(model: Network, side: int = 224) -> tuple[int, float, float]:
    """Count as torchsummary 1.5.1 does (sksq96/pytorch-summary, torchsummary.py, ``summary``).

    One row per call of each module that is neither Sequential nor ModuleList nor the model: the elements of its
    ``weight`` and ``bias``, and those of its output without the batch. Returns parameters, their MiB, and the
    "forward/backward pass size": twice all outputs, at 4 bytes.
    """
    rows: list[tuple[int, int]] = []

    def count(module: nn.Module, _: object, output: torch.Tensor) -> None:
        own = [getattr(module, name, None) for name in ("weight", "bias")]
        rows.append((sum(x.numel() for x in own if isinstance(x, torch.Tensor)), output[0].numel()))

    for module in model.modules():
        if not isinstance(module, nn.Sequential | nn.ModuleList) and module is not model:
            module.register_forward_hook(count)
    model({"face": torch.zeros(2, 3, side, side, device="meta")})
    parameters, elements = (sum(column) for column in zip(*rows, strict=True))
    return parameters, parameters * 4 / MIB, elements * 2 * 4 / MIB


@pytest.mark.parametrize(
    ("name", "true_count", "counted", "parameters_mib", "passes_mib"),
    [
        ("resnet50", 23_561_306, 23_561_306, 89.88, 286.55),  # the paper's Table 2
        ("hsanet_x", 17_470_106, 17_468_378, 66.64, 300.76),  # the paper's Table 2
        ("hsanet_3x3", 24_551_066, 24_549_338, 93.65, 301.91),  # the paper says 97.54 and 302.35
    ],
)
@pytest.mark.parametrize("variant", ["", "_private"])
def test_sizes(
    name: str, variant: str, true_count: int, counted: int, parameters_mib: float, passes_mib: float
) -> None:
    with torch.device("meta"):
        model = registry.spec(name + variant).build()
    assert sum(parameter.numel() for parameter in model.parameters()) == true_count
    found, found_parameters, found_passes = _torchsummary(model)
    assert found == counted
    assert round(found_parameters, 2) == parameters_mib
    assert round(found_passes, 2) == passes_mib


def test_counting_is_torchsummarys_own() -> None:
    """Its README's example: a small MNIST network of 21,840 parameters, 0.06 and 0.08 MB."""

    class Example(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv1 = nn.Conv2d(1, 10, 5)
            self.conv2 = nn.Conv2d(10, 20, 5)
            self.conv2_drop = nn.Dropout2d()
            self.fc1 = nn.Linear(320, 50)
            self.fc2 = nn.Linear(50, 10)

        def forward(self, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
            x = torch.relu(torch.max_pool2d(self.conv1(inputs["face"][:, :1]), 2))
            x = torch.relu(torch.max_pool2d(self.conv2_drop(self.conv2(x)), 2)).flatten(1)
            return self.fc2(torch.relu(self.fc1(x)))

    with torch.device("meta"):
        counted, parameters, passes = _torchsummary(Example(), side=28)
    assert counted == 21_840
    assert (round(parameters, 2), round(passes, 2)) == (0.08, 0.06)


def test_resnet50_is_torchvisions() -> None:
    """Same names, same weights, same answer."""
    theirs = torchvision.models.resnet50(num_classes=26).eval()
    ours = registry.build("resnet50").eval()
    assert ours.load_state_dict(theirs.state_dict()).missing_keys == []
    pictures = torch.randn(1, 3, 96, 96)
    with torch.no_grad():
        torch.testing.assert_close(ours({"face": pictures}), theirs(pictures), atol=1e-4, rtol=1e-4)


def _attention_by_hand(layer: WindowAttention, x: torch.Tensor) -> torch.Tensor:
    """The text's formula, one pixel and one head at a time; the border is zero keys and zero values."""
    query, key, value = layer.query(x)[0], layer.key(x)[0], layer.value(x)[0]
    heads, size = layer.heads, query.shape[0] // layer.heads
    width = value.shape[0] // heads
    positions = layer.key_windows.table.reshape(heads, size, 9) / math.sqrt(size)
    result = torch.zeros_like(value)
    _, rows, columns = value.shape
    for head in range(heads):
        q, k = (t[head * size : (head + 1) * size] for t in (query, key))
        v = value[head * width : (head + 1) * width]
        for i in range(rows):
            for j in range(columns):
                scores, seen = [], []
                for place in range(9):
                    y, z = i + place // 3 - 1, j + place % 3 - 1
                    inside = 0 <= y < rows and 0 <= z < columns
                    at = k[:, y, z] if inside else torch.zeros(size, dtype=x.dtype)
                    seen.append(v[:, y, z] if inside else torch.zeros(width, dtype=x.dtype))
                    scores.append(q[:, i, j] @ at / math.sqrt(size) + q[:, i, j] @ positions[head, :, place])
                weights = torch.softmax(torch.stack(scores), dim=0)
                mixed = sum(weight * one for weight, one in zip(weights, seen, strict=True))
                result[head * width : (head + 1) * width, i, j] = mixed
    return result


def test_attention_is_the_papers_formula() -> None:
    layer = initialise(WindowAttention(128), 3).double()
    with torch.no_grad():
        layer.key_windows.table.normal_(generator=torch.Generator().manual_seed(1))
        layer.value.bias.fill_(0.3)
        x = torch.randn(1, 128, 4, 3, dtype=torch.float64)
        torch.testing.assert_close(layer(x)[0], _attention_by_hand(layer, x))
    assert layer.heads == 2


@pytest.mark.parametrize(("stride", "side", "expected"), [(1, 7, 7), (2, 8, 4), (2, 7, 4), (2, 1, 1)])
@pytest.mark.parametrize("identity", ["x", "3x3"])
def test_block_halves_and_rounds_up(identity: str, stride: int, side: int, expected: int) -> None:
    layer = HybridSelfAttention(64, stride, make_norm("group"), identity)
    assert layer(torch.randn(2, 64, side, side)).shape == (2, 64, expected, expected)


def test_block_is_attention_plus_identity() -> None:
    x = torch.randn(1, 64, 6, 6)
    plain = initialise(HybridSelfAttention(64, 1, make_norm("group"), "x"), 1)
    torch.testing.assert_close(plain(x), plain.attention(x) + x)
    strided = initialise(HybridSelfAttention(64, 2, make_norm("group"), "3x3"), 1)
    pooled = torch.nn.functional.avg_pool2d(strided.attention(x), 2)
    torch.testing.assert_close(strided(x), pooled + strided.identity(x))


def test_only_the_last_stage_attends() -> None:
    for name, blocks in (("hsanet_3x3", 3), ("hsanet_small", 2)):
        with torch.device("meta"):
            model = registry.spec(name).build()
        where = [key for key, module in model.named_modules() if isinstance(module, KeyWindows)]
        assert where == [f"layer4.{index}.conv2.attention.key_windows" for index in range(blocks)]


def test_refuses_channels_that_heads_cannot_share() -> None:
    with pytest.raises(ModelError, match=r"multiple of 64 channels.*got 96"):
        WindowAttention(96)


def _loss(model: Network, faces: torch.Tensor, classes: torch.Tensor) -> torch.Tensor:
    return identity_cross_entropy(model({"face": faces}), classes)


@pytest.fixture(params=["x", "3x3"])
def small(request: pytest.FixtureRequest) -> Network:
    return registry.build("hsanet_small", classes=3, identity=request.param, seed=2).double()


@pytest.fixture
def records() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(7)
    return torch.randn(3, 3, 64, 64, generator=generator, dtype=torch.float64), torch.tensor([0, 2, 1])


def _one_by_one(model: Network, faces: torch.Tensor, classes: torch.Tensor) -> dict[str, torch.Tensor]:
    rows = []
    for index in range(len(faces)):
        loss = _loss(model, faces[index : index + 1], classes[index : index + 1]).sum()
        rows.append(torch.autograd.grad(loss, list(model.parameters())))
    names = [name for name, _ in model.named_parameters()]
    return {name: torch.stack(column) for name, column in zip(names, zip(*rows, strict=True), strict=True)}


def _worst(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor]) -> float:
    assert found.keys() == expected.keys()
    return max(
        ((found[name] - value).norm() / value.norm().clamp(min=1e-30)).item()
        for name, value in expected.items()
    )


def test_gradients_per_record_by_vmap(small: Network, records) -> None:
    faces, classes = records
    expected = _one_by_one(small, faces, classes)
    tables = [name for name in expected if name.endswith("table")]
    assert len(tables) == 2
    assert all(value.flatten(1).norm(dim=1).min() > 0 for value in expected.values())

    def loss(parameters: dict[str, torch.Tensor], face: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
        logits = torch.func.functional_call(small, parameters, ({"face": face[None]},))
        return identity_cross_entropy(logits, label[None]).sum()

    parameters = {name: value.detach() for name, value in small.named_parameters()}
    found = torch.func.vmap(torch.func.grad(loss), in_dims=(None, 0, 0))(parameters, faces, classes)
    assert _worst(found, expected) < 1e-11


# The pictures need no gradient, and torch says so to whoever hooks the first layer.
@pytest.mark.filterwarnings("ignore:Full backward hook is firing")
def test_gradients_per_record_by_opacus(small: Network, records) -> None:
    """Hooks, as Opacus sets them, see every parameter, the position tables included."""
    from opacus import GradSampleModule
    from opacus.validators import ModuleValidator

    faces, classes = records
    expected = _one_by_one(small, faces, classes)
    assert ModuleValidator.validate(small) == []
    hooked = GradSampleModule(small, loss_reduction="sum")
    _loss(hooked, faces, classes).sum().backward()
    missing = [name for name, value in small.named_parameters() if value.grad_sample is None]
    assert missing == []
    assert _worst({name: value.grad_sample for name, value in small.named_parameters()}, expected) < 1e-11
