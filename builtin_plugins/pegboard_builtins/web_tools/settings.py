"""The table `[web_tools]`."""

from pegboard.typed import Typed, fact


class WebSettings(Typed):
    """What WebFetch may reach, and how much of it is taken."""

    private: tuple[str, ...] = fact(
        default=(),
        description="Hosts, addresses or networks (`10.0.0.0/8`) that may be fetched though they are not public.",
    )
    seconds: float = fact(default=30.0, gt=0, description="How long a page may take in all.")
    max_bytes: int = fact(default=5_000_000, ge=1, description="How much of a page is taken, after decompression.")
    max_characters: int = fact(default=100_000, ge=1000, description="How much of a page the model is shown.")
    redirects: int = fact(default=5, ge=0, description="How many redirects within one host are followed.")
