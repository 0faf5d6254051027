"""The runners: one per type of handler, in a table."""
