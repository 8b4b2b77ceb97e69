"""Limits and options of the service."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Final

from inkdigits.errors import UsageError

LOCAL_HOSTS: Final = ("localhost", "127.0.0.1", "[::1]")
"""Host names that a browser on this machine uses."""

ANY_HOST: Final = "*"
"""In `Settings.allowed_hosts`: allows every host name."""


@dataclass(frozen=True)
class Settings:
    """Limits of the service, each of which has an option of `inkdigits serve`.

    Attributes:
        max_bytes: Bytes of a request body.
        max_pixels: Pixels of a picture, width times height. Decoding 50 million takes more than
            300 MB. The page scales larger pictures down before it sends them.
        max_pictures: Pictures in one request.
        max_pages: Pages of all PDF and TIFF files in one request. Those of a document are read one
            after the other, all of them within `deadline_s`.
        max_tiles: Tiles in one request of the Open Inference Protocol.
        max_requests: Concurrent requests, waiting ones included.
        max_client_requests: Concurrent requests of one client address. Behind a reverse proxy, all
            clients have the proxy's address.
        max_held_bytes: Bytes of all request bodies in memory; at least `max_bytes`.
        max_connections: Open connections.
        max_client_connections: Open connections of one client address. Behind a reverse proxy, all
            clients have the proxy's address.
        max_waiting: Calls in the network's queue.
        max_batch: Tiles in one batch of the network.
        deadline_s: Seconds from the last byte of a request to its response.
        body_timeout_s: Seconds from the headers of a request to its last byte.
        requests_per_minute: Requests per minute of one client; None for no limit.
        api_key: API key that clients must send; None for none.
        corrections: Folder in which to store corrections; None to store none.
        review: Folder of pictures to review, as `inkdigits batch --review` writes it; None for
            none.
        models: Run folders and model files that the recognizer was loaded from, for the gallery of
            the page; empty for the default model, or if they are not known.
        allowed_hosts: Host names, without port, that requests may use. Protects against DNS
            rebinding, in which the name of another site resolves to this machine.
        n_threads: Threads that decode and read pictures; None for one per core.
    """

    max_bytes: int = 20_000_000
    max_pixels: int = 20_000_000
    max_pictures: int = 64
    max_pages: int = 20
    max_tiles: int = 1024
    max_requests: int = 256
    max_client_requests: int = 128
    max_held_bytes: int = 400_000_000
    max_connections: int = 1024
    max_client_connections: int = 256
    max_waiting: int = 512
    max_batch: int = 64
    deadline_s: float = 30.0
    body_timeout_s: float = 60.0
    requests_per_minute: int | None = None
    api_key: str | None = field(default=None, repr=False)
    corrections: Path | None = None
    review: Path | None = None
    models: tuple[Path, ...] = ()
    allowed_hosts: tuple[str, ...] = LOCAL_HOSTS
    n_threads: int | None = None

    def __post_init__(self) -> None:
        for known in fields(self):
            value = getattr(self, known.name)
            if isinstance(value, int | float) and not value > 0:
                raise UsageError(f"{known.name} is {value:g}: expected more than 0")
        if self.api_key is not None and (not self.api_key.isascii() or len(self.api_key) < 8):
            raise UsageError(
                "the API key is too short or not ASCII: expected at least 8 ASCII characters"
            )
        if self.max_held_bytes < self.max_bytes:
            raise UsageError(
                f"max_held_bytes is {self.max_held_bytes:,}: expected at least max_bytes, "
                f"{self.max_bytes:,}"
            )
