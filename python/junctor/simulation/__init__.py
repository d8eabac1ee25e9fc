"""What `junctor simulate` runs: a fleet file, a trace, a world, and the real core between them.

`trace` reads who asks for what and when, `world` who answers and how, `job` puts both into the form that the compiled
simulation takes, `show` prints what came of it. Nothing is routed here and nothing is sent: the run itself is Rust.
"""
