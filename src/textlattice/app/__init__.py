"""What a user sees: commands, the estimator, reports; each goes through the Predictor."""
