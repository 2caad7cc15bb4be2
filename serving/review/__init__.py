"""The counselors' room: who asks for which page, whether they may, and what it is made of.

``routes`` is the table of every address, ``reception`` answers them, ``room`` is what a page of a school is made with. One
module each makes the pages of one kind. Nothing here writes HTML: that is :mod:`serving.pages`.
"""
