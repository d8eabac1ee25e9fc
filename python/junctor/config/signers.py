"""From an identity to what signs requests: made when endpoints are, one for all deployments that share it.

The clouds' libraries are not loaded here, only looked for: a fleet that cannot sign should fail when it is loaded.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING

from junctor.config.clouds import Identity
from junctor.config.errors import Path, Problems
from junctor.config.references import Reference
from junctor.request import Secret

if TYPE_CHECKING:
    from junctor.signing import Signer

Open = Callable[[Reference, Path], Secret | None]


def sign_by(
    identity: Identity, path: Path, environ: Mapping[str, str], read: Open, problems: Problems
) -> Secret | Signer | None:
    """The bearer token that the environment holds, else a signer; None after reporting what is missing."""
    if identity.token_env is not None and (token := environ.get(identity.token_env, "").strip()):
        return Secret(token, f"env:{identity.token_env}")
    make = _google if identity.cloud == "google" else _aws
    return make(identity, path, read, problems)


def _aws(identity: Identity, path: Path, read: Open, problems: Problems) -> Signer | None:
    from junctor.signing.aws import AwsSigner
    from junctor.signing.sigv4 import Keys

    if identity.access_key_id is None or identity.secret_access_key is None:
        if not _installed("botocore", "bedrock", path, problems):
            return None
        return AwsSigner(identity.region, profile=identity.profile)
    here = (*path, "credentials")
    access = read(identity.access_key_id, (*here, "access_key_id"))
    secret = read(identity.secret_access_key, (*here, "secret_access_key"))
    session = None if identity.session_token is None else read(identity.session_token, (*here, "session_token"))
    if access is None or secret is None:
        return None
    keys = Keys(access.reveal(), secret.reveal(), None if session is None else session.reveal())
    return AwsSigner(identity.region, keys=keys)


def _google(identity: Identity, path: Path, read: Open, problems: Problems) -> Signer | None:
    from junctor.signing.google import GoogleSigner

    if not _installed("google.auth", "vertex", path, problems):
        return None
    if identity.service_account is None:
        return GoogleSigner()
    account = read(identity.service_account, (*path, "credentials", "service_account"))
    return None if account is None else GoogleSigner(account=account)


def _installed(module: str, extra: str, path: Path, problems: Problems) -> bool:
    try:
        found = find_spec(module) is not None
    except ModuleNotFoundError:  # not even the package around it
        found = False
    if not found:
        text = f'has no key, and what looks for other credentials is not installed; pip install "junctor[{extra}]"'
        problems.error(path, text)
    return found
