"""The third floor: scores over HTTP, cases, batch.

``contract`` says what the service needs from the room that scores (a desk) and what it can be told, ``guard`` is the
one place where a request is let in or refused and where every refusal gets its words, ``service`` hands both to
BentoML, ``cases`` keeps what must outlive a process, ``launch`` starts a server.
"""
