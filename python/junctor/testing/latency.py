"""How long a simulated model takes.

Time to first token and speed of models are log-normal with a heavy right tail; a fixed delay would hide everything a
balancer has to cope with. Every draw comes from the caller's generator, so a seed repeats a run.
"""

from __future__ import annotations

import math
from random import Random

import msgspec


class Latency(msgspec.Struct, frozen=True, kw_only=True):
    """Seconds of a simulated model, before `SimulatedProvider`'s `time_scale`. The default answers at once.

    `first_token_s` is the median time to the first token of an empty prompt, `per_input_token_s` is added for each
    token of the prompt, `per_output_token_s` is the pause between output tokens. `sigma` is the spread of the
    log-normal factor on the first token (0.6 is realistic, 0 is exact).
    """

    first_token_s: float = 0.0
    per_input_token_s: float = 0.0
    per_output_token_s: float = 0.0
    sigma: float = 0.0

    def __post_init__(self) -> None:
        for name in self.__struct_fields__:
            if getattr(self, name) < 0:
                raise ValueError(f"{name} is {getattr(self, name)}, allowed is 0 or more")

    def draw_first_s(self, input_tokens: int, random: Random) -> float:
        """Seconds to the first token of a prompt this long."""
        median = self.first_token_s + self.per_input_token_s * input_tokens
        if median <= 0.0 or self.sigma <= 0.0:
            return max(0.0, median)
        return median * math.exp(random.gauss(0.0, self.sigma))


REALISTIC = Latency(first_token_s=0.45, per_input_token_s=0.000_05, per_output_token_s=0.012, sigma=0.6)
"""A middling hosted model: 0.45 s to the first token, about 80 tokens a second."""
