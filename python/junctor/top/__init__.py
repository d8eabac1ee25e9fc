"""`junctor top`: what the processes of this host make of a fleet, seen from outside them.

| module | what |
|---|---|
| `watch` | looks at the shared state through an observer: one `Look` after another |
| `picture` | two looks become one `Picture`: levels as they are, counts as rates |
| `view` | a picture as lines of text, as many as there is room for |
| `screen` | the terminal: its lines, its keys, and how it was before |
"""

from junctor.top.picture import Picture, members, picture
from junctor.top.screen import Screen
from junctor.top.view import SORTS, lines, ordered
from junctor.top.watch import Look, Nobody, Watch

__all__ = ["SORTS", "Look", "Nobody", "Picture", "Screen", "Watch", "lines", "members", "ordered", "picture"]
