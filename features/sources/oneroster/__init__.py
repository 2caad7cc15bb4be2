"""OneRoster 1.1 and 1.2 as CSV: what most school systems in the United States export, nightly, as a zip.

``binding`` says what the files hold, ``package`` reads manifests, ``rows`` checks what came, ``people`` finds out which
user rows are one person, ``classes`` and ``gradebook`` make canonical tables, and ``reading`` tells the whole.
"""

from features.sources.oneroster.reading import OneRoster, identifiers, read

__all__ = ["OneRoster", "identifiers", "read"]
