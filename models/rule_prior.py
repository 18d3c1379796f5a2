"""What people like about pieces of advice, on average: the prior of a device's own learner.

A logistic model on features of one piece of advice in one situation. Its weights are where a new person's
learner starts (``recommend.feedback``). It is trained like any other model; a device's rows are its owner's own
likes and not-for-mes, never a photo or a measure of a face.
"""

from __future__ import annotations

from torch import Tensor, nn

from mien.errors import ModelError
from models.network import Inputs, Network, positive
from models.registry import register


class RulePrior(Network):
    """Features of advice [B, F] -> logit of being liked [B, 1]."""

    def __init__(self, features: int) -> None:
        super().__init__(inputs=("advice",), outputs=("liked",))
        positive("features", features)
        self.features = features
        self.output = nn.Linear(features, 1)

    def forward(self, inputs: Inputs) -> Tensor:
        """Return logits [B, 1]. Raises ModelError for another number of features."""
        advice = self.column(inputs, "advice")
        if advice.shape[-1] != self.features:
            raise ModelError(
                f"rule_prior was built for {self.features} features of advice (faces.feedback.FEATURES), got "
                f"{advice.shape[-1]}; the rows were made by another version"
            )
        result: Tensor = self.output(advice)
        return result


@register(
    "rule_prior",
    inputs=("advice",),
    outputs=("liked",),
    summary="what people like about advice: the prior of each device's own learner",
)
def rule_prior(features: int = 29) -> RulePrior:
    """Build the model; 29 is the number of features in ``faces.feedback.FEATURES``."""
    return RulePrior(features)
