"""The one door: texts in, answers out, whatever computes the logits."""
