"""Floor 2: targets, models, judgement, explanation and the registry.

``train`` tells the story from records to a registered candidate; the other files are its chapters.
"""
