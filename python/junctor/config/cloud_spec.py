"""What a file says of providers behind a cloud's account: where, in whose project, with whose identity."""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

Region = Annotated[
    str,
    Meta(
        pattern=r"^[a-z][a-z0-9-]{0,39}\Z",
        description="a cloud region such as us-east-1, europe-west4 or global",
    ),
]
Project = Annotated[
    str,
    Meta(
        pattern=r"^[a-z0-9][a-z0-9.:-]{1,99}\Z",
        description="a project's id or number, such as acme-prod",
    ),
]
_Reference = Annotated[str, Meta(min_length=1, max_length=5000, description="a reference: env:NAME or file:path")]
_Profile = Annotated[str, Meta(min_length=1, max_length=256, description="a text of 1 to 256 characters")]


class CredentialsSpec(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whose identity requests carry, where it is not the one that the cloud's own library finds.

    AWS: `access_key_id` with `secret_access_key` (and `session_token` for temporary ones), or the name of a `profile`.
    Google: `service_account`, a key file's JSON.
    """

    access_key_id: _Reference | None = None
    secret_access_key: _Reference | None = None
    session_token: _Reference | None = None
    profile: _Profile | None = None
    service_account: _Reference | None = None
