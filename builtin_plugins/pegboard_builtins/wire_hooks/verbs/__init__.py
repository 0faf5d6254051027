"""The verbs of `pegboard hooks`, a module each; what they share is `desk`."""
