"""Pages that people read, in their language, none of which loads anything from elsewhere.

``cards`` shows the cards of models, ``contexts`` says what each page of the review is made of, ``words`` how it is said,
``render`` makes HTML of both. Whoever shows a card needs neither templates nor words, so only the first is imported here.
"""

from serving.pages.cards import BY_KEY, FORMATS, Asked, asked, html

__all__ = ["BY_KEY", "FORMATS", "Asked", "asked", "html"]
