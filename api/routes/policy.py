"""The ledger's own policy: what it asks others to trust, for them to look at and to pin."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter, Response

from api.access import KeptBy, MayRead
from api.deps import OwnPolicy
from api.errors import responses
from api.negotiation import NOT_MODIFIED, IfNoneMatch, tagged

router = APIRouter(tags=["proofs"], dependencies=[MayRead])

POLICY_RESPONSE: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The policy, RFC 8785: its SHA-256 is the fingerprint",
        "content": {"application/json": {"schema": {"type": "object"}}},
    }
}


@router.get(
    "/v1/policy", response_class=Response, responses=responses() | POLICY_RESPONSE | NOT_MODIFIED
)
def show_policy(policy: OwnPolicy, kept_by: KeptBy, if_none_match: IfNoneMatch = "") -> Response:
    """Return the policy that this server verifies under.

    To trust it is to believe this server. Compare its fingerprint with what its operator told you
    in another way: `provenance trust add policy.json --fingerprint ...`.
    """
    headers = {"Cache-Control": f"{kept_by}, no-cache"}
    return tagged(policy.to_bytes(), if_none_match, media_type="application/json", headers=headers)
