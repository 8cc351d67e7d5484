"""Access control of the cluster; the package's docstring gives the reasons."""
from __future__ import annotations

import base64
import hmac
import os
from dataclasses import dataclass
from pathlib import Path

from mfmesos.shared.messages import local as m


@dataclass(frozen=True)
class Credential:
    """A principal and its secret, as in HTTP Basic authentication."""

    principal: str
    secret: str

    def matches(self, authorization: str | None) -> bool:
        wanted = base64.b64encode(f"{self.principal}:{self.secret}".encode()).decode()
        return hmac.compare_digest((authorization or "").encode(), f"Basic {wanted}".encode())

    @staticmethod
    def read(path: Path) -> Credential:
        """Read a file with "PRINCIPAL:SECRET" or "PRINCIPAL SECRET". Raises ValueError with the reason."""
        try:
            if path.stat().st_mode & 0o077:
                raise ValueError(m.CLUSTER_SECRET_EXPOSED(path=path))
            text = path.read_text().strip()
        except OSError as e:
            raise ValueError(m.CLUSTER_SECRET_UNREADABLE(path=path, why=e.strerror)) from None
        principal, _, secret = text.partition(":") if ":" in text else text.partition(" ")
        if not principal or not secret.strip():
            raise ValueError(m.CLUSTER_SECRET_MALFORMED(path=path))
        return Credential(principal, secret.strip())


def peer_uid(peer_port: int, own_port: int) -> int | None:
    """The user who owns the other end of a connection over 127.0.0.1; None if the kernel does not show it.

    A socket that its process has already closed has inode 0 and no owner: that is no answer.
    """
    local = f"0100007F:{peer_port:04X}"
    remote = f"0100007F:{own_port:04X}"
    try:
        with open("/proc/net/tcp") as file:
            for line in file:
                fields = line.split()
                if fields[1] == local and fields[2] == remote:
                    return int(fields[7]) if fields[9] != "0" else None
    except (OSError, ValueError, IndexError):
        pass
    return None


def may_connect(peer_port: int, own_port: int) -> bool:
    """Whether the other end of the connection belongs to the user of this process, or to root."""
    return peer_uid(peer_port, own_port) in (os.getuid(), 0)
