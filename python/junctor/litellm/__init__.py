"""junctor's decisions inside a LiteLLM Router, for programs that cannot move yet.

```python
router = litellm.Router(model_list=model_list, num_retries=2, disable_cooldowns=True)
use_junctor(router)
```

From then on junctor picks the deployment of every attempt and holds its limits; LiteLLM sends, translates, retries and
falls back as before. Needs LiteLLM 1.109.1 or newer; importing this package imports LiteLLM.
"""

from __future__ import annotations

from junctor.litellm.strategy import JunctorStrategy, use_junctor

__all__ = ["JunctorStrategy", "use_junctor"]
