"""What proves who asks, where a provider wants more than a key: AWS's request signatures, Google's access tokens.

Adapters are pure, and a signature needs the time and credentials that run out. So an endpoint may hold a signer, and
the dispatch applies it to what the adapter built. The clouds' own libraries are used for one thing only, finding and
renewing credentials, are imported when that happens, and run on a thread: they block.
"""

from junctor.signing.contract import Signer, SigningError

__all__ = ["Signer", "SigningError"]
