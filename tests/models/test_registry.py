"""Every registered model is what its entry says, starts from its seed alone, and learns."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from mien.errors import ModelError
from models import registry
from models.attributes import ATTRIBUTES
from models.losses import identity_cross_entropy, masked_binary_cross_entropy
from models.network import Network, group_norm
from models.weights import float_buffers

LARGE = {"nose_paper", "resnet50", "hsanet_x", "hsanet_3x3"} | {
    f"{name}_private" for name in ("resnet50", "hsanet_x", "hsanet_3x3")
}
LARGE |= {"hsanet_embedder", "vgg11", "resnet18"}
SMALL = sorted(set(registry.names()) - LARGE)


@pytest.fixture(scope="module")
def built() -> dict[str, Network]:
    return {name: registry.build(name) for name in SMALL}


def _row_losses(model: Network, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """A fitting per-record loss for whatever the model gives; half of the records each way."""
    result = model(inputs)
    records = len(result)
    if model.outputs == ("logits",):
        return identity_cross_entropy(result, torch.arange(records) % result.shape[1])
    if model.outputs == ("embedding",):
        targets = torch.nn.functional.one_hot(torch.arange(records) % 2, result.shape[1])
        return ((result - targets) ** 2).sum(dim=1)
    labels = (torch.arange(records)[:, None] % 2).expand(records, len(model.outputs))
    return masked_binary_cross_entropy(result, labels)


@pytest.mark.parametrize("name", registry.names())
def test_entry_tells_the_truth(name: str, tiny_batch) -> None:
    spec = registry.spec(name)
    with torch.device("meta"):  # shapes without the arithmetic: the large ones cost nothing
        model = spec.build()
        inputs = {key: value.to("meta") for key, value in tiny_batch(model, 2).items()}
        result = model.train(False)(inputs)
    assert (model.inputs, model.outputs) == (spec.inputs, spec.outputs)
    assert result.ndim == 2
    assert len(result) == 2
    if spec.outputs not in {("logits",), ("embedding",)}:
        assert result.shape[1] == len(spec.outputs)
    mixes = any(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())
    assert spec.private_ready == (not mixes)
    assert not (spec.private_ready and list(model.buffers()))
    in_place = [key for key, module in model.named_modules() if getattr(module, "inplace", False)]
    assert in_place == []  # hooks that record activations would see overwritten tensors
    assert spec.summary


@pytest.mark.parametrize("name", SMALL)
def test_learns_and_every_parameter_takes_part(name: str, built, tiny_batch) -> None:
    model = copy.deepcopy(built[name]).train()
    inputs = tiny_batch(model, 6)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    before = _row_losses(model, inputs).mean()
    before.backward()
    without = [key for key, value in model.named_parameters() if value.grad is None or not value.grad.any()]
    assert without == []
    for _ in range(3):
        optimizer.step()
        optimizer.zero_grad()
        loss = _row_losses(model, inputs).mean()
        loss.backward()
    assert loss < before


@pytest.mark.parametrize("name", SMALL)
def test_a_record_is_read_by_itself(name: str, built, tiny_batch) -> None:
    model = built[name].train()
    inputs = tiny_batch(model, 3)
    together = model(inputs)
    for row in range(3):
        alone = model({key: value[row : row + 1] for key, value in inputs.items()})
        torch.testing.assert_close(alone[0], together[row], atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("name", SMALL)
def test_first_weights_come_from_the_seed_alone(name: str, built) -> None:
    torch.manual_seed(5)
    state = torch.get_rng_state()
    again = registry.build(name)
    other = registry.build(name, seed=1)
    assert torch.equal(torch.get_rng_state(), state)
    assert all(
        torch.equal(a, b) for a, b in zip(registry.build(name).parameters(), again.parameters(), strict=True)
    )
    drawn = [key for key, value in again.named_parameters() if value.unique().numel() > 1]
    assert drawn
    others = dict(other.named_parameters())
    same = [key for key in drawn if torch.equal(dict(again.named_parameters())[key], others[key])]
    assert same == []


def test_attributes_are_in_the_papers_order() -> None:
    model = registry.build("attributes")
    assert model.outputs == ATTRIBUTES == ("Chubby", "Pale_Skin", "Rosy_Cheeks", "Pointy_Nose")
    assert model.inputs == ("jaw", "skin", "nose")


def test_trio_is_its_three_networks(tiny_batch) -> None:
    model = registry.build("attributes")
    inputs = tiny_batch(model, 2)
    logits = model(inputs)
    assert torch.equal(logits[:, :1], model.shape(inputs))
    assert torch.equal(logits[:, 1:3], model.skin(inputs))
    assert torch.equal(logits[:, 3:], model.nose(inputs))


def test_sizes_stay_within_their_promises() -> None:
    def count(name: str, **options: object) -> int:
        return sum(parameter.numel() for parameter in registry.build(name, **options).parameters())

    assert count("face_shape") == 8 * 16 + 16 + 16 + 1
    assert count("nose") <= 1_000_000
    assert count("face_cnn", attributes=[f"a{i}" for i in range(40)]) <= 300_000
    assert count("hsanet_small") <= 3_000_000
    assert count("private_head") == 128 * 4 + 4


def test_nose_network_is_alexnet() -> None:
    with torch.device("meta"):
        model = registry.spec("nose_paper").build()
    kinds = [type(module) for module in model.modules()]
    assert kinds.count(nn.Conv2d) == 5
    assert kinds.count(nn.MaxPool2d) == 3
    assert sum(isinstance(module, nn.Linear) for module in model.modules()) == 3
    convolutions = [module for module in model.modules() if isinstance(module, nn.Conv2d)]
    assert [module.out_channels for module in convolutions] == [96, 256, 384, 384, 256]
    assert model.classifier[1].in_features == 256 * 6 * 6


@pytest.mark.parametrize("side", [16, 32, 48, 64])
@pytest.mark.parametrize("name", ["skin", "nose", "face_cnn"])
def test_takes_crops_of_several_sizes(name: str, side: int, built) -> None:
    model = built[name]
    pictures = torch.zeros(1, 3, side, side)
    assert model({model.inputs[0]: pictures}).shape == (1, len(model.outputs))


def test_embeddings_have_length_one(built, tiny_batch) -> None:
    model = built["hsanet_small_embedder"]
    vectors = model(tiny_batch(model, 4))
    assert vectors.shape == (4, 128)
    torch.testing.assert_close(vectors.norm(dim=1), torch.ones(4))


def test_private_head_ignores_the_scale_of_features(built, tiny_batch) -> None:
    model = built["private_head"]
    features = tiny_batch(model, 3)["embedding"]
    torch.testing.assert_close(model({"embedding": features * 100}), model({"embedding": features}))


def test_private_head_can_have_a_hidden_layer() -> None:
    model = registry.build("private_head", dimensions=5, hidden=7, attributes=["Bald"])
    assert sum(parameter.numel() for parameter in model.parameters()) == 5 * 7 + 7 + 7 + 1


@pytest.mark.parametrize(
    ("name", "options", "words"),
    [
        ("hsanet_smal", {}, ["hsanet_smal", "did you mean 'hsanet_small'", "face_shape", "resnet50"]),
        ("skin", {"colour": 1}, ["'colour'", "width"]),
        ("skin", {"width": 0}, ["width", "greater than 0", "0"]),
        ("skin", {"width": "wide"}, ["skin", "wide"]),
        ("nose", {"dropout": 1.0}, ["dropout", "1.0"]),
        ("private_head", {"hidden": -1}, ["hidden", "-1"]),
        ("face_cnn", {"attributes": ["Bald", "Bald"]}, ["differ", "Bald"]),
        ("face_cnn", {"attributes": []}, ["at least one"]),
        ("hsanet_small", {"identity": "5x5"}, ["'x' or '3x3'", "5x5"]),
        ("resnet50", {"classes": 0}, ["classes", "0"]),
    ],
)
def test_refuses(name: str, options: dict[str, object], words: list[str]) -> None:
    with pytest.raises(ModelError) as refusal:
        registry.build(name, **options)
    assert all(word in str(refusal.value) for word in words), str(refusal.value)


def test_refuses_a_name_twice() -> None:
    enter = registry.register("skin", inputs=(), outputs=("a",), summary="")
    with pytest.raises(ModelError, match="twice"):
        enter(lambda: None)


def test_missing_column_is_named(built) -> None:
    with pytest.raises(ModelError, match=r"'jaw'.*\['face'\]"):
        built["face_shape"]({"face": torch.zeros(1, 3, 32, 32)})


def test_embedding_of_another_length_is_refused(built) -> None:
    with pytest.raises(ModelError, match=r"128 numbers, got 512"):
        built["private_head"]({"embedding": torch.zeros(1, 512)})


def test_unknown_parameters_are_not_left_at_random() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.secret = nn.Parameter(torch.empty(2))

    from models.initialise import initialise

    with pytest.raises(ModelError, match=r"inner of type Odd.*initialise\(generator\)"):
        initialise(nn.ModuleDict({"inner": Odd()}))


def test_group_norm_divides_its_channels() -> None:
    assert group_norm(24, 32).num_groups == 8
    assert group_norm(512, 32).num_groups == 32
    assert group_norm(7, 4).num_groups == 1


def test_only_batch_norm_models_have_running_statistics() -> None:
    with torch.device("meta"):
        holders = {name for name in registry.names() if float_buffers(registry.spec(name).build())}
    assert holders == {"resnet50", "hsanet_x", "hsanet_3x3"}
