"""The staging server's certificate, made at startup. It is not signed: executors get its fingerprint with their claim's
data.
"""
from __future__ import annotations

import datetime
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from mfmesos.shared.servertls import server_context

VALID_DAYS = 365


@dataclass(frozen=True)
class ServerTls:
    context: ssl.SSLContext
    pem: bytes
    """Key and certificate: a secret."""
    fingerprint: str
    """sha256 of the certificate in DER form, hex."""


def make_tls(
    hosts: tuple[str, ...], folder: Path, pem: bytes = b"", now: datetime.datetime | None = None,
) -> ServerTls:
    """A new key and certificate, or those of an earlier ServerTls. They are in a file (0600, in `folder`) only while
    OpenSSL loads them.
    """
    pem = pem or _new_pem(hosts, now or datetime.datetime.now(datetime.timezone.utc))
    context, fingerprint = server_context(pem.decode(), str(folder))
    return ServerTls(context, pem, fingerprint)


def peer_pem() -> str:
    """Key and certificate for an executor, which cannot make any: its Python has the standard library only."""
    return _new_pem((), datetime.datetime.now(datetime.timezone.utc), "mfmesos executor").decode()


def _new_pem(hosts: tuple[str, ...], now: datetime.datetime, owner: str = "mfmesos staging server") -> bytes:
    key = ec.generate_private_key(ec.SECP256R1())
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, owner)])
    builder = (
        x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        # Clocks of agents may be behind.
        .not_valid_before(now - datetime.timedelta(days=1)).not_valid_after(now + datetime.timedelta(days=VALID_DAYS))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True))
    if hosts:
        builder = builder.add_extension(x509.SubjectAlternativeName([_alternative(h) for h in hosts]), critical=False)
    return secret + builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)


def _alternative(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host.split("%")[0]))
    except ValueError:
        return x509.DNSName(host)
