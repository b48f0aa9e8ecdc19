"""What training, engines and folders ask of the network of every family."""

from collections.abc import Mapping
from typing import Any

from jaxtyping import Float
from torch import Tensor, nn


class Classifier(nn.Module):
    """A network that gives logits of the documents of a batch, perhaps beside a wide branch."""

    def deep_logits(self, batch: Any) -> Float[Tensor, "num_docs num_outputs"]:
        """Logits of the network alone, of a batch of its family with nothing left out but n-grams."""
        raise NotImplementedError

    def fill_injected(self, vectors: Float[Tensor, "num_injected table_channels"]) -> None:
        """Takes the vectors of a token table; they are not trained."""
        raise NotImplementedError

    def join(
        self,
        wide_weight: Float[Tensor, "num_ngrams num_outputs"],
        wide_bias: Float[Tensor, " num_outputs"],
        scale: float,
    ) -> None:
        """Takes the wide branch on its scale and brings the network to its own, so that the forward is their sum."""
        raise NotImplementedError

    def learned(self) -> Mapping[str, Tensor]:
        """What training changes, by name: parameters, and the running averages of norms; views."""
        return dict(self.named_parameters())
