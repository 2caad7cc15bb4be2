"""Floor 2: targets, models, judgement, explanation and the registry.

``train`` tells the story from records to a registered candidate; the other files are its chapters.
"""

import os

# LightGBM's threads spin while they wait for each other. Where another process wants the same cores, that made fits four
# times as long (12.8 s against 3.0 s on two busy cores); asleep they lose nothing. Read when the library is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
