"""A certificate for one run of a local server: official clients insist on TLS."""

import ssl
import tempfile
from pathlib import Path

import trustme


def self_signed(host: str) -> tuple[ssl.SSLContext, Path]:
    """Makes a server context for a host (and loopback), and a file with the authority that clients must trust.

    The caller removes the file.
    """
    authority = trustme.CA()
    names = {host, "localhost", "127.0.0.1", "::1"} - {"0.0.0.0", "::"}  # noqa: S104 - these are no names
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(*sorted(names)).configure_cert(context)
    with tempfile.NamedTemporaryFile("wb", prefix="assistant-ca-", suffix=".pem", delete=False) as file:
        file.write(authority.cert_pem.bytes())
    return context, Path(file.name)
