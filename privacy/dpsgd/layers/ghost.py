"""Ghost norms: the norm of a sum of outer products, from two small Gram matrices."""

from __future__ import annotations

import torch
from torch import Tensor

from privacy.dpsgd.layers.base import squared_norms


def ghost_norms(inputs: Tensor, outputs: Tensor) -> Tensor:
    """Return ||sum_t outputs[r,t] inputs[r,t]^T||^2 for each record r, shape [records].

    ``inputs``: [records, positions, features]; ``outputs``: [records, positions, channels].

    With several positions the terms can cancel, and a float32 sum could then come out far too small, which
    would clip too little. So the size of its rounding error, machine epsilon times
    (sum_t |a_t|^2)(sum_t |g_t|^2) (the probabilistic bound of Higham and Mary 2019), is added: the norm errs
    upward, by a relative 1e-6 or so for ordinary gradients.
    """
    if inputs.shape[1] == 1:
        return squared_norms(inputs) * squared_norms(outputs)
    input_gram = torch.bmm(inputs, inputs.transpose(1, 2))
    output_gram = torch.bmm(outputs, outputs.transpose(1, 2))
    return gram_product(input_gram, output_gram)


def gram_product(input_gram: Tensor, output_gram: Tensor) -> Tensor:
    """Return the sums of the entrywise products of two stacks of Gram matrices, [n, t, t] each, as [n]."""
    count = len(input_gram)
    product = torch.bmm(input_gram.view(count, 1, -1), output_gram.view(count, -1, 1)).view(-1)
    traces = [gram.diagonal(dim1=1, dim2=2).sum(1) for gram in (input_gram, output_gram)]
    rounding = traces[0] * traces[1] * torch.finfo(product.dtype).eps
    return product.clamp_(min=0) + rounding
