"""What stands in the place of a layer that is off."""

from jaxtyping import Float
from torch import Tensor, nn


class Unchanged(nn.Module):
    """The tokens as they are, whatever else a layer in this place would read."""

    def forward(
        self, tokens: Float[Tensor, "num_tokens channels"], *others: Tensor
    ) -> Float[Tensor, "num_tokens channels"]:
        """The same tokens."""
        return tokens
