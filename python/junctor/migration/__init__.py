"""From other routers' files to a fleet file: what they say that junctor can do, and a word about everything else.

Pure functions from one mapping to another. Nothing is looked up, no secret is opened, and none that stands in the old
file in clear is shown or written: a reference takes its place.
"""

from __future__ import annotations

from junctor.migration.litellm import Imported, from_litellm
from junctor.migration.notes import Note

__all__ = ["Imported", "Note", "from_litellm"]
