"""`junctor mcp`: what models can and cost, and why a fleet would choose one, for programs that speak the Model
Context Protocol.

An agent that picks a model, or a person who asks one why a request went where it went, should not parse a command's
text. Resources are the catalog and the deployments of a fleet; tools look for models, explain a route and reckon a
price. Nothing is sent to any provider, no key is opened, and nothing can be changed: every tool only reads.

`answers` knows the questions and nothing of the protocol, `server` is the protocol's side, by the `mcp` package (2.x:
the revision 2026-07-28, and the older ones with `initialize`). Rejected: an own implementation of the protocol's few
methods, since its revisions differ in more than names. Install with `pip install "junctor[mcp]"`.
"""
