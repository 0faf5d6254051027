"""Memory: what was said and done is kept in a log, found again, and recalled into prompts.

The plugin itself is `plugin.py`. Nothing is imported here, so that the daemon starts with a few modules alone.
"""
