"""A simulated district: records as a school would export them, and apart from them what was true all along.

Nothing below the roof may import this package or read what it keeps under ``truth``: a model that could would be
judged by the answers it was given.
"""
