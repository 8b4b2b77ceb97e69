"""What the service takes, and what is switched on."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Final

from inkdigits.errors import UsageError

LOCAL_HOSTS: Final = ("localhost", "127.0.0.1", "[::1]")
"""Names by which a browser on this machine reaches it."""

ANY_HOST: Final = "*"
"""In `Settings.allowed_hosts`: every name is welcome."""


@dataclass(frozen=True)
class Settings:
    """Limits of the service, each of which has an option of `inkdigits serve`.

    Attributes:
        max_bytes: Length of a request's body.
        max_pixels: Width times height of a picture. 50 million take more than 300 MB while they are
            decoded, and the page makes larger ones smaller before it sends them.
        max_pictures: In one request.
        max_tiles: In one request of the Open Inference Protocol.
        max_requests: Being worked on or waiting for it at the same time.
        max_client_requests: The same for one client's address; behind a gateway, all clients have
            the gateway's.
        max_held_bytes: Of all bodies that lie in memory at the same time; at least `max_bytes`.
        max_connections: Open at the same time.
        max_client_connections: Of one client's address at the same time; behind a gateway, all
            clients have the gateway's.
        max_waiting: Calls of the network that wait at the same time.
        max_batch: Tiles that the network sees at once.
        deadline_s: From a request's last byte to its answer.
        body_timeout_s: From a request's headers to its last byte.
        requests_per_minute: Of one client; None: as many as it likes.
        api_key: What a client must bring; None: nothing.
        corrections: Folder in which corrections are kept; None: nowhere.
        allowed_hosts: Names under which the service may be addressed, without port. A page of
            another site, whose name was made to lead here, is so kept out (DNS rebinding).
        n_threads: That decode and read pictures; None: one for each core.
    """

    max_bytes: int = 20_000_000
    max_pixels: int = 20_000_000
    max_pictures: int = 64
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
    allowed_hosts: tuple[str, ...] = LOCAL_HOSTS
    n_threads: int | None = None

    def __post_init__(self) -> None:
        for known in fields(self):
            value = getattr(self, known.name)
            if isinstance(value, int | float) and not value > 0:
                raise UsageError(f"{known.name} is {value:g}: expected more than 0")
        if self.api_key is not None and (not self.api_key.isascii() or len(self.api_key) < 8):
            raise UsageError("the API key is too short or not ASCII: expected 8 characters or more")
        if self.max_held_bytes < self.max_bytes:
            raise UsageError(
                f"max_held_bytes is {self.max_held_bytes:,}: expected at least max_bytes, "
                f"{self.max_bytes:,}"
            )
