"""Providers behind a cloud account: addresses that follow from region and project, and who asks.

`bedrock: {region: us-east-1}` and `vertex: {project: acme}` must be enough, as `openai: {}` is. So the address is made
here, and without a key the identity is the one that the cloud's own library finds. What each file must say is checked
before anything is opened; a mistake found by the first request would be found in production.
"""

from __future__ import annotations

import re
from typing import Final, Literal

import msgspec

from junctor.config.cloud_spec import CredentialsSpec
from junctor.config.errors import Path, Problems
from junctor.config.references import HINT, Reference, parse
from junctor.config.spec import ProviderSpec

VERTEX: Final = "vertex"
CLOUDS: Final = ("bedrock", VERTEX)
_MULTI_REGIONS: Final = ("us", "eu")  # Google serves these from a host of another form
_BEDROCK_HOST: Final = re.compile(r"https?://bedrock-runtime(?:-fips)?\.([a-z0-9-]+)\.")
_OF_AWS: Final = ("access_key_id", "secret_access_key", "session_token", "profile")


class Identity(msgspec.Struct, frozen=True, kw_only=True):
    """Who asks. References are opened when endpoints are made; with none, the cloud's own library looks."""

    cloud: Literal["aws", "google"]
    region: str
    access_key_id: Reference | None = None
    secret_access_key: Reference | None = None
    session_token: Reference | None = None
    profile: str | None = None
    service_account: Reference | None = None
    token_env: str | None = None
    """A variable whose value, if there is one, is a bearer token to be used instead."""

    def references(self) -> list[tuple[str, Reference]]:
        """The references that it holds, by their keys in the file."""
        named = ((name, getattr(self, name)) for name in self.__struct_fields__)
        return [(name, value) for name, value in named if isinstance(value, Reference)]


def dialect_of(adapter: str, model: str) -> str:
    """The dialect of one deployment: Vertex serves other makers' models in their own."""
    if adapter != VERTEX:
        return adapter
    return "anthropic" if "claude" in model.lower() else "gemini"


def cloud_address(adapter: str, spec: ProviderSpec, path: Path, problems: Problems) -> str | None:
    """The address that region and project mean, or None after reporting what is missing."""
    if adapter == VERTEX:
        if spec.project is None:
            problems.error(path, "project is missing; write the Google Cloud project's id, such as project: acme-prod")
            return None
        return vertex_address(spec.project, spec.region or "global")
    if spec.region is None:
        problems.error(path, "region is missing; write the AWS region, such as region: us-east-1")
        return None
    return bedrock_address(spec.region)


def bedrock_address(region: str) -> str:
    """The runtime's address in an AWS region."""
    suffix = "amazonaws.com.cn" if region.startswith("cn-") else "amazonaws.com"
    return f"https://bedrock-runtime.{region}.{suffix}"


def vertex_address(project: str, region: str) -> str:
    """The address of a project's models in a Google Cloud region, `global` included.

    The beta version of the API, which Google's own SDK uses too, takes JSON schemas of tools as they are.
    """
    if region == "global":
        host = "aiplatform.googleapis.com"
    elif region in _MULTI_REGIONS:
        host = f"aiplatform.{region}.rep.googleapis.com"
    else:
        host = f"{region}-aiplatform.googleapis.com"
    return f"https://{host}/v1beta1/projects/{project}/locations/{region}"


def check_cloud_keys(adapter: str, spec: ProviderSpec, path: Path, problems: Problems) -> None:
    """Reports keys that mean nothing at this provider, and those that exclude each other."""
    if adapter not in CLOUDS:
        for key in ("region", "project", "credentials"):
            if getattr(spec, key) is not None:
                where = "a region is a deployment's" if key == "region" else "remove it"
                problems.error((*path, key), f"binds nothing: only {' and '.join(CLOUDS)} have it; {where}")
    elif adapter != VERTEX and spec.project is not None:
        problems.error((*path, "project"), "binds nothing: only vertex has projects; remove it")
    if spec.key is not None and spec.credentials is not None:
        problems.error(path, "has both key and credentials; use one of them")


def identity(adapter: str, spec: ProviderSpec, path: Path, problems: Problems, *, token_env: str) -> Identity | None:
    """Who asks, where no key says so; None for other providers, with a key, and after reporting what is wrong."""
    if adapter not in CLOUDS or spec.key is not None:
        return None
    given = spec.credentials or CredentialsSpec()
    here = (*path, "credentials")
    if adapter == VERTEX:
        _refuse(given, _OF_AWS, here, "vertex takes service_account", problems)
        return Identity(cloud="google", region="", service_account=_reference(given, "service_account", here, problems))
    _refuse(given, ("service_account",), here, "bedrock takes access_key_id, secret_access_key, profile", problems)
    region = spec.region or _region_of(spec.base_url)
    if region is None:
        problems.error(path, "region is missing; requests are signed for one: write it, such as region: us-east-1")
        return None
    if (given.access_key_id is None) != (given.secret_access_key is None):
        problems.error(here, "has half of a pair; give access_key_id and secret_access_key")
    if given.profile is not None and given.access_key_id is not None:
        problems.error(here, "has both profile and access_key_id; use one of them")
    return Identity(
        cloud="aws",
        region=region,
        access_key_id=_reference(given, "access_key_id", here, problems),
        secret_access_key=_reference(given, "secret_access_key", here, problems),
        session_token=_reference(given, "session_token", here, problems),
        profile=given.profile,
        token_env=token_env if spec.credentials is None and spec.base_url is None else None,
    )


def _region_of(base_url: str | None) -> str | None:
    found = _BEDROCK_HOST.match(base_url or "")
    return found[1] if found else None


def _refuse(given: CredentialsSpec, names: tuple[str, ...], here: Path, hint: str, problems: Problems) -> None:
    for name in names:
        if getattr(given, name) is not None:
            problems.error((*here, name), f"means nothing here; {hint}")


def _reference(given: CredentialsSpec, name: str, here: Path, problems: Problems) -> Reference | None:
    text = getattr(given, name)
    if text is None:
        return None
    found = parse(text)
    if found is None:
        problems.error((*here, name), f"is written in clear; secrets are references: {HINT}")
    return found
