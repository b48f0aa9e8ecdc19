"""A language model that learns with the pyramid: wholly, or by small additions to its matrices."""

import copy
import warnings
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from textlattice.batch.pyramid_batch import Pieces, PieceWindows, PyramidBatch
from textlattice.encoders.language_model import LanguageModelEncoder
from textlattice.encoders.network import run_layers
from textlattice.encoders.offline import offline
from textlattice.errors import DataError, MissingExtraError

_REMEMBERED = 3 * 2**30
"""Bytes of the way through the language model that a step may remember."""


class TunedEncoder(nn.Module):
    """The states of each token, lowest layer first, by a copy of the language model that learns.

    Windows are those of the frozen encoder, so what was learned serves there: `network_alone` gives it.

    Args:
        encoder: The language model; it stays as it is.
        how: `full` teaches all of it, `lora` additions of a low rank.
        rank: Of the additions.
        bfloat16: Whether training steps compute in bfloat16; in evaluation mode all is float32.

    Source: LoRA (arXiv 2106.09685), on every matrix but the tables, scaled by 2.
    """

    def __init__(
        self, encoder: LanguageModelEncoder, how: Literal["lora", "full"], *, rank: int, bfloat16: bool
    ) -> None:
        super().__init__()
        network = copy.deepcopy(encoder.network)
        self.network: Any = _with_additions(network, rank) if how == "lora" else network.requires_grad_(True)
        self.layers, self.halves_steps = encoder.layers, bfloat16
        self.widths = (encoder.channels,) * len(encoder.layers)

    def forward(self, batch: PyramidBatch[Tensor]) -> list[Float[Tensor, "num_tokens channels"]]:
        """The states."""
        assert batch.pieces is not None
        return self.read(batch.pieces)

    def read(self, pieces: PieceWindows[Tensor]) -> list[Float[Tensor, "num_tokens channels"]]:
        """The states of the tokens of windows.

        Where there is too much to remember for the way back, nothing is but the states, and each table of windows is
        run once more there, so that the memory of a step does not grow without bound with the length of its texts.
        """
        remembered = _bytes_remembered(self.network.config, pieces)
        run = run_layers if remembered <= _REMEMBERED else _run_layers_twice
        with torch.autocast("cpu", torch.bfloat16, enabled=self.training and self.halves_steps):
            read = [run(self.network, window, self.layers) for window in pieces.windows]
        rows = torch.cat(
            [torch.empty(0, sum(self.widths)), *(states.float().flatten(0, 1) for states in read)]
        )
        return list(rows.index_select(0, pieces.place).split(self.widths, 1))

    def network_alone(self) -> Any:
        """The language model with what it has learned, additions summed into its matrices."""
        return self.network.merge_and_unload() if hasattr(self.network, "merge_and_unload") else self.network


def _bytes_remembered(config: Any, pieces: PieceWindows[Tensor]) -> int:
    """What the way back needs of all layers, in float32.

    Source: arXiv 2205.05198, section 4.1, with numbers of four bytes.
    """
    width, depth = config.hidden_size, config.num_hidden_layers
    heads = getattr(config, "num_attention_heads", 0)  # there are language models without attention
    return sum(
        window.ids.numel() * depth * (68 * width + 10 * heads * window.ids.shape[1])
        for window in pieces.windows
    )


def _run_layers_twice(network: Any, pieces: Pieces[Tensor], layers: list[int]) -> Tensor:
    """`run_layers`, run again for its gradient."""
    found: Tensor = checkpoint(run_layers, network, pieces, layers, use_reentrant=False)
    return found


def _with_additions(network: Any, rank: int) -> Any:
    try:
        import peft
    except ImportError:
        raise MissingExtraError("train.tune=lora", "hf") from None
    settings = peft.LoraConfig(r=rank, lora_alpha=2 * rank, target_modules="all-linear")
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # of names that `transformers` changed, of matrices that stand the other way
        try:
            with offline():
                return peft.get_peft_model(network, settings)
        except ValueError as error:
            raise DataError(
                f"train.tune=lora cannot add to this language model ({' '.join(str(error).split())[:300]}); set "
                "train.tune=full, or leave the model as it is."
            ) from error
