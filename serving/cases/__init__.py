"""What must outlive a process: tenants, keys and, on top of them, the cases of a school.

Only this folder (and ``serving/migrations``, which shapes its tables) speaks SQL.
"""
