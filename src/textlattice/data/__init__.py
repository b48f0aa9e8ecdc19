"""Tables of texts and labels: reading, rejecting, splitting."""
