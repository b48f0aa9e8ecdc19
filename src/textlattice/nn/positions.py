"""Where a token stands in its document, as waves of many lengths."""

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


class PositionalEncoding(nn.Module):
    """x + PE(position in the document), sine and cosine of position / 10000^(2 i / channels).

    Args:
        channels: Width of a token, even.

    Source: CNN-GNN (arXiv 2507.07414), equation 23, after Vaswani et al. 2017.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(
        self,
        tokens: Float[Tensor, "num_tokens channels"],
        doc_index: Int[Tensor, " num_tokens"],
        doc_ptr: Int[Tensor, " doc_bounds"],
    ) -> Float[Tensor, "num_tokens channels"]:
        """The tokens with their place added."""
        places = torch.arange(len(doc_index), device=doc_index.device) - doc_ptr.index_select(0, doc_index)
        powers = torch.arange(0, self.channels, 2, device=doc_index.device) / self.channels
        angles = places[:, None] * 10_000.0**-powers
        return tokens + torch.stack([angles.sin(), angles.cos()], 2).flatten(1)
