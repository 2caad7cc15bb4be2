"""What a tenant may be called: a school (or district) whose records, models and keys are apart from everybody else's.

The name becomes that of folders, experiments and registered models. One called ``../lincoln`` would read another
one's records, and so would ``lincoln.`` on a system that drops a point at the end.
"""

from __future__ import annotations

import re

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")

HINT = "Use at most 64 letters, digits, dashes and underscores, beginning with a letter or digit."
