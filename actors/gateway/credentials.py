"""Secrets that people and pages show: the operator's access key, and what the gateway signs with it. Without I/O.

A signed value is `kind.payload.signature`; the key it is signed with comes from the access key by scrypt, so that
every machine with the same access key takes what another one signed, and no cookie is worth guessing the key from.
Without an access key the signing key is random, and good for the process.
"""

import base64
import binascii
import hashlib
import hmac
import secrets
from collections.abc import Mapping
from typing import Any

import attrs
import msgspec

SHORTEST_KEY = 16
_SALT = b"live-assistant gateway"
_COST = 1 << 14  # some 50 ms at the start, once
_LONGEST = 2048


@attrs.frozen(repr=False)
class Signer:
    """Signs small values and reads them back."""

    key: bytes

    @classmethod
    def of(cls, access_key: str | None) -> "Signer":
        """Derives the key from the access key; without one it is random."""
        if not access_key:
            return cls(secrets.token_bytes(32))
        return cls(hashlib.scrypt(access_key.encode(), salt=_SALT, n=_COST, r=8, p=1, dklen=32))

    def sign(self, kind: str, claims: Mapping[str, object]) -> str:
        """Gives the claims as one text that nobody can alter."""
        payload = _encoded(msgspec.json.encode(claims))
        return f"{kind}.{payload}.{self._signature(kind, payload)}"

    def read(self, kind: str, signed: str, now: float) -> Mapping[str, Any] | None:
        """Gives the claims; None if the text is forged, of another kind, or past its claim `until`."""
        parts = signed.split(".") if len(signed) <= _LONGEST and signed.isascii() else []
        if len(parts) != 3 or parts[0] != kind:  # noqa: PLR2004 - kind, payload, signature
            return None
        if not hmac.compare_digest(self._signature(kind, parts[1]), parts[2]):
            return None
        try:
            claims = msgspec.json.decode(base64.urlsafe_b64decode(parts[1] + "=="))
        except (msgspec.DecodeError, binascii.Error, ValueError):
            return None
        good = isinstance(claims, dict) and isinstance(claims.get("until"), int | float) and claims["until"] > now
        return claims if good else None

    def _signature(self, kind: str, payload: str) -> str:
        return _encoded(hmac.digest(self.key, f"{kind}.{payload}".encode(), "sha256"))


def same(given: str, expected: str) -> bool:
    """Compares secrets in a time that tells nothing of where they differ."""
    return hmac.compare_digest(given.encode(), expected.encode())


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
