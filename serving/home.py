"""The page at /: what answers here, where its documentation is, and a first request to copy.

It is one string with no script and nothing from another host, because the browser of somebody who works with
children's records should tell nobody about it.
"""

from __future__ import annotations

import json
import re
from html import escape

from serving.contract import SCORE_EXAMPLE

_HOST = re.compile(r"[A-Za-z0-9.\-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Homeroom</title>
<style>
body {{ font: 1rem/1.6 system-ui, sans-serif; max-width: 44rem; margin: 3rem auto; padding: 0 1rem; color: #1d2733;
  background: #fff; }}
pre {{ overflow-x: auto; padding: 1rem; border: 1px solid #c9d1da; border-radius: .4rem; background: #f4f6f8; }}
h1 {{ margin-bottom: 0; }}
a {{ color: #0b4f9c; }}
</style>
</head>
<body>
<main>
<h1>Homeroom</h1>
<p>Reads a school's own records, learns which students are drifting and which skills are not yet secure, and says so
in sentences that a teacher can check.</p>
<p><strong>It supports a decision and never makes one.</strong> A score is a reason to look and to ask. It is not a
finding about a student, and nothing may happen to a student because of a score alone.</p>
<h2>For people</h2>
<p>Counselors, teachers, principals, students and their families <a href="/review">sign in here</a>.</p>
<h2>For programs</h2>
<p>Every address, with the form of what it takes and gives, is in <a href="/docs.json">/docs.json</a> (OpenAPI).
<a href="/readyz">/readyz</a> says whether a model is in use. A first request, with a key that your school's
administrator made:</p>
<pre><code>{curl}</code></pre>
<p>A refused request says everything that is wrong with it at once, and how to mend it.</p>
</main>
</body>
</html>
"""


def home_page(host: str, scheme: str) -> str:
    """Return the page. ``host`` is what the browser asked for, and is only repeated where it looks like a host."""
    where = f"{scheme}://{host if _HOST.fullmatch(host) else 'localhost:3000'}"
    body = json.dumps(SCORE_EXAMPLE, indent=1)
    curl = (
        f'curl {where}/score \\\n  -H "Authorization: Bearer $HOMEROOM_KEY" \\\n'
        f"  -H 'Content-Type: application/json' \\\n  -d '{body}'"
    )
    return _PAGE.format(curl=escape(curl, quote=False))
