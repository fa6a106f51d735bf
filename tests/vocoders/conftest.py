"""Lets tests import the helpers that stand beside them."""

import os
import sys
from importlib.util import find_spec
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent))

# As many workers as cores: threads of their own would wait for each other after every operation.
if os.environ.get("PYTEST_XDIST_WORKER") and find_spec("torch"):
    import torch

    torch.set_num_threads(1)
