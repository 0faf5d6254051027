"""What the host costs, beside floors and peers that are measured in the same run: `python -m bench`."""
