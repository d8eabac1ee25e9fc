"""The drop-in: a program on OpenAI's SDK, unchanged, over two of Anthropic's keys and one of OpenAI's.

`ask` is the program, and knows nothing of a fleet. What it asks for goes to whoever is free; a key that is refused and
a stream that breaks before its first word are not noticed. The providers are simulated on loopback.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import httpx2
import openai

import junctor
from junctor.testing import Key, SimulatedProvider, faults


def ask(llm: openai.OpenAI, question: str) -> None:
    """A program as there are many: a streamed answer, printed as it comes."""
    stream = llm.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": question}], stream=True)
    for chunk in stream:
        print(chunk.choices[0].delta.content or "" if chunk.choices else "", end="", flush=True)
    print("   from", stream.response.headers["x-junctor-deployment"])


SECRETS = {"ONE": "sk-ant-one", "TWO": "sk-ant-two", "THREE": "sk-three"}
BEHIND = [Key("sk-ant-one", dialect="anthropic"), Key("sk-ant-two", dialect="anthropic"), Key("sk-three")]
with SimulatedProvider(BEHIND).in_thread() as provider, tempfile.TemporaryDirectory() as name:
    folder = Path(name)
    for reference, secret in SECRETS.items():
        (folder / reference).write_text(secret, encoding="utf-8")
    fleet = folder / "fleet.yaml"
    fleet.write_text(
        f"""
version: 1
providers:
  claude: {{adapter: anthropic, base_url: "{provider.base_url("anthropic")}"}}
  gpt: {{adapter: openai, base_url: "{provider.base_url("openai")}"}}
deployments:
  claude: {{model: claude/claude-opus-4-8, keys: ["file:{folder}/ONE", "file:{folder}/TWO"]}}
  gpt: {{model: gpt/gpt-5.6, key: "file:{folder}/THREE"}}
groups: {{gpt-4o: {{members: [claude, gpt]}}}}   # the name that the program asks for
""",
        encoding="utf-8",
    )
    provider.inject(faults.dead(), key="sk-ant-one")
    provider.inject(faults.cut(after_events=0), key="sk-three")
    transport = junctor.httpx_transport(fleet)
    with openai.OpenAI(api_key="unused", http_client=httpx2.Client(transport=transport)) as llm:
        for question in ("What is a junctor?", "And a selector?", "Who was Strowger?"):
            ask(llm, question)
