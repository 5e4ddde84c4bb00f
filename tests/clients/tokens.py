"""Tokens as Supabase signs them: HS256, the role and whose it is in the claims."""

import base64
import hashlib
import hmac
import json
from typing import Any


def signed(secret: str, **claims: Any) -> str:
    """A token with these claims, and no others."""
    parts = [_encoded(json.dumps(part).encode()) for part in ({"alg": "HS256", "typ": "JWT"}, claims)]
    signature = hmac.digest(secret.encode(), ".".join(parts).encode(), hashlib.sha256)
    return ".".join([*parts, _encoded(signature)])


def _encoded(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
