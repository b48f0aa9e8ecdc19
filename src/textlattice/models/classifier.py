"""What training, engines and folders ask of the network of every family."""

from collections.abc import Callable, Mapping
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from textlattice.models.wide import Wide
from textlattice.nn.head import LastLayer

ReadSample = Callable[[Callable[[Any], Tensor]], Tensor]
"""Gives what a part of a network makes of a sample of documents, a row each."""


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
        return {name: value for name, value in self.named_parameters() if value.requires_grad}

    def tuned(self) -> list[nn.Parameter]:
        """Parameters of a language model that learns, at a rate of their own."""
        return []


class WideAndDeep(Classifier):
    """A network whose document vectors are read by a head, beside the wide branch.

    A family builds the two parts, brings `document_vectors`, `begin_norms`, and `fill_words` where it has word rows.
    """

    head: LastLayer
    wide: Wide
    word_channels: int = 0
    """Width of a word row; 0 where words have none."""

    def document_vectors(self, batch: Any) -> Float[Tensor, "num_docs width"]:
        """One vector a document."""
        raise NotImplementedError

    def fill_words(self, rows: Float[Tensor, "num_words word_channels"]) -> None:
        """Begins the rows of the known words with the given ones; training goes on from there."""
        raise NotImplementedError

    def begin_norms(self, read: ReadSample) -> None:
        """Begins the scale of what describes documents with that of a sample."""
        raise NotImplementedError

    @torch.no_grad()
    def join(
        self,
        wide_weight: Float[Tensor, "num_ngrams num_outputs"],
        wide_bias: Float[Tensor, " num_outputs"],
        scale: float,
    ) -> None:
        """Takes the wide branch on its scale and brings the network to its own, so that the forward is their sum."""
        self.wide.weight.copy_(wide_weight)
        self.wide.bias.copy_(wide_bias)
        self.head.output.weight.mul_(scale)
        self.head.output.bias.mul_(scale)
