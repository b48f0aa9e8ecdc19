"""Hidden states of a frozen language model as an encoder: they come with the batch, nothing is computed."""

from jaxtyping import Float
from torch import Tensor, nn

from textlattice.batch.pyramid_batch import PyramidBatch


class StateEncoder(nn.Module):
    """The states of each token, lowest layer first.

    Args:
        num_states: Layers.
        channels: Width of a state.
    """

    def __init__(self, num_states: int, channels: int) -> None:
        super().__init__()
        self.widths = (channels,) * num_states

    def forward(self, batch: PyramidBatch[Tensor]) -> list[Float[Tensor, "num_tokens channels"]]:
        """The states."""
        assert batch.states is not None
        return list(batch.states.split(self.widths, 1))
