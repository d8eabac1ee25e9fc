"""Cascades: a cheap model answers first, and a dearer one only where the cheap answer does not look sure.

| module | what | knows nothing of |
|---|---|---|
| `signals` | how sure an answer looks, from its token log-probabilities; pure | requests, I/O |
| `probe` | a trained probe over those numbers, from a small JSON file | training |
| `schemas` | whether a text is the JSON that a schema asks for; pure | providers |
| `ladder` | the steps and thresholds of a cascade, and the verdict over one reading; pure | I/O |
| `ascent` | one call going up: each step a call of its own, judged, accepted or escalated | dialects |
| `calibration` | the file of thresholds that `junctor calibrate` writes | how they were found |
| `reading` | what has to ask somebody to read a signal: samples, a verbal score, the program's own check | |
| `speculation` | the cheap and the strong model started together | |
| `classify` | a small model asked for a label, which the rules then read as a tag | |
| `enough`, `early` | when a stream has said what was asked for, and how it is left then | providers |

Every step is an ordinary call: gate, rules, limits, attempts, one reservation after another, all under the deadline of
the call that it belongs to. Nothing here is imported before a fleet file asks for it.
"""
